"""Which clips there are: those of a file, a folder or a table, as recordings and what of each is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmtrans.clips.account import ClipAccount, Reason
from mmtrans.clips.words.files import words_beside
from mmtrans.sources.folders import files_within
from mmtrans.sources.ids import split_name
from mmtrans.sources.neutral.table import read_cells
from mmtrans.sources.numerals import parse_number
from mmtrans.system.user_files import has_file
from tfrecords.schema import SEGMENT_ID

#: The table of a folder; any other .csv file may be named itself.
TABLE = "clips.csv"

#: Files of a folder that are taken for clips, by their ending.
_ENDING = re.compile(
    r"\.(mp4|m4[av]|mov|3gp|mkv|webm|mka|avi|wm[av]|asf|flv|m?ts|m2ts|mpe?g|vob|og[gav]|opus|wav|w64|aiff?|caf|au|flac|mp3"
    r"|aac|ac3|amr|wv|ape|tta|dv|mxf|nut)",
    re.IGNORECASE,
)

#: Files that have no picture, by their ending.
_SOUND_ENDING = re.compile(
    r"\.(m4a|mka|wma|og[ga]|opus|wav|w64|aiff?|caf|au|flac|mp3|aac|ac3|amr|wv|ape|tta)", re.IGNORECASE
)

_COLUMNS = ("file", "start", "end", "id", "label", "split", "speaker", "transcript")

#: Longer ids are rather something else.
_MAX_ID_BYTES = 200


@dataclass(frozen=True)
class Wanted:
    """What of a recording is wanted.

    Attributes:
        video_id: the video that its segments are of.
        index: the index of the one segment that it is; `None` where it may be cut.
        start: seconds.
        end: seconds; `None` for the recording's end.
        label: the label, if there is one.
        split: train, valid or test, if it is known.
        speaker: who speaks.
        transcript: what is said, if the table tells.
    """

    video_id: str
    index: int | None = None
    start: float = 0.0
    end: float | None = None
    label: float | None = None
    split: str | None = None
    speaker: str = ""
    transcript: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it stays one segment: a label and an index are those of the whole."""
        return self.index is not None or self.label is not None


@dataclass(frozen=True)
class Recording:
    """A file and what of it is wanted; `name` is its path within the folder or the table's."""

    path: Path
    name: str
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class Listing:
    """All recordings, what was left out already, and how many files of a folder are no clips."""

    recordings: list[Recording]
    account: ClipAccount
    files_aside: int = 0


def list_clips(path: str | Path) -> Listing:
    """The clips of a file, of a folder, of its `clips.csv`, or of another table.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the table cannot be read, or there are no clips.
    """
    path = Path(path)
    account = ClipAccount()
    aside = 0
    if path.is_dir() and not has_file(path / TABLE, "table of clips"):
        files = sorted(files_within(path))
        clips = [file for file in files if _ENDING.fullmatch(file.suffix)]
        beside = {place for clip in clips if (place := words_beside(clip)) is not None}
        aside = len(set(files) - set(clips) - beside)
        listed = [(file, _name_of(file, path), Wanted(_id_of(_name_of(file, path)))) for file in clips]
    elif path.is_dir() or path.suffix.lower() == ".csv":
        listed = _read_table(path / TABLE if path.is_dir() else path, account)
    elif has_file(path, "clip"):
        listed = [(path, _text(path.name), Wanted(_id_of(_text(path.name))))]
    else:
        raise FileNotFoundError(
            f"There is no clip at {path}. Expected a video or sound file, a folder of such, or a table {TABLE}. "
            f"Check the name."
        )
    if not listed and not account.left:
        raise ValueError(
            f"There are no clips. Expected files like talk.mp4 or talk.wav, or a table {TABLE}. "
            f"Received: {aside} other files ({path}). Name the file itself where it has another ending."
        )
    return Listing(_by_file(_with_own_ids(listed, account), account), account, aside)


def holds_clips(path: Path) -> bool:
    """Whether a path is of clips, and nothing else tells of it: by names alone."""
    if not path.is_dir():
        return path.name == TABLE or _ENDING.fullmatch(path.suffix) is not None
    return (path / TABLE).is_file() or any(_ENDING.fullmatch(file.suffix) for file in files_within(path))


def may_have_picture(path: Path) -> bool:
    """Whether a file may be a film, by its ending."""
    return _SOUND_ENDING.fullmatch(path.suffix) is None


