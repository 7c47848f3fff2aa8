"""From a piece of 10 ms frames to the steps of a segment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmtrans.clips.voice.columns import F0, FRAME_SECONDS
from mmtrans.clips.words.timed import TimedWord

#: What makes the median of distances from the median a standard deviation, where values are normal.
_TO_DEVIATION = 1.4826


def mean_of_words(frames: np.ndarray, words: Sequence[TimedWord], first: int) -> np.ndarray:
    """The mean of the frames in whose middle each word is spoken; of pitch, of those that have one.

    A word that is shorter than a frame, or lies outside, has the nearest one.

    Args:
        frames: `(steps, columns)`.
        words: words with times in the recording.
        first: the number of the first frame in the recording.

    Returns:
        `(words, columns)`.
    """
    means = np.zeros((len(words), frames.shape[1]), np.float32)
    for row, word in enumerate(words):
        edges = np.rint(np.array([word.start, word.end]) / FRAME_SECONDS) - first
        low, high = np.clip(edges, 0, len(frames)).astype(int)
        if low >= high:
            low = min(max(int(word.middle / FRAME_SECONDS) - first, 0), len(frames) - 1)
            high = low + 1
        spoken = frames[low:high].astype(np.float64)
        means[row] = spoken.mean(axis=0)
        pitched = spoken[:, F0][spoken[:, F0] > 0]
        means[row, F0] = pitched.mean() if len(pitched) else 0
    return means


def statistics_of(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of each column of `(steps, columns)`; of pitch, of the steps that have one."""
    values = steps.astype(np.float64)
    pitch = values[:, F0]
    values[:, F0] = np.where(pitch > 0, pitch, np.nan)
    if np.isnan(values[:, F0]).all():
        values[:, F0] = 0
    median = np.nanmedian(values, axis=0)
    spread = np.nanmedian(np.abs(values - median), axis=0) * _TO_DEVIATION
    return median, np.where(spread > 0, spread, 1)


def normalised(steps: np.ndarray, median: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """`(steps, columns)` relative to a speaker's median, in his or her spreads; a step without pitch stays 0 there."""
    relative = (steps - median) / spread
    relative[:, F0] = np.where(steps[:, F0] > 0, relative[:, F0], 0)
    return relative.astype(np.float32)
