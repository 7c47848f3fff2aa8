"""Word alignment: for each word, the mean of the frames that it overlaps.

Two stretches of time overlap when they share more than 1e-5 s; stretches no longer than that overlap nothing. Cleaning
comes before averaging: NaN and infinite cells are masked one by one, and the mean is over the finite cells that remain
(0 if none remains).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from scipy.sparse import csr_matrix

from mmtrans.sources.account import Account, Cleaned
from mmtrans.sources.cleaning import count_bad, find_bad_rows

#: What two intervals must share to count as overlapping; the official SDK's epsilon, for equal results.
MIN_OVERLAP_SECONDS = 1e-5

#: What a word and a segment must share for the word to belong to the segment. Label times travel as float32 rounded to
#: four decimals: with a finer epsilon most boundaries take in a neighbour that merely touches (on MOSI's train and
#: valid folds 44 % of segments then have exactly their transcript's words, with this one 89 %).
SEGMENT_OVERLAP_SECONDS = 1e-4

#: What is counted of words → the same of windows.
_OF_WINDOWS = {
    Cleaned.WORDS_WITHOUT_FRAMES: Cleaned.WINDOWS_WITHOUT_FRAMES,
    Cleaned.WORDS_WITH_CLEANED_FRAMES: Cleaned.WINDOWS_WITH_CLEANED_FRAMES,
}

#: Pairs of a reference and a row that are looked at in one go; it bounds memory where intervals nest deeply.
PAIRS_PER_BLOCK = 1 << 21


def overlap_pairs(
    reference: np.ndarray, intervals: np.ndarray, min_overlap_seconds: float = MIN_OVERLAP_SECONDS
) -> tuple[np.ndarray, np.ndarray]:
    """Finds every pair of a reference and an interval that overlap by more than `min_overlap_seconds`.

    Neither side needs to be sorted, and intervals may overlap or nest. Intervals with a NaN overlap nothing.

    Args:
        reference: `(num_references, 2)` float64, start and end in seconds.
        intervals: `(num_rows, 2)` float64, start and end in seconds.
        min_overlap_seconds: overlap in seconds that a pair must exceed; not negative.

    Returns:
        Two int64 arrays `(num_pairs,)`: the reference's index, ascending, and the row's index, by start time
        within one reference (by row where starts are equal).
    """
    blocks = list(_pair_blocks(reference, intervals, min_overlap_seconds))
    if not blocks:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate([block[0] for block in blocks]), np.concatenate([block[1] for block in blocks])


def _pair_blocks(
    reference: np.ndarray, intervals: np.ndarray, min_overlap: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    # min(ends) - max(starts) > eps says four things at once: both lengths exceed eps, the row starts before the
    # reference ends, and ends after it starts. The first two are settled here, the others by binary search.
    kept = np.flatnonzero(has_length(intervals, min_overlap))
    kept = kept[np.argsort(intervals[kept, 0], kind="stable")]
    starts, ends = intervals[kept, 0], intervals[kept, 1]
    wanted = np.flatnonzero(has_length(reference, min_overlap))
    earliest_end, latest_start = reference[wanted, 0] + min_overlap, reference[wanted, 1] - min_overlap
    # The running maximum makes the ends searchable where intervals nest; what it lets through is checked below.
    first = np.searchsorted(np.maximum.accumulate(ends), earliest_end, side="right")
    counts = np.maximum(np.searchsorted(starts, latest_start, side="left") - first, 0)
    totals = np.cumsum(counts)
    begin = 0
    while begin < len(wanted):
        done = totals[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(totals, done + PAIRS_PER_BLOCK, side="right")))
        block = np.repeat(np.arange(begin, stop), counts[begin:stop])
        candidates = np.arange(len(block)) - np.repeat(
            totals[begin:stop] - counts[begin:stop] - done, counts[begin:stop]
        )
        candidates += first[block]
        exact = ends[candidates] > earliest_end[block]
        yield wanted[block[exact]], kept[candidates[exact]]
        begin = stop


def has_length(intervals: np.ndarray, min_seconds: float = MIN_OVERLAP_SECONDS) -> np.ndarray:
    """Tells which intervals `(num_rows, 2)` float64, in seconds, are longer than `min_seconds`: `(num_rows,)` bool."""
    # Infinite times are meant (a segment that is the whole video); inf - inf is NaN, and NaN has no length.
    with np.errstate(invalid="ignore"):
        return intervals[:, 1] - intervals[:, 0] > min_seconds


def midpoint_pairs(reference: np.ndarray, intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds for every reference the intervals whose midpoint it holds (`start <= midpoint < end`).

    Args:
        reference: `(num_references, 2)` float64, start and end in seconds.
        intervals: `(num_rows, 2)` float64, start and end in seconds.

    Returns:
        Two int64 arrays `(num_pairs,)`, ordered as by `overlap_pairs`.
    """
    with np.errstate(invalid="ignore"):
        middles = intervals.mean(axis=1)
    kept = np.flatnonzero(np.isfinite(middles))
    kept = kept[np.argsort(middles[kept], kind="stable")]
    first, last = np.searchsorted(middles[kept], reference.T, side="left")
    counts = np.maximum(last - first, 0)
    block = np.repeat(np.arange(len(reference)), counts)
    ranks = np.arange(len(block)) - np.repeat(np.cumsum(counts) - counts, counts) + first[block]
    rows = kept[ranks]
    # Steps are in the order of their starts, whatever their lengths.
    order = np.lexsort((rows, intervals[rows, 0], block))
    return block[order], rows[order]


