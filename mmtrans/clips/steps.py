"""From a piece of 10 ms frames to the steps of a segment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmtrans.clips.voice.columns import FRAME_SECONDS, VOICE, AudioColumns
from mmtrans.clips.words.timed import TimedWord

#: What makes the median of distances from the median a standard deviation, where values are normal.
_TO_DEVIATION = 1.4826


def mean_of_words(
    frames: np.ndarray, words: Sequence[TimedWord], first: int, columns: AudioColumns = VOICE
) -> np.ndarray:
    """The mean of the frames of a voice in whose middle each word is spoken; of pitch, of those that have one.

    A word that is shorter than a frame, or lies outside, has the nearest one.

    Args:
        frames: `(steps, columns)`.
        words: words with times in the recording.
        first: the number of the first frame in the recording.
        columns: what the columns are.

    Returns:
        `(words, columns)`.
    """
    means = known_means(_without_unvoiced(frames, columns), words, first, FRAME_SECONDS)
    means[:, columns.voiced] = np.nan_to_num(means[:, columns.voiced])
    return means


def known_means(frames: np.ndarray, words: Sequence[TimedWord], first: int, frame_seconds: float) -> np.ndarray:
    """The mean of the known cells of the frames in whose middle each word is spoken, `(words, columns)` float32.

    A word that is shorter than a frame, or lies outside, has the nearest one. Where all cells are NaN, so is the mean.

    Args:
        frames: `(steps, columns)`, with NaN where nothing is known.
        words: words with times in the recording.
        first: the number of the first frame in the recording.
        frame_seconds: from one frame to the next.
    """
    means = np.zeros((len(words), frames.shape[1]), np.float32)
    for row, word in enumerate(words):
        edges = np.rint(np.array([word.start, word.end]) / frame_seconds) - first
        low, high = np.clip(edges, 0, len(frames)).astype(int)
        if low >= high:
            low = min(max(int(word.middle / frame_seconds) - first, 0), len(frames) - 1)
            high = low + 1
        spoken = frames[low:high].astype(np.float64)
        is_known = ~np.isnan(spoken)
        total, count = np.where(is_known, spoken, 0).sum(axis=0), is_known.sum(axis=0)
        means[row] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means


def statistics_of(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of the known cells of each column of `(steps, columns)`; 0 and 1 where there are none."""
    values = steps.astype(np.float64)
    # What is wholly unknown has no median.
    values[:, np.isnan(values).all(axis=0)] = 0
    median = np.nanmedian(values, axis=0)
    spread = np.nanmedian(np.abs(values - median), axis=0) * _TO_DEVIATION
    return median, np.where(spread > 0, spread, 1)


def statistics_of_voice(steps: np.ndarray, columns: AudioColumns = VOICE) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of each column of a voice `(steps, columns)`; of pitch, of the steps that have one."""
    return statistics_of(_without_unvoiced(steps, columns))


def normalised(steps: np.ndarray, median: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """`(steps, columns)` relative to a speaker's median, in his or her spreads; what is unknown stays so."""
    return ((steps - median) / spread).astype(np.float32)


def normalised_voice(
    steps: np.ndarray, median: np.ndarray, spread: np.ndarray, columns: AudioColumns = VOICE
) -> np.ndarray:
    """The same of a voice; a step without pitch stays 0 there."""
    relative = normalised(_without_unvoiced(steps, columns), median, spread)
    relative[:, columns.voiced] = np.nan_to_num(relative[:, columns.voiced])
    return relative


def _without_unvoiced(frames: np.ndarray, columns: AudioColumns) -> np.ndarray:
    """Frames of a voice with NaN for the pitch of those that have none, and for what means nothing without."""
    values = frames.astype(np.float64)
    is_voiced = values[:, columns.pitch, None] > 0
    values[:, columns.voiced] = np.where(is_voiced, values[:, columns.voiced], np.nan)
    return values
