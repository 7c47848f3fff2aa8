"""The `segments.csv` of our plain format: id, split, label and words of each segment."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmtrans.sources.account import Note, Noted, note
from mmtrans.sources.ids import split_name
from mmtrans.sources.numerals import parse_number
from mmtrans.sources.segment_names import name_rows
from mmtrans.system.user_files import read_text
from tfrecords.schema import segment_id

TABLE = "segments.csv"
_COLUMNS = ("id", "video_id", "index", "split", "label", "words")

_MAX_INDEX_DIGITS = 18

#: What tables of words alone call them; the first that there is counts.
WORD_COLUMNS = ("words", "text", "transcript", "sentence")


@dataclass(frozen=True)
class Row:
    """One line of the table; `spelling` is the id as the table has it, or as its video and index make it."""

    video_id: str
    index: int
    spelling: str
    split: str | None
    label: float | None
    words: tuple[str, ...]

    @property
    def id(self) -> str:
        return segment_id(self.video_id, self.index)


def read_table(
    path: Path, notes: list[Note], *, for_words: bool = False
) -> tuple[list[Row], dict[str, list[str]] | None]:
    """Reads the table, and adds to `notes`.

    Args:
        path: the table.
        notes: gets what is noted.
        for_words: whether the words are what is wanted: a column `text`, `transcript` or `sentence` has them too, and
            lines without ids are segments all the same.

    Returns:
        the lines, and the folds by video that its splits make.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the table cannot be read.
    """
    columns, raw = read_cells(path, _table_error)
    named = "id" in columns
    stated = {"video_id", "index"} <= set(columns)
    if not raw or len(set(columns)) < len(columns) or not (named or stated or for_words):
        raise _table_error(path, f"columns={columns}, {len(raw)} lines")
    of_words = next((name for name in WORD_COLUMNS if name in columns), "words") if for_words else "words"
    extra = sorted(set(columns) - {*_COLUMNS, of_words} | ({"video_id", "index"} & set(columns) if named else set()))
    if extra:
        notes.append(note(Noted.COLUMNS_NOT_USED, file=path.name, columns=", ".join(extra)))
    lines, cells = [f"{path}, line {line}" for line, _ in raw], [row for _, row in raw]
    if named or not stated:
        ids = [row.get("id", "").strip() for row in cells]
    else:
        ids = [_stated_id(row, line) for row, line in zip(cells, lines, strict=True)]
    splits = [_split(row, line) for row, line in zip(cells, lines, strict=True)]
    labels = [_label(row, line) for row, line in zip(cells, lines, strict=True)]
    words = [tuple(row.get(of_words, "").split()) for row in cells]
    names, folds, found = name_rows(ids, splits, labels)
    notes += found
    parts = zip(names, ids, splits, labels, words, strict=True)
    return [Row(*name, id, split, label, spoken) for name, id, split, label, spoken in parts], folds


def read_cells(
    path: Path, refusal: Callable[[object, str], ValueError]
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Reads a table in CSV.

    Args:
        path: the table.
        refusal: `refusal(place, received)` gives what is raised where it cannot be read.

    Returns:
        the columns, in lower case, and of each row the line at which it ends and its cells.
    """
    text = read_text(path, "table of segments", "a CSV file in UTF-8 with a header")
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
        columns = [str(name).strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        raw = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise refusal(path, f"{type(error).__name__}: {error}") from error
    long = next((line for line, row in raw if len(row) > len(columns)), None)
    if long is not None:
        raise refusal(f"{path}, line {long}", "more cells than columns (words with commas need quotes)")
    return columns, raw


def _split(row: Mapping[str, str], where: str) -> str | None:
    text = row.get("split", "").strip()
    if text and split_name(text) is None:
        raise _table_error(where, f"split={text!r}")
    return split_name(text) if text else None


def _stated_id(row: Mapping[str, str], where: str) -> str:
    video_id, number = row["video_id"].strip(), row["index"].strip()
    if not video_id or not (number.isascii() and number.isdigit() and len(number) <= _MAX_INDEX_DIGITS):
        raise _table_error(where, f"video_id={video_id!r}, index={number!r}")
    return segment_id(video_id, int(number))


def _label(row: Mapping[str, str], where: str) -> float | None:
    text = row.get("label", "").strip()
    try:
        return parse_number(text) if text else None
    except ValueError as error:
        raise _table_error(where, f"label={text!r}") from error


def _table_error(where: object, received: str) -> ValueError:
    return ValueError(
        f"The table of segments cannot be read. Expected UTF-8 with columns id, or video_id and index (from 0), and "
        f"perhaps split (train, valid, test), label (a number or empty) and words. "
        f"Received: {' '.join(received.split())} ({where}). Correct the table."
    )
