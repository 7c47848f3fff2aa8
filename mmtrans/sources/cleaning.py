"""Cells that records do not hold as they are: counts them, and clears what is not finite; one rule for all readers."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mmtrans.sources.account import Cleaned

#: Records store float32, which tells no more than every second whole number apart beyond this.
MAX_WHOLE_NUMBER = float(1 << 24)


def to_float32(values: np.ndarray) -> tuple[np.ndarray, Counter[Cleaned]]:
    """A stream's values as records store them.

    Args:
        values: `(steps, dim)` numbers.

    Returns:
        `(steps, dim)` float32, with infinities for doubles beyond its range; and a count of the frames in which it may
        have rounded whole numbers, where there are any.
    """
    with np.errstate(over="ignore"):
        stored = values.astype(np.float32)
    if values.dtype.itemsize <= 2 or values.dtype == np.float32:
        return stored, Counter()
    large = (values > MAX_WHOLE_NUMBER) | (values < -MAX_WHOLE_NUMBER)
    rows = np.flatnonzero((large & np.isfinite(stored)).any(axis=1))
    is_whole = large[rows] & np.isfinite(stored[rows]) & (np.floor(values[rows]) == values[rows])
    return stored, +Counter({Cleaned.FRAMES_WITH_ROUNDED_NUMBERS: int(is_whole.any(axis=1).sum())})


def clean(features: np.ndarray) -> tuple[np.ndarray, Counter[Cleaned]]:
    """Sets every cell that is not finite to 0, for streams that keep their own steps.

    Args:
        features: `(steps, dim)` float32.

    Returns:
        `(steps, dim)` float32, and counts of frames with NaN and with infinity.
    """
    bad_rows, finite = find_bad_rows(features)
    if not len(bad_rows):
        return features, Counter()
    cleaned = features.copy()
    cleaned[bad_rows] = np.where(finite, features[bad_rows], 0)
    return cleaned, count_bad(features[bad_rows])


def find_bad_rows(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows with a cell that is not finite: their places `(rows,)`, and `(rows, dim)` bool, which of their cells are."""
    # A row with a cell that is not finite has a product that is not finite; the few rows whose finite cells merely
    # overflow are cleared by the exact look that follows. Ten times quicker than a look at every cell.
    with np.errstate(invalid="ignore", over="ignore"):
        suspects = np.flatnonzero(~np.isfinite(features @ np.ones(features.shape[1], features.dtype)))
    finite = np.isfinite(features[suspects])
    bad = ~finite.all(axis=1)
    return suspects[bad], finite[bad]


def count_bad(rows: np.ndarray) -> Counter[Cleaned]:
    """Counts rows `(rows, dim)` by what is not finite in them."""
    counts = Counter({Cleaned.FRAMES_WITH_NAN: int(np.isnan(rows).any(axis=1).sum())})
    counts[Cleaned.FRAMES_WITH_INFINITY] = int(np.isinf(rows).any(axis=1).sum())
    return +counts