def _name_of(file: Path, folder: Path) -> str:
    return _text(file.relative_to(folder).as_posix())


def _text(name: str) -> str:
    """A file's name as text that can be stored."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _id_of(name: str) -> str:
    """The id of a file's clip: its path without the ending."""
    stem = name[: -len(Path(name).suffix)] if Path(name).suffix else name
    return stem.replace("/", "-").strip() or "clip"


def _read_table(table: Path, account: ClipAccount) -> list[tuple[Path, str, Wanted]]:
    columns, rows = read_cells(table, _table_error)
    if "file" not in columns or len(set(columns)) < len(columns):
        raise _table_error(table, f"columns={columns}")
    others = sorted(set(columns) - set(_COLUMNS))
    if others:
        raise _table_error(table, f"columns={others} too")
    listed = []
    for line, row in rows:
        cells = {name: row.get(name, "").strip() for name in _COLUMNS}
        if not any(cells.values()):
            continue
        wanted = _wanted(cells, f"{table}, line {line}")
        if wanted.end is not None and wanted.end <= wanted.start:
            account.leave(f"{cells['file']}, line {line}", Reason.END_BEFORE_START)
            continue
        listed.append((table.parent / cells["file"], cells["file"], wanted))
    return listed


def _wanted(cells: Mapping[str, str], where: str) -> Wanted:
    if not cells["file"] or "\0" in cells["file"]:
        raise _table_error(where, f"file={cells['file']!r}")
    numbers: dict[str, float | None] = {}
    for name in ("start", "end", "label"):
        try:
            numbers[name] = parse_number(cells[name]) if cells[name] else None
        except ValueError as error:
            raise _table_error(where, f"{name}={cells[name]!r}") from error
        if numbers[name] is not None and not abs(numbers[name] or 0.0) < 1e9:
            raise _table_error(where, f"{name}={cells[name]!r}")
    if (numbers["start"] or 0.0) < 0:
        raise _table_error(where, f"start={cells['start']!r}")
    split = split_name(cells["split"]) if cells["split"] else None
    if cells["split"] and split is None:
        raise _table_error(where, f"split={cells['split']!r}")
    id = cells["id"] or _id_of(cells["file"])
    match = SEGMENT_ID.fullmatch(id) if cells["id"] else None
    return Wanted(
        video_id=match[1] if match else id,
        index=int(match[2]) if match else None,
        start=numbers["start"] or 0.0,
        end=numbers["end"],
        label=numbers["label"],
        split=split,
        speaker=cells["speaker"],
        transcript=cells["transcript"] or None,
    )


def _with_own_ids(listed: Sequence[tuple[Path, str, Wanted]], account: ClipAccount) -> list[tuple[Path, str, Wanted]]:
    """Those whose ids are theirs alone: one segment has an index, and one file the ids without."""
    kept = []
    numbered: set[tuple[str, int]] = set()
    owners: dict[str, Path | None] = {}
    for path, name, wanted in listed:
        video, index = wanted.video_id, wanted.index
        # Segments with an index may come from several files.
        owner = path if index is None else None
        if "\0" in video or len(video.encode()) > _MAX_ID_BYTES:
            account.leave(name, Reason.BAD_NAME)
        elif owners.setdefault(video, owner) != owner or (index is not None and (video, index) in numbered):
            account.leave(name, Reason.ID_TAKEN)
        else:
            if index is not None:
                numbered.add((video, index))
            kept.append((path, name, wanted))
    return kept


def _by_file(listed: Sequence[tuple[Path, str, Wanted]], account: ClipAccount) -> list[Recording]:
    """The files that are there, each once."""
    found: dict[Path, tuple[str, list[Wanted]]] = {}
    for path, name, wanted in listed:
        found.setdefault(path, (name, []))[1].append(wanted)
    recordings = []
    for path, (name, of_file) in found.items():
        try:
            is_there = has_file(path, "clip")
            reason = None if is_there else Reason.MISSING
        except ValueError:
            reason = Reason.NO_FILE
        if reason is None:
            recordings.append(Recording(path, name, tuple(of_file)))
        else:
            account.leave(name, reason)
    return recordings


def _table_error(where: object, received: str) -> ValueError:
    return ValueError(
        f"The table of clips cannot be read. Expected UTF-8 with a column file, and perhaps start, end (seconds), id, "
        f"label (a number or empty), split (train, valid, test), speaker and transcript. "
        f"Received: {' '.join(received.split())} ({where}). Correct the table."
    )
