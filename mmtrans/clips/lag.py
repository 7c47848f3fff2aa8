"""How much later the sound is than the times of its words: by how well the energy fits words that are moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from mmtrans.clips.voice.columns import FRAME_SECONDS
from mmtrans.clips.words.timed import TimedWord

#: The longest lag that is tried, and the steps between.
LONGEST_SECONDS, STEP_SECONDS = 1.0, 0.02

#: What is so much weaker than the loudest frame is silence.
_RANGE_DB = 40.0

#: Fewer words tell no lag.
MIN_WORDS = 20

_REACH, _STEP = round(LONGEST_SECONDS / FRAME_SECONDS), round(STEP_SECONDS / FRAME_SECONDS)

#: The lags that are tried, in frames.
LAGS = np.arange(-_REACH, _REACH + 1, _STEP)


class Lag(TypedDict):
    """How many seconds the sound is later than its words, and how well both fit then, and unmoved."""

    seconds: float
    correlation: float
    correlation_at_0: float
    words: int


@dataclass
class LagCurve:
    """How well energy fits words at each lag: sums over all pieces that are added.

    Attributes:
        products: `(lags,)` of energy and words, each less its mean.
        words: `(lags,)` squares of the latter.
        energy: squares of the former.
        count: words.
    """

    products: np.ndarray
    words: np.ndarray
    energy: float = 0.0
    count: int = 0

    @classmethod
    def empty(cls) -> LagCurve:
        """A curve of nothing."""
        return cls(np.zeros(len(LAGS)), np.zeros(len(LAGS)))

    @classmethod
    def of(cls, stored: np.ndarray) -> LagCurve:
        """The curve of an array that `to_array` gave."""
        return cls(stored[0, 2:], stored[1, 2:], float(stored[0, 0]), int(stored[0, 1]))

    def to_array(self) -> np.ndarray:
        """The curve as one array `(2, 2 + lags)`."""
        return np.stack([[self.energy, self.count, *self.products], [0.0, 0.0, *self.words]])

    def join(self, other: LagCurve) -> None:
        """Adds all that another curve has."""
        self.products += other.products
        self.words += other.words
        self.energy += other.energy
        self.count += other.count

    def add(self, energy_db: np.ndarray, words: Sequence[TimedWord], first: int) -> None:
        """Adds a piece of a recording.

        Args:
            energy_db: `(steps,)`.
            words: words with times in the recording.
            first: number of the piece's first frame.
        """
        level = np.maximum(energy_db.astype(np.float64), energy_db.max() - _RANGE_DB)
        level -= level.mean()
        spoken = np.zeros(len(level) + 2 * _REACH)
        start, end = (frame * FRAME_SECONDS for frame in (first - _REACH, first + len(level) + _REACH))
        near = [word for word in words if word.end > start and word.start < end]
        for word in near:
            edges = np.rint(np.array([word.start, word.end]) / FRAME_SECONDS) - first + _REACH
            low, high = np.clip(edges, 0, len(spoken)).astype(int)
            spoken[low:high] = 1
        self.energy += float(level @ level)
        self.count += sum(first <= word.middle / FRAME_SECONDS < first + len(level) for word in near)
        for place, lag in enumerate(LAGS):
            moved = spoken[_REACH - lag :][: len(level)]
            moved = moved - moved.mean()
            self.products[place] += level @ moved
            self.words[place] += moved @ moved

    def correlation(self) -> np.ndarray:
        """`(lags,)` of energy with words that are moved by each lag; 0 where one of them never changes."""
        scale = np.sqrt(self.energy * self.words)
        return np.divide(self.products, scale, out=np.zeros(len(LAGS)), where=scale > 0)

    def found(self) -> Lag | None:
        """The lag at which both fit best; `None` of too few words."""
        correlation = self.correlation()
        if self.count < MIN_WORDS or not correlation.any():
            return None
        best = int(correlation.argmax())
        return Lag(
            seconds=round(float(LAGS[best]) * FRAME_SECONDS, 3),
            correlation=round(float(correlation[best]), 3),
            correlation_at_0=round(float(correlation[_REACH // _STEP]), 3),
            words=self.count,
        )
