"""The clips of segments, where somebody says which files they are cut from."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mmtrans.clips.listing import list_clips
from mmtrans.clips.store import CLIPS, Receipt
from mmtrans.explore.shapes import Clip
from tfrecords.schema import SEGMENT_ID
from tfrecords.stored import read_json

if TYPE_CHECKING:
    from mmtrans.clips.recordings import Recording

_REMEDY = "Name the corpus that `mmtrans extract` made of these clips."


@dataclass
class Media:
    """Media files by what they hold.

    Attributes:
        segments: id of a segment → file, start and end in seconds.
        recordings: id of a video, or of a segment in another spelling → file.
    """

    segments: dict[str, tuple[Path, float, float | None]] = field(default_factory=dict)
    recordings: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def read(cls, clips: str | Path, corpus: str | Path | None = None) -> Media:
        """Lists clips as `mmtrans extract` does; a corpus that it made of them tells when segments begin and end.

        Raises:
            FileNotFoundError, ValueError: there are no clips; or the corpus is none of clips.
        """
        media, listed = cls(), list_clips(clips).recordings
        for recording in listed:
            media._add(recording)
        if corpus is not None:
            files = {recording.name: recording.path for recording in listed}
            receipts = sorted((Path(corpus) / CLIPS).glob("*.json"))
            if not receipts:
                raise ValueError(
                    f"The corpus is not one of clips. Expected a folder {CLIPS} with files of its recordings. "
                    f"Received: none ({corpus}). {_REMEDY}"
                )
            for path in receipts:
                receipt = read_json(path, Receipt, _REMEDY)
                for segment in receipt["segments"] if receipt["recording"] in files else ():
                    media.segments[segment["id"]] = (files[receipt["recording"]], segment["start"], segment["end"])
        return media

    def _add(self, recording: Recording) -> None:
        for wanted in recording.wanted:
            if wanted.index is None:
                self.recordings[wanted.video_id] = recording.path
            else:
                self.segments[f"{wanted.video_id}[{wanted.index}]"] = (recording.path, wanted.start, wanted.end)

    def find(self, ids: Sequence[str], beside: Path) -> dict[str, Clip]:
        """The clips of segments: id → how a page in the folder `beside` links to it; segments without one are left
        out."""
        found = {id_: self._clip(id_, beside) for id_ in ids}
        return {id_: clip for id_, clip in found.items() if clip is not None}

    def _clip(self, id_: str, beside: Path) -> Clip | None:
        if id_ in self.segments:
            path, start, end = self.segments[id_]
            return _linked(path, beside, f"#t={start:g}" + (f",{end:g}" if end is not None else ""), False)
        match = SEGMENT_ID.fullmatch(id_)
        if match is None:
            return None
        video, number = match[1], int(match[2]) + 1
        # As files of segments are spelled: those that count, from 1.
        for name, whole in ((id_, False), (f"{video}_{number}", False), (f"{video}$_${number}", False), (video, True)):
            if name in self.recordings:
                return _linked(self.recordings[name], beside, "", whole)
        return None


def _linked(path: Path, beside: Path, part: str, whole: bool) -> Clip:
    kind = mimetypes.guess_type(path.name)[0] or ""
    link = quote(Path(os.path.relpath(path.resolve(), beside.resolve())).as_posix())
    return Clip(link + part, kind.startswith("audio"), whole)
