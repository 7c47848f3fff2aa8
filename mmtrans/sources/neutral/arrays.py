"""The arrays of our plain format: which file and name each segment's modality has, and which of them can be read."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmtrans.sources.account import Account, Cleaned, Note, Noted, list_some, note
from mmtrans.sources.modalities import MAX_PARTS, holds_ids, modality_of, usual_width
from mmtrans.sources.neutral.table import Row
from mmtrans.sources.untrusted.npz import array_names, array_shape, open_npz, read_array

#: Texts that are read to tell whether they are the numbers of tokens.
_LOOKED_AT = 50


@dataclass(frozen=True)
class Place:
    """Where the array of one segment and modality is.

    Attributes:
        path: the archive.
        name: name of the array in the archive.
        shape: `(steps, dim)`.
        is_joint: whether the archive has the modality of all segments, or else all modalities of one.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    is_joint: bool


def find_arrays(
    folder: Path, rows: Sequence[Row], notes: list[Note], vectors_from: str | None = None
) -> tuple[list[dict[str, Place]], Account]:
    """The arrays of each row, by modality, and what of them is not read and counted.

    A modality of other columns than in most segments is left out of a segment. A text that is numbers of tokens is left
    out altogether, which is noted, as are files and arrays that belong to nothing, and a text whose vectors come from
    elsewhere.

    Raises:
        ValueError: two files for one modality, an array in two files or of two segments, an array that is no matrix, a
            damaged archive.
    """
    places: list[dict[str, Place]] = [{} for _ in rows]
    _find_joint(folder, rows, places, notes)
    _find_own(folder, rows, places, notes)
    if vectors_from is not None and (aside := sorted({row.pop("text").path.name for row in places if "text" in row})):
        notes.append(note(Noted.TEXT_REPLACED, file=list_some(aside), vectors=vectors_from))
    account = Account()
    widths: dict[str, Counter[int]] = {}
    for modality, place in ((modality, place) for of_row in places for modality, place in of_row.items()):
        if place.shape[0]:
            widths.setdefault(modality, Counter())[place.shape[1]] += 1
    dims = {modality: usual_width(found) for modality, found in widths.items()}
    for of_row in places:
        odd = [name for name, place in of_row.items() if place.shape[0] and place.shape[1] != dims[name]]
        for name in odd:
            account.count(Cleaned.SEGMENTS_OF_OTHER_COLUMNS, name)
            del of_row[name]
    texts = [of_row["text"] for of_row in places if "text" in of_row and of_row["text"].shape[0]]
    if texts and _hold_ids(texts):
        notes.append(note(Noted.TOKENS_AS_TEXT, text=texts[0].path.name))
        for of_row in places:
            of_row.pop("text", None)
    return places, account


def _find_joint(folder: Path, rows: Sequence[Row], places: Sequence[dict[str, Place]], notes: list[Note]) -> None:
    archives: dict[str, Path] = {}
    sharers = _sharers(rows)
    for path in sorted(folder.glob("*.npz")):
        modality = modality_of(path.stem)
        if modality is None:
            notes.append(note(Noted.NAMELESS_MODALITY, file=path.name))
        elif modality in archives:
            raise ValueError(
                f"Two files hold one modality. Expected one for each. Received: {archives[modality]} and {path}. "
                f"Move one of them out of the folder."
            )
        else:
            archives[modality] = path
    unused = 0
    for modality, path in archives.items():
        with open_npz(path) as archive:
            names = set(array_names(archive))
            for row, of_row in zip(rows, places, strict=True):
                name = _name_of(row, names, sharers, path)
                if name is not None:
                    of_row[modality] = Place(path, name, _shape(archive, name), is_joint=True)
            unused += len(names - {name for row in rows for name in (row.id, row.spelling)})
    if unused:
        notes.append(note(Noted.ARRAYS_OF_NO_SEGMENT, count=unused))


def _find_own(folder: Path, rows: Sequence[Row], places: Sequence[dict[str, Place]], notes: list[Note]) -> None:
    # Looked up among the files that are there: an id is no path, and "../x" must not lead out of the folder.
    own = {file.name.removesuffix(".npz"): file for file in sorted((folder / "segments").glob("*.npz"))}
    strange: set[str] = set()
    sharers = _sharers(rows)
    for row, of_row in zip(rows, places, strict=True):
        file_name = _name_of(row, own, sharers, folder / "segments")
        if file_name is None:
            continue
        path = own[file_name]
        with open_npz(path) as archive:
            for name in array_names(archive):
                modality = modality_of(name)
                if modality is None:
                    strange.add(name)
                    continue
                if modality in of_row:
                    raise ValueError(
                        f"Two files hold one array. Expected it in one. Received: {modality} in "
                        f"{of_row[modality].path} and {path} ({row.id}). Remove one."
                    )
                of_row[modality] = Place(path, name, _shape(archive, name), is_joint=False)
    if strange:
        notes.append(note(Noted.ARRAYS_NOT_USED, arrays=", ".join(sorted(strange)[:8])))
    lost = len(set(own) - {name for row in rows for name in (row.id, row.spelling)})
    if lost:
        notes.append(note(Noted.FILES_OF_NO_SEGMENT, count=lost))


def _sharers(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Spelling of the table → ids of the segments that it stands for, where they are several."""
    ids: dict[str, dict[str, None]] = {}
    for row in rows:
        ids.setdefault(row.spelling, {})[row.id] = None
    return {spelling: tuple(of_spelling) for spelling, of_spelling in ids.items() if len(of_spelling) > 1}


def _name_of(row: Row, names: Container[str], sharers: Mapping[str, Sequence[str]], where: Path) -> str | None:
    """The one of `names` that a row's array, or file, bears: its id or its spelling; `None` where it has none.

    Raises:
        ValueError: it is a spelling that several segments share.
    """
    if row.id in names:
        return row.id
    if row.spelling not in names:
        return None
    if row.spelling in sharers:
        raise ValueError(
            f"The name of an array fits several segments. Expected one array for each, like {row.id!r}. "
            f"Received: {row.spelling!r} for {' and '.join(sharers[row.spelling][:3])} ({where}). "
            f"Name the arrays so, or give each segment an id of its own."
        )
    return row.spelling


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    shape = array_shape(archive, name)
    if len(shape) != 2 or (shape[0] and not shape[1]):
        raise ValueError(
            f"A modality is no matrix. Expected (steps, dim). Received: shape={shape} ({archive.filename}, {name}). "
            f"Write one array (steps, dim) per segment."
        )
    return shape


def _hold_ids(texts: Sequence[Place]) -> bool:
    if any(min(place.shape) > MAX_PARTS for place in texts):
        return False
    for place in texts[:: max(1, len(texts) // _LOOKED_AT)]:
        with open_npz(place.path) as archive:
            if not holds_ids(read_array(archive, place.name)[None]):
                return False
    return True
