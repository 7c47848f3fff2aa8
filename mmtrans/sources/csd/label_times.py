"""Do the times of labels and words come from the same cut? CMU-MOSI's published label file runs about 0.29 s early.

Speakers pause where an opinion ends: just before a segment's end there is more speech than just after it. Whether edges
cut through words tells less, since the published file's edges lie between words too, but one word early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mmtrans.sources.account import Note, Noted, note

#: Shifts that are tried; published files differ by less.
MAX_SHIFT_SECONDS = 1.0
SHIFT_STEP_SECONDS = 0.01

#: Speech is compared over so long before and after a segment's end: about a word.
WINDOW_SECONDS = 0.4

#: An edge this close to the edge of a word does not cut it, and a word that begins so soon continues the last one.
EDGE_SECONDS = 0.02

#: Fewer segments tell nothing.
MIN_SEGMENTS = 20

#: Standard errors by which a shift must be better: 200 shifts are tried.
MIN_STANDARD_ERRORS = 5.0


@dataclass(frozen=True)
class LabelTimes:
    """How well the segments' edges fit the words.

    Attributes:
        segments: number of segments that have words in their video.
        cut_share: share of the segments' edges that cut through a word.
        going_on: share of the segments' ends after which speech goes on at once: the words lost at the edges.
        shift_seconds: what to add to the label times so that most speech ends with its segment; 0 where nothing is
            clearly better.
        shifted_going_on: `going_on` after that.
    """

    segments: int
    cut_share: float
    going_on: float
    shift_seconds: float
    shifted_going_on: float

    @property
    def note(self) -> Note | None:
        """A note with the remedy, where there is one."""
        return note(Noted.LABEL_TIMES, **asdict(self)) if self.shift_seconds else None


def measure_label_times(videos: Sequence[tuple[np.ndarray, np.ndarray]]) -> LabelTimes:
    """Compares segments with words, at the given times and at constant shifts of up to a second.

    Args:
        videos: one pair a video: the spans of its segments `(num_segments, 2)` and of its words `(num_words, 2)`,
            pauses left out, both float64 in seconds.
    """
    given = round(MAX_SHIFT_SECONDS / SHIFT_STEP_SECONDS)
    shifts = np.arange(-given, given + 1) * SHIFT_STEP_SECONDS
    scores, going_on, cut, edges = [], np.zeros(len(shifts)), 0, 0
    for spans, words in videos:
        spans, words = (part[np.isfinite(part).all(axis=1) & (part[:, 1] > part[:, 0])] for part in (spans, words))
        if not len(words) or not len(spans):
            continue
        words = words[np.argsort(words[:, 0], kind="stable")]
        ends = spans[:, 1] + shifts[:, None]
        before = _speech(words, ends) - _speech(words, ends - WINDOW_SECONDS)
        scores.append(before - _speech(words, ends + WINDOW_SECONDS) + _speech(words, ends))
        going_on += (_speech(words, ends + 2 * EDGE_SECONDS) - _speech(words, ends) > EDGE_SECONDS).sum(axis=1)
        cut += _count_cut(words, spans.ravel())
        edges += spans.size
    if not edges:
        return LabelTimes(0, 0.0, 0.0, 0.0, 0.0)
    chosen = _choose(np.concatenate(scores, axis=1), given)
    shares = going_on / (edges // 2)
    return LabelTimes(edges // 2, cut / edges, float(shares[given]), float(shifts[chosen]), float(shares[chosen]))


def _choose(scores: np.ndarray, given: int) -> int:
    """The best row of `(num_shifts, num_segments)`, or `given` where it is not clearly better."""
    means = scores.mean(axis=1)
    # The top is flat: its middle is steadier than its highest point.
    best = round(float(np.flatnonzero(means >= 0.97 * means.max()).mean())) if means.max() > 0 else given
    gain = scores[best] - scores[given]
    clear = len(gain) >= MIN_SEGMENTS and gain.mean() > MIN_STANDARD_ERRORS * gain.std() / np.sqrt(len(gain))
    return best if clear and means[given] < means[best] / 2 else given


def _speech(words: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Seconds of speech before each of `times`; `words` are sorted by their starts and may overlap."""
    ends = np.maximum.accumulate(words[:, 1])
    starts = np.maximum(words[:, 0], np.concatenate([words[:1, 0], ends[:-1]]))
    # A word inside another one adds nothing.
    ends = np.maximum(starts, ends)
    total = np.repeat(np.concatenate([[0.0], np.cumsum(ends - starts)]), 2)[1:-1]
    return np.interp(times, np.stack([starts, ends], axis=1).ravel(), total)


def _count_cut(words: np.ndarray, edges: np.ndarray) -> int:
    begun = np.searchsorted(words[:, 0], edges - EDGE_SECONDS)
    return int((begun > np.searchsorted(np.sort(words[:, 1]), edges + EDGE_SECONDS, side="right")).sum())
