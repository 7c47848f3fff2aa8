"""Utterances as people type them: texts, the lines of a file, the rows of a table. Each becomes a segment of words."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mmtrans.sources.account import DropReason
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.neutral.table import WORD_COLUMNS, read_cells
from mmtrans.sources.words import read_words
from mmtrans.system.user_files import check_file, read_text, what_is
from tfrecords.schema import LabelScale, Segment, segment_id

#: Nobody reads it: utterances have no label.
_SCALE = LabelScale("sentiment", -3.0, 3.0, 0.0)


class Utterance(NamedTuple):
    """What somebody says.

    Attributes:
        id: the number of the text, line or row, from 1, or the id that the table gives it.
        text: the words, with blanks between them.
    """

    id: str
    text: str


def numbered(texts: Sequence[str]) -> list[Utterance]:
    """Utterances with their numbers as ids."""
    return [Utterance(str(number), text) for number, text in enumerate(texts, start=1)]


def lines_of(text: str) -> list[Utterance]:
    """The lines of a text, each an utterance; the end of the last line begins no other."""
    return numbered(text.removesuffix("\n").split("\n")) if text else []


def read_lines(path: str | Path) -> list[Utterance]:
    """The lines of a text file in UTF-8.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: no regular file, or no UTF-8.
    """
    path = check_file(path, "text", "a text file with an utterance a line")
    if not path.stat().st_size:
        return []
    return lines_of(read_text(path, "text", "a text file in UTF-8 with an utterance a line"))


def is_table_of_text(path: Path) -> bool:
    """Whether a file is a table in CSV with a column of text, and not of words, to which arrays may belong."""
    if path.suffix.lower() != ".csv" or not path.is_file() or what_is(path) is not None:
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            columns = [cell.strip().lower() for cell in next(csv.reader(file), [])]
        except csv.Error:
            return False
    return _words_of(columns) in WORD_COLUMNS[1:]


def read_rows(path: Path) -> list[Utterance]:
    """The rows of a table in CSV: its column `text`, `transcript` or `sentence`, and as id `id` or the row's number.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: no UTF-8, no such table, or a row with more cells than columns.
    """
    columns, rows = read_cells(path, _table_error)
    words = _words_of(columns)
    if words is None or len(set(columns)) < len(columns):
        raise _table_error(path, f"columns={columns}")
    return [
        Utterance(row.get("id", "").strip() or str(number), row[words]) for number, (_, row) in enumerate(rows, start=1)
    ]


def open_utterances(utterances: Sequence[Utterance], origin: str) -> Corpus:
    """A corpus of utterances, whose words have no vectors yet.

    A word is what stands between blanks, as in transcripts that are converted; marks of silence and noise are none. An
    utterance without words is left out, with the reason.

    Args:
        utterances: what is said.
        origin: where it is from, for messages: a file, or the flag that it was given by.
    """

    def read() -> Iterator[Segment]:
        corpus.account.clear()
        for utterance in utterances:
            words, is_spoken = read_words(utterance.text.split(), corpus.account)
            tokens = tuple(word for word, speaks in zip(words, is_spoken, strict=True) if speaks)
            if tokens:
                yield Segment(segment_id(utterance.id, 0), utterance.id, {}, tokens=tokens)
            else:
                corpus.account.drop(utterance.id, DropReason.NOTHING_SPOKEN)

    corpus = Corpus(
        format="text",
        files=[Path(origin)],
        label=_SCALE,
        read=read,
        video_ids=[utterance.id for utterance in utterances],
        ids_are_videos=True,
        vocabulary={word.lower() for utterance in utterances for word in utterance.text.split()},
    )
    return corpus


def _words_of(columns: Sequence[str]) -> str | None:
    return next((name for name in WORD_COLUMNS if name in columns), None)


def _table_error(place: object, received: str) -> ValueError:
    return ValueError(
        f"The table of text cannot be read. Expected CSV in UTF-8 with each column once, among them text, and perhaps "
        f"id. Received: {' '.join(received.split())} ({place}). Correct the table."
    )
