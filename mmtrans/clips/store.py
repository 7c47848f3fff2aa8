"""The directory of a corpus of clips: what is done of each recording, and the corpus that is made of all at the end.

`clips/<recording>.json` tells what became of a recording, and `clips/<recording>.npz` has the arrays of its segments as
they were measured. Both are there or the recording is not done. `segments.csv`, `audio.npz`, `video.npz` and
`corpus.json` are made of them, and are what `mmtrans convert` reads.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import msgspec
import numpy as np

from mmtrans.clips.account import LeftOut
from mmtrans.clips.lag import LagCurve
from mmtrans.clips.settings import ExtractSettings
from mmtrans.sources.untrusted.npz import array_names, open_npz, read_array
from mmtrans.system.escape import for_file_name
from mmtrans.system.files import new_file, write_atomically
from tfrecords.directories import remove

TABLE, SETTINGS, CLIPS = "segments.csv", "corpus.json", "clips"

#: Modality → the archive of its arrays.
ARRAYS = {"audio": "audio.npz", "video": "video.npz"}

#: Name of the array that tells how well energy fits words at each lag.
LAG = "lag"

#: What is in the directory, besides what every command leaves there for a moment.
_OWN = (TABLE, *ARRAYS.values(), SETTINGS, CLIPS)


class SegmentReceipt(TypedDict):
    """A segment: `steps` has modality → steps, `words` has `(word, start, end, how)` with times in the recording."""

    id: str
    label: float | None
    split: str | None
    speaker: str
    start: float
    end: float
    steps: dict[str, int]
    words: list[tuple[str, float, float, str]]


class Receipt(TypedDict):
    """What became of a recording.

    `request` is all that its segments depend on; `sound` and `picture` are what FFmpeg told of the
    file.
    """

    recording: str
    request: dict[str, object]
    sha256: str | None
    sound: dict[str, object]
    picture: dict[str, object]
    seconds: float
    segments: list[SegmentReceipt]
    counts: dict[str, float]
    left_out: list[LeftOut]


class Begun(TypedDict):
    """What a corpus was begun with: settings, and sha256 of models."""

    settings: Mapping[str, object]
    models: Mapping[str, str]


class ClipStore:
    """The directory of a corpus that is being made, or is whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def begin(self, settings: Mapping[str, object], models: Mapping[str, str]) -> None:
        """Makes the directory that of an extraction with these settings, and models of these sha256 by name.

        Raises:
            ValueError: it holds something else, or was begun with other settings or another model.
        """
        names = {path.name for path in self.directory.iterdir() if not path.name.startswith(".")}
        begun = self._begun() if SETTINGS in names else None
        if names and (begun is None or names - set(_OWN)):
            others = sorted(names - set(_OWN)) or sorted(names)
            raise ValueError(
                f"Something else is in the directory. Expected a new one, or one that this command began. "
                f"Received: {', '.join(others[:3])} ({self.directory}). Choose another."
            )
        differing = _differing(begun, Begun(settings=settings, models=models)) if begun is not None else []
        if differing:
            told = ", ".join(f"{name}={given!r} after {before!r}" for name, given, before in differing)
            raise ValueError(
                f"The corpus was begun with other settings. Expected the same. Received: {told} ({self.directory}). "
                f"Choose another directory, or remove this one."
            )
        (self.directory / CLIPS).mkdir(exist_ok=True)
        if begun is None:
            told = {"extraction": {"settings": settings, "models": models}}
            write_atomically(self.directory / SETTINGS, json.dumps(told))

    def _begun(self) -> Begun | None:
        """What `corpus.json` tells of how the corpus was begun; an earlier version told no models."""
        try:
            content = json.loads((self.directory / SETTINGS).read_text(encoding="utf-8"))
            told = {name: content["extraction"].get(name, {}) for name in ("settings", "models")}
            return msgspec.convert(told, Begun)
        except (ValueError, KeyError, AttributeError, TypeError):
            return None

    def abandon(self) -> None:
        """Removes all that this command has made."""
        for name in _OWN:
            remove(self.directory / name)

    def receipt(self, recording: str, request: Mapping[str, object] | None = None) -> Receipt | None:
        """What became of a recording that is done; of another request than this one it is not."""
        place = self._place(recording)
        try:
            receipt: Receipt = json.loads(place.with_name(f"{place.name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        # An earlier version told nothing of pictures, and named arrays otherwise.
        is_earlier = "picture" not in receipt
        is_other = request is not None and receipt["request"] != request
        return receipt if self._arrays_of(recording).is_file() and not is_earlier and not is_other else None

    def take(self, other: ClipStore, recording: str) -> Receipt:
        """Puts what became of a recording, as another directory has it, in this one."""
        receipt = other.receipt(recording)
        if receipt is None:
            raise FileNotFoundError(f"There is nothing of {recording} in {other.directory}.")
        with self.new_arrays(recording) as path:
            os.replace(other._arrays_of(recording), path)
        self.keep(receipt)
        return receipt

    def forget_others(self, recordings: Iterable[str]) -> None:
        """Removes what became of recordings that are none of these."""
        known = {f"{self._place(recording).name}{end}" for recording in recordings for end in (".json", ".npz")}
        for path in (self.directory / CLIPS).iterdir():
            if path.name not in known:
                remove(path)

    def forget_corpus(self) -> None:
        """Removes what is made of all recordings, before more of them are done."""
        for name in (TABLE, *ARRAYS.values()):
            remove(self.directory / name)

    def new_arrays(self, recording: str):
        """A context that gives the file to which the arrays of a recording are written."""
        return new_file(self._arrays_of(recording))

    def keep(self, receipt: Receipt) -> None:
        """Notes that a recording is done; its arrays are there."""
        place = self._place(receipt["recording"])
        write_atomically(place.with_name(f"{place.name}.json"), json.dumps(receipt, ensure_ascii=False, indent=1))

    def arrays(self, receipt: Receipt, modality: str) -> Iterator[tuple[SegmentReceipt, np.ndarray]]:
        """The segments of a recording that have a modality, and its array `(steps, columns)` as it was measured."""
        if not receipt["segments"]:
            # What failed has no file.
            return
        with open_npz(self._arrays_of(receipt["recording"])) as archive:
            for segment in receipt["segments"]:
                if modality in segment["steps"]:
                    yield segment, read_array(archive, array_name(segment["id"], modality))

    def lag(self, receipt: Receipt) -> LagCurve:
        """How well the energy of a recording fits the words that lie beside it at each lag; empty where none do."""
        if not receipt["segments"]:
            return LagCurve.empty()
        with open_npz(self._arrays_of(receipt["recording"])) as archive:
            return LagCurve.of(read_array(archive, LAG)) if LAG in array_names(archive) else LagCurve.empty()

    def write_corpus(
        self,
        receipts: Sequence[Receipt],
        arrays: Mapping[str, Iterable[tuple[str, np.ndarray]]],
        settings: Mapping[str, object],
    ) -> None:
        """Writes the corpus; the table comes last, and without it there is none.

        Args:
            receipts: what became of all recordings.
            arrays: modality → id and array of each segment that has it.
            settings: what `corpus.json` holds.
        """
        for modality, pairs in arrays.items():
            with new_file(self.directory / ARRAYS[modality]) as path, ArrayWriter(path) as writer:
                for id, array in pairs:
                    writer.add(id, array)
        write_atomically(self.directory / SETTINGS, json.dumps(settings, ensure_ascii=False, indent=1))
        out = io.StringIO(newline="")
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["id", "split", "label", "words"])
        for receipt in receipts:
            for segment in receipt["segments"]:
                words = " ".join(word for word, *_ in segment["words"])
                label = "" if segment["label"] is None else repr(segment["label"])
                table.writerow([segment["id"], segment["split"] or "", label, words])
        write_atomically(self.directory / TABLE, out.getvalue())

    def _place(self, recording: str) -> Path:
        return self.directory / CLIPS / for_file_name(recording)

    def _arrays_of(self, recording: str) -> Path:
        place = self._place(recording)
        return place.with_name(f"{place.name}.npz")


def _differing(begun: Begun, given: Begun) -> list[tuple[str, object, object]]:
    """Name, value and value before of each setting that differs, and of each model that both name."""
    before, now = ExtractSettings.of(begun["settings"]).to_json(), given["settings"]
    # The same model may have moved: its sha256 tells.
    same = {"asr_model"} if now["asr_model"] and before["asr_model"] else set()
    settings = [(name, now[name], before[name]) for name in sorted(now.keys() - same) if now[name] != before[name]]
    shared = sorted(begun["models"].keys() & given["models"].keys())
    pairs = [(name, given["models"][name][:12], begun["models"][name][:12]) for name in shared]
    return settings + [(name, model, other) for name, model, other in pairs if model != other]


def array_name(id: str, modality: str) -> str:
    """The name of a segment's array among those of its recording."""
    return f"{modality}/{id}"


class ArrayWriter:
    """Writes an .npz archive array by array: what is held does not grow with their number."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.close()

    def add(self, name: str, array: np.ndarray) -> None:
        """Adds an array under a name."""
        # The time of an entry is always the same, so that equal arrays make equal files.
        entry = zipfile.ZipInfo(f"{name}.npy")
        with self._archive.open(entry, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.ascontiguousarray(array, np.float32), allow_pickle=False)