def align_mean(
    reference: np.ndarray, intervals: np.ndarray, features: np.ndarray
) -> tuple[np.ndarray, Counter[Cleaned]]:
    """Averages, for each reference word, the frames that overlap it.

    Args:
        reference: `(num_words, 2)` float64, start and end of each word in seconds.
        intervals: `(num_frames, 2)` float64, start and end of each frame in seconds, in any order.
        features: `(num_frames, dim)` float32, possibly with NaN and infinities.

    Returns:
        `(num_words, dim)` float32, all finite; 0 where a word has no frame or a cell no finite value. And counts, over
        the frames that overlap some word: `frames with NaN`, `frames with infinity`, `words with cleaned frames`,
        `words without frames set to 0`, `cells without a finite value set to 0`.
    """
    words, frames = overlap_pairs(reference, intervals)
    num_frames = np.bincount(words, minlength=len(reference))
    used, columns = np.unique(frames, return_inverse=True)
    features = features[used]
    pointers = np.concatenate([[0], np.cumsum(num_frames)])
    # A matrix of ones and zeros: its product sums in float64 and touches only a word's own frames, so that no value,
    # however large, disturbs a neighbour as it would in a running sum.
    members = csr_matrix((np.ones(len(columns)), columns, pointers), shape=(len(reference), len(used)))
    bad_rows, finite = find_bad_rows(features)
    divisor = num_frames[:, None].astype(np.float64)
    counts: Counter[Cleaned] = Counter()
    if len(bad_rows):
        counts.update(count_bad(features[bad_rows]))
        features[bad_rows] = np.where(finite, features[bad_rows], 0)
        divisor = divisor - members[:, bad_rows] @ (~finite).astype(np.float64)
        counts[Cleaned.WORDS_WITH_CLEANED_FRAMES] = int((divisor < num_frames[:, None]).any(axis=1).sum())
    mean = (members @ features) / np.maximum(divisor, 1)
    empty = int((num_frames == 0).sum())
    hollow = int((divisor == 0).sum()) - empty * divisor.shape[1]
    counts[Cleaned.WORDS_WITHOUT_FRAMES] = empty
    counts[Cleaned.CELLS_WITHOUT_VALUE] = hollow
    return mean.astype(np.float32), +counts


def cut_words(
    spans: np.ndarray, words: np.ndarray, streams: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, list[np.ndarray], dict[str, np.ndarray], Account]:
    """Gives each segment its words, and each word its features; a word in two segments is aligned and counted once.

    Args:
        spans: `(num_segments, 2)` float64, start and end of each segment in seconds.
        words: `(num_words, 2)` float64, start and end of each word in seconds.
        streams: modality → intervals `(num_frames, 2)` float64 and features `(num_frames, dim)` float32.

    Returns:
        `used (num_used,)` int64, the rows of the words that lie in some segment; for each segment the positions in
        `used` of its words, in the order of time; modality → `(num_used, dim)` float32; and the counts of
        `align_mean`, prefixed with the modality.
    """
    owners, rows = overlap_pairs(spans, words, SEGMENT_OVERLAP_SECONDS)
    used, positions = np.unique(rows, return_inverse=True)
    steps = np.split(positions, np.searchsorted(owners, np.arange(1, len(spans))))
    features = {}
    account = Account()
    for modality, (intervals, frames) in streams.items():
        features[modality], found = align_mean(words[used], intervals, frames)
        account.count_all(modality, found)
    return used, steps, features, account


def cut_windows(
    spoken: np.ndarray, seconds: float, streams: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[list[dict[str, np.ndarray]], Account]:
    """Averages the frames of each segment over windows of equal length, the last of which may be shorter.

    Args:
        spoken: `(num_segments, 2)` float64, start of each segment's first word and end of its last, in seconds.
        seconds: length of a window.
        streams: modality → intervals `(num_frames, 2)` float64 and features `(num_frames, dim)` float32.

    Returns:
        for each segment modality → `(num_windows, dim)` float32; and the counts of `align_mean`, of windows in place of
        words. A last window of under 1e-4 s is left out.
    """
    numbers = np.maximum(1, np.ceil((np.diff(spoken)[:, 0] - SEGMENT_OVERLAP_SECONDS) / seconds)).astype(int)
    owners = np.repeat(np.arange(len(spoken)), numbers)
    starts = spoken[owners, 0] + seconds * (np.arange(len(owners)) - np.repeat(np.cumsum(numbers) - numbers, numbers))
    windows = np.stack([starts, np.minimum(starts + seconds, spoken[owners, 1])], 1)
    found: list[dict[str, np.ndarray]] = [{} for _ in spoken]
    account = Account()
    for modality, (intervals, frames) in streams.items():
        means, counts = align_mean(windows, intervals, frames)
        account.count_all(modality, {_OF_WINDOWS.get(what, what): count for what, count in counts.items()})
        for own, part in zip(found, np.split(means, np.cumsum(numbers)[:-1]), strict=True):
            own[modality] = part
    return found, account
