"""Words, frames and segments joined as the official CMU-MultimodalSDK joins them (`--compat sdk`).

The SDK's usual recipe: align everything to the word vectors with a mean, impute, align to the labels. Its rules, where
they differ from ours: pauses (`sp`) are rows like words; 1e-5 s of overlap is enough for a word to belong to a segment;
a word's frames belong to a segment only if the stretch that they cover overlaps it; a mean over a cell that is not
finite is not finite, and records being finite it becomes 0 *after* averaging; a video that one sequence lacks is left
out. Imputation gives words without frames a row of zeros; `sdk-no-impute` goes without. A segment in which a modality
has no rows is left out. Where it has fewer rows than there are words, the SDK leaves them out of that modality alone;
here they are zeros, so that all modalities keep one row a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_matrix

from mmtrans.sources.account import Account, Cleaned
from mmtrans.sources.csd.alignment import has_length, overlap_pairs

#: What `--compat` can be.
COMPATIBILITIES = ("sdk", "sdk-no-impute")


def cut_words_like_sdk(
    spans: np.ndarray,
    words: np.ndarray,
    streams: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    own: str | None = None,
    impute: bool = True,
) -> tuple[list[np.ndarray], dict[str, list[np.ndarray]], dict[str, list[int]], Account]:
    """Gives each segment its words, and each word of a segment its features.

    Args:
        spans: `(num_segments, 2)` float64, start and end of each segment in seconds.
        words: `(num_words, 2)` float64, start and end of each row of the reference in seconds.
        streams: modality → intervals `(num_frames, 2)` float64 and features `(num_frames, dim)` float32.
        own: the stream whose rows are the words, each of which is its own mean.
        impute: whether a word without frames has a row (of zeros).

    Returns:
        For each segment the rows of its words, `(steps,)` int64 in the order of time; modality → for each segment
        `(steps, dim)` float32; modality → for each segment the number of rows that the SDK has; and counts over all
        words: `cells whose mean is not finite set to 0`, `words without frames set to 0`.
    """
    owners, rows = overlap_pairs(spans, words)
    bounds = np.searchsorted(owners, np.arange(1, len(spans)))
    features, present, account = {}, {}, Account()
    for modality, (intervals, frames) in streams.items():
        mean, covered, found = _keep(words, frames) if modality == own else _average(words, intervals, frames, impute)
        account.count_all(modality, found)
        # has_length's rule, spelled for the stretch that a word's frames and the segment share.
        shared = np.stack(
            [np.maximum(covered[rows, 0], spans[owners, 0]), np.minimum(covered[rows, 1], spans[owners, 1])], axis=1
        )
        belongs = has_length(shared)
        features[modality] = np.split(np.where(belongs[:, None], mean[rows], np.float32(0)), bounds)
        present[modality] = [int(part.sum()) for part in np.split(belongs, bounds)]
    return np.split(rows, bounds), features, present, account


def _average(
    words: np.ndarray, intervals: np.ndarray, frames: np.ndarray, impute: bool
) -> tuple[np.ndarray, np.ndarray, Counter[Cleaned]]:
    """Mean `(num_words, dim)` float32, and `(num_words, 2)` the stretch of each word that its frames cover."""
    owners, rows = overlap_pairs(words, intervals)
    numbers = np.bincount(owners, minlength=len(words))
    pointers = np.concatenate([[0], np.cumsum(numbers)])
    members = csr_matrix((np.ones(len(rows)), rows, pointers), shape=(len(words), len(frames)))
    # A product touches a word's own frames only, so that what is not finite stays with its word.
    with np.errstate(invalid="ignore", over="ignore"):
        mean = ((members @ frames) / np.maximum(numbers, 1)[:, None]).astype(np.float32)
    finite = np.isfinite(mean)
    covered = np.stack([np.full(len(words), np.inf), np.full(len(words), -np.inf)], axis=1)
    np.minimum.at(covered[:, 0], owners, np.maximum(intervals[rows, 0], words[owners, 0]))
    np.maximum.at(covered[:, 1], owners, np.minimum(intervals[rows, 1], words[owners, 1]))
    if impute:
        covered[numbers == 0] = words[numbers == 0]
    counts = Counter({Cleaned.MEANS_NOT_FINITE: int((~finite).sum())})
    counts[Cleaned.WORDS_WITHOUT_FRAMES] = int((numbers == 0).sum())
    return np.where(finite, mean, np.float32(0)), covered, counts


def _keep(words: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, Counter[Cleaned]]:
    # The SDK hands the reference's rows through, overlapping neighbours left aside.
    finite = np.isfinite(frames)
    counts = Counter({Cleaned.MEANS_NOT_FINITE: int((~finite).sum())})
    return np.where(finite, frames, np.float32(0)), words, counts


def tokens_of(reference: np.ndarray, words: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The word that shares most time with each row of a reference that is not the words themselves.

    Args:
        reference: `(num_rows, 2)` float64 seconds.
        words: `(num_words, 2)` float64 seconds.
        tokens: `(num_words,)` strings.

    Returns:
        `(num_rows,)` strings; `sp` where no word overlaps.
    """
    owners, rows = overlap_pairs(reference, words)
    shared = np.minimum(reference[owners, 1], words[rows, 1]) - np.maximum(reference[owners, 0], words[rows, 0])
    found = np.full(len(reference), "sp", dtype=object)
    # Later assignments win: the longest share is assigned last, and the earliest word of equal shares.
    order = np.lexsort((-np.arange(len(rows)), shared))
    found[owners[order]] = tokens[rows[order]]
    return found
