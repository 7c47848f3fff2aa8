"""Padded arrays `(segments, steps, dim)`: on which side the padding is, which steps are real, what is no number.

A step that is zero in every column may be padding, or a word without a vector in the middle of a segment. Only zeros at
the padded side are padding, and the side is a fact about the whole array: the one on which more segments have the
longer run of zero steps. NaN and infinities are no zeros.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Values looked at in one go; it bounds the memory of the masks.
_VALUES_PER_BLOCK = 1 << 24


def nonzero_steps(array: np.ndarray) -> np.ndarray:
    """Tells which steps of `(segments, steps, dim)` have a value that is not zero: `(segments, steps)` bool."""
    nonzero = np.empty(array.shape[:2], bool)
    for rows in _blocks(array):
        nonzero[rows] = (array[rows] != 0).any(axis=2)
    return nonzero


def find_side(nonzero: np.ndarray) -> str:
    """Tells the side of the padding from `(segments, steps)` bool.

    Returns:
        `left`, `right`, or `none` where neither side has the longer run of zeros in more segments. Segments that are
        zero throughout tell nothing.
    """
    present = nonzero[nonzero.any(axis=1)]
    if not present.size:
        return "none"
    left, right = present.argmax(axis=1), present[:, ::-1].argmax(axis=1)
    balance = int((left > right).sum()) - int((right > left).sum())
    return "left" if balance > 0 else "right" if balance < 0 else "none"


def real_lengths(nonzero: np.ndarray, side: str) -> np.ndarray:
    """Counts the steps of each segment without its padding.

    Args:
        nonzero: `(segments, steps)` bool.
        side: side of the padding, as `find_side` gives it.

    Returns:
        `(segments,)` int64; 0 for a segment that is zero throughout.
    """
    steps = nonzero.shape[1]
    if not nonzero.size:
        return np.zeros(len(nonzero), np.int64)
    run = {"left": nonzero, "right": nonzero[:, ::-1], "none": np.ones_like(nonzero)}[side].argmax(axis=1)
    return np.where(nonzero.any(axis=1), steps - run, 0)


def shared_lengths(lengths: Mapping[str, np.ndarray]) -> np.ndarray:
    """Counts the steps of each segment over aligned modalities: the union of their real steps.

    A word may be zeros in one modality (no vector, no face) and not in another; where text exists the union is its
    length unless its first or last words lack a vector, or another modality has steps beside the words.

    Args:
        lengths: modality → `(segments,)` int64, of at least one modality.

    Returns:
        `(segments,)` int64.
    """
    return np.max(np.stack(list(lengths.values())), axis=0)


def real_steps(padded: np.ndarray, side: str, length: int) -> np.ndarray:
    """The last (padding at the `left`) or first `length` of `(steps, dim)`: a view."""
    return padded[len(padded) - length :] if side == "left" else padded[:length]


def _blocks(array: np.ndarray) -> list[slice]:
    size = max(1, _VALUES_PER_BLOCK // max(1, array.shape[1] * array.shape[2]))
    return [slice(start, start + size) for start in range(0, len(array), size)]
