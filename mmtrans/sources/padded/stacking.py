"""Arrays of one modality as pickles hold them, whole, as lists or row by row, each of its own length → one array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmtrans.sources.modalities import has_several_widths, may_be_ids, usual_width
from mmtrans.sources.numerals import to_numbers
from mmtrans.sources.words import is_missing


@dataclass(frozen=True)
class Stacked:
    """The arrays of a split's segments as one.

    Attributes:
        array: `(n, steps, dim)` numbers; rows of their own lengths are padded with zeros on the right.
        lengths: `(n,)` int64, the steps of each row where they differ, else `None`: then zeros may be padding.
        deviants: `(n,)` bool, rows of another width than most, or of several, which are zeros; `None` for no such row.
    """

    array: np.ndarray
    lengths: np.ndarray | None = None
    deviants: np.ndarray | None = None


def stack(value: object) -> Stacked:
    """Makes one array of what a pickle holds for a modality.

    Args:
        value: an array of numbers or objects, or a list, of matrices `(steps, dim)`, or of vectors `(dim,)`, which are
            one step. A row that is missing has no steps.

    Raises:
        ValueError: the value is neither of these, or has no row; the message is a clause.
    """
    array = _array_or_rows(value)
    if isinstance(array, list):
        return _stack_rows(array)
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3 or array.dtype.kind not in "fiub" or 0 in array.shape[1:]:
        raise ValueError(f"{array.dtype}{array.shape}")
    return Stacked(array)


def _array_or_rows(value: object) -> np.ndarray | list[object]:
    """The array that it is, or its rows where they have to be looked at one by one."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return value
    if not isinstance(value, (list, tuple)) and not (isinstance(value, np.ndarray) and value.ndim):
        raise ValueError(f"as {type(value).__name__}")
    try:
        array = to_numbers(value)
    except (TypeError, ValueError, OverflowError):
        return list(value)
    # A list of missing rows is an array of NaN.
    return array if array.ndim > 1 else list(value)


def _stack_rows(rows: Sequence[object]) -> Stacked:
    ragged = [has_several_widths(row) for row in rows]
    matrices = [None if is_ragged else _matrix(row) for row, is_ragged in zip(rows, ragged, strict=True)]
    found = [matrix for matrix in matrices if matrix is not None]
    if not found:
        raise ValueError(f"with {len(rows)} rows without numbers, or whose steps differ in width")
    if all(_are_ids(matrix) for matrix in found):
        # Numbers of tokens, of which each segment has its own count: they are called so later, and not read.
        dim = max(matrix.shape[1] for matrix in found)
        matrices = [None if m is None else np.pad(m, ((0, 0), (0, dim - m.shape[1]))) for m in matrices]
    else:
        dim = usual_width(Counter(matrix.shape[1] for matrix in found))
    deviants = np.array(ragged) | [matrix is not None and matrix.shape[1] != dim for matrix in matrices]
    kept = [None if is_deviant else matrix for matrix, is_deviant in zip(matrices, deviants, strict=True)]
    lengths = np.array([0 if matrix is None else len(matrix) for matrix in kept])
    array = np.zeros((len(rows), int(lengths.max()), dim))
    for row, matrix in enumerate(kept):
        if matrix is not None:
            array[row, : len(matrix)] = matrix
    is_ragged = len(set(lengths[lengths > 0].tolist())) > 1
    return Stacked(array, lengths if is_ragged else None, deviants if deviants.any() else None)


def _matrix(row: object) -> np.ndarray | None:
    """A row as `(steps, dim)`, or `None` where there is nothing in it."""
    if is_missing(row):
        return None
    try:
        matrix = to_numbers(row)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"with a row of {type(row).__name__} that is not all numbers") from error
    if not matrix.size:
        return None
    if matrix.ndim not in (1, 2):
        raise ValueError(f"with a row of shape {matrix.shape}")
    return matrix.reshape(-1, matrix.shape[-1])


def _are_ids(matrix: np.ndarray) -> bool:
    return len(matrix) == 1 and may_be_ids(matrix)
