"""When the words of the synthetic corpus are spoken, with pauses between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmtrans.synthetic.world import Text

#: Share of the words that follow a pause.
PAUSE_WORDS = 0.16


@dataclass(frozen=True)
class Timeline:
    """Rows of one video in time: words and pauses.

    Attributes:
        step: `(rows,)` int, index of the word's step in the whole corpus; -1 for a pause.
        tenths: `(rows,)` int, duration in tenths of a second.
        segments: `(segments, 2)` float64, start and end in seconds.
    """

    step: np.ndarray
    tenths: np.ndarray
    segments: np.ndarray

    @property
    def intervals(self) -> np.ndarray:
        """`(rows, 2)` float64, start and end in seconds."""
        ends = np.cumsum(self.tenths)
        return np.stack([ends - self.tenths, ends], axis=1) / 10.0


def timelines_of(rng: np.random.Generator, text: Text, tenths: np.ndarray) -> Iterator[Timeline]:
    """Lay the words of each video out in time, with pauses around segments and between some words."""
    first = text.first
    for video in range(text.video.max() + 1):
        step, duration, segments, now = [], [], [], 0
        for segment in np.flatnonzero(text.video == video):
            start = None
            for index in range(first[segment], first[segment] + text.num_words[segment]):
                if start is None or rng.random() < PAUSE_WORDS:
                    pause = int(rng.integers(1, 4))
                    step.append(-1)
                    duration.append(pause)
                    now += pause
                start = now if start is None else start
                step.append(index)
                duration.append(int(tenths[index]))
                now += duration[-1]
            segments.append((start, now))
        # The recording goes on after the last word.
        yield Timeline(np.array([*step, -1]), np.array([*duration, 3]), np.array(segments) / 10.0)
