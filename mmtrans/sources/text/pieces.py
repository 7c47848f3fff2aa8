"""The pieces of words as columns of a text, for an encoder that reads them while it is trained.

A word's columns hold the ids of its pieces, in their order, and `NO_PIECE` after the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tfrecords.schema import NO_PIECE, Segment

if TYPE_CHECKING:
    from collections.abc import Collection

    from mmtrans.words.pieces import PieceReader, Pieces

#: Further pieces of a word, as of a long address, are left out.
MOST_COLUMNS = 16


def count_columns(reader: PieceReader, vocabulary: Collection[str], most: int) -> int:
    """The pieces of the word that has most of them, at most `MOST_COLUMNS` and `most`.

    Args:
        reader: the reader of pieces.
        vocabulary: the words in lower case; as they are spelled, or after another word, they may have more pieces.
        most: the pieces that the encoder reads at once.
    """
    spelled = [[form, form] for word in vocabulary for form in {word, word.capitalize(), word.upper()}]
    found = max((int(np.bincount(pieces.words, minlength=1).max()) for pieces in reader.read_all(spelled)), default=1)
    return max(min(found, MOST_COLUMNS, most), 1)


def piece_columns(pieces: Pieces, words: int, columns: int) -> np.ndarray:
    """The ids of each word's first pieces: `(words, columns)` float32, `NO_PIECE` where there are no further ones."""
    ids = np.full((words, columns), NO_PIECE, np.float32)
    places = _places(pieces)
    kept = places < columns
    ids[pieces.words[kept], places[kept]] = pieces.ids[kept]
    return ids


def count_left_out(pieces: Pieces, columns: int) -> int:
    """The pieces for which there is no column."""
    return int((_places(pieces) >= columns).sum())


def cut(segment: Segment, pieces: Pieces, columns: int, most: int, aligned: Mapping[str, bool]) -> Segment:
    """A segment's first words, as many as an encoder reads at once.

    Args:
        segment: the segment.
        pieces: the pieces of its words.
        columns: the pieces of a word that count.
        most: the pieces that the encoder reads at once.
        aligned: modality → whether its steps are the words' steps, and are cut with them.
    """
    counts = np.minimum(np.bincount(pieces.words, minlength=len(segment.tokens)), columns)
    length = int((np.cumsum(counts) <= most).sum())
    if length == len(segment.tokens):
        return segment
    features = {name: array[:length] if aligned.get(name, True) else array for name, array in segment.features.items()}
    return replace(segment, tokens=segment.tokens[:length], features=features)


def _places(pieces: Pieces) -> np.ndarray:
    """The number of each piece within its word, `(pieces,)`."""
    return np.arange(len(pieces.words)) - np.searchsorted(pieces.words, pieces.words)
