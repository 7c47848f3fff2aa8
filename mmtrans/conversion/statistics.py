"""Mean and standard deviation of each column, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """What statistics need to know of an array.

    Attributes:
        steps: its rows, at least one.
        columns: mean, sum of squared deviations, least and largest value of each column, `(4, dim)` float64.
    """

    steps: int
    columns: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> Moments:
        """The moments of a finite `(steps, dim)` array with rows."""
        array = array.astype(np.float64)
        mean = array.mean(axis=0)
        return cls(
            len(array), np.stack([mean, ((array - mean) ** 2).sum(axis=0), array.min(axis=0), array.max(axis=0)])
        )


class ColumnStatistics:
    """Per-column mean and standard deviation of a stream of arrays, in float64.

    Each array's own mean and sum of squared deviations are merged into the total (Chan, Golub and LeVeque 1979): a
    running sum of squares would lose the deviations of columns that lie far from zero, such as a pitch in Hz.

    Args:
        dim: number of columns.
    """

    def __init__(self, dim: int) -> None:
        self.steps = 0
        self._mean = np.zeros(dim)
        self._squares = np.zeros(dim)
        self._low = np.full(dim, np.inf)
        self._high = np.full(dim, -np.inf)

    def add(self, moments: Moments) -> None:
        """Adds an array, by its moments. The order of arrays decides the last bits."""
        steps, (mean, squares, low, high) = moments.steps, moments.columns
        total = self.steps + steps
        shift = mean - self._mean
        self._squares += squares + shift**2 * (self.steps * steps / total)
        self._mean += shift * (steps / total)
        self.steps = total
        np.minimum(self._low, low, out=self._low)
        np.maximum(self._high, high, out=self._high)

    @property
    def constant(self) -> np.ndarray:
        """Which columns have had one value only: `(dim,)` bool."""
        # By the range, not by std == 0: rounding gives a constant column a tiny std, and dividing by that is noise.
        return self._low == self._high

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and population standard deviation, `(dim,)` float64 each; a constant column has std 1.

        Raises:
            ValueError: no rows so far.
        """
        if self.steps == 0:
            raise ValueError("Statistics need at least one step. Received: steps=0.")
        std = np.sqrt(self._squares / self.steps)
        return np.where(self.constant, self._low, self._mean), np.where(self.constant | (std == 0), 1.0, std)
