"""Intervals and tests of models that were trained several times, over videos and seeds.

A number that is the mean of a few seeds is uncertain for two reasons: other videos, and other seeds. A test draws both
anew, independently of each other. Of K seeds each draw takes K-1 with replacement, which gives the mean over seeds its
unbiased variance (K of K would be too narrow by (K-1)/K: half of it for two seeds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mmtrans.evaluation.metrics import METRICS, check_pair, check_values
from mmtrans.evaluation.uncertainty.bootstrap import (
    MIN_VIDEOS,
    check_draws,
    draw_weights,
    estimate_metrics,
    video_codes,
)
from mmtrans.evaluation.uncertainty.intervals import mean_estimates, t_intervals
from tfrecords.schema import LabelScale


@dataclass(frozen=True)
class Difference:
    """How much larger A's mean error is than B's: the mean over seeds, its 95 % interval and a two-sided p-value.

    `low`, `high` and `p_value` are `None` under 10 videos.
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float | None


def draw_seeds(num_seeds: int, draws: int, seed: int) -> np.ndarray:
    """Shares of the seeds in each draw, `(draws, num_seeds)` float64, rows sum to 1; a single seed has all."""
    if num_seeds == 1:
        return np.ones((draws, 1))
    # Not the stream that draws the videos, or the two would be drawn together.
    rng = np.random.default_rng([seed, num_seeds, 1])
    return rng.multinomial(num_seeds - 1, np.full(num_seeds, 1 / num_seeds), size=draws) / (num_seeds - 1)


def seed_intervals(
    predictions: np.ndarray,
    labels: np.ndarray,
    videos: Sequence[str],
    scale: LabelScale,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> dict[str, tuple[float | None, float | None]]:
    """95 % intervals of the mean over seeds of every metric, over videos and seeds, as `t_interval` makes them.

    Args:
        predictions: `(seeds, n)` scores in label units.
        labels, videos, scale, draws, seed: the arguments of `bootstrap_intervals` with these names.

    Returns:
        metric → `(low, high)`, as `bootstrap_intervals`, which it equals for one seed. A metric that is undefined for
        one of the seeds has no interval.

    Raises:
        ValueError: `bootstrap_intervals` would refuse an argument as well.
    """
    pairs = [check_pair(row, labels) for row in predictions]
    codes, num_videos = video_codes(videos, len(labels))
    check_draws(draws)
    if num_videos < MIN_VIDEOS:
        return dict.fromkeys(METRICS, (None, None))
    weights = list(draw_weights(num_videos, draws, seed))
    return t_intervals(mean_estimates([estimate_metrics(*pair, codes, num_videos, scale, weights) for pair in pairs]))


def compare_seeds(
    errors_a: np.ndarray, errors_b: np.ndarray, videos: Sequence[str], *, draws: int = 10_000, seed: int = 0
) -> Difference:
    """Difference of the mean errors of two models, A minus B, on the same segments.

    Videos are drawn for both models together, seeds for each by itself: equal seeds of different models have nothing
    in common. The deviation of the draws is the standard error of a t-test, whose degrees of freedom follow from how
    much of the variance comes from the videos and from the seeds (Satterthwaite): few seeds count as few. Such draws
    count what an interaction of seeds and videos adds three times (Owen 2007); two of them are taken off.

    Args:
        errors_a: `(seeds of A, n)` a value a segment that averages to the metric, such as the absolute error.
        errors_b: `(seeds of B, n)` the same of the other model.
        videos: `(n,)` the video of each segment.
        draws: number of resamples.
        seed: seed of the resamples.

    Returns:
        the difference; p is 1 where A and B have equal means, and at least 1 / (draws + 1).

    Raises:
        ValueError: different or wrong shapes, no segments, values that are not finite, or `draws` below 1.
    """
    codes, num_videos = video_codes(videos, len(videos))
    check_draws(draws)
    count = np.bincount(codes, minlength=num_videos).astype(np.float64)
    sums_a, sums_b = (_error_sums(errors, codes, num_videos) for errors in (errors_a, errors_b))
    means_a, means_b = sums_a.sum(1) / count.sum(), sums_b.sum(1) / count.sum()
    mean = float(means_a.mean() - means_b.mean())
    if num_videos < MIN_VIDEOS:
        return Difference(mean, None, None, None)
    shares_a, shares_b = (draw_seeds(len(s), draws, seed + i) for i, s in enumerate((sums_a, sums_b)))
    both, by_video, start = [], [], 0
    for weights in draw_weights(num_videos, draws, seed):
        taken = weights / (weights @ count)[:, None]
        piece = slice(start, start := start + len(taken))
        errors = taken @ sums_a.T, taken @ sums_b.T
        both.append((shares_a[piece] * errors[0]).sum(1) - (shares_b[piece] * errors[1]).sum(1))
        by_video.append(errors[0].mean(1) - errors[1].mean(1))
    # V of V videos are drawn: their variance is too small by (V-1)/V.
    unbiased = num_videos / (num_videos - 1)
    parts = [(float(np.concatenate(by_video).var()) * unbiased, num_videos - 1)]
    parts += [(float(means.var(ddof=1)) / len(means), len(means) - 1) for means in (means_a, means_b) if len(means) > 1]
    interaction = _interaction(sums_a, count) + _interaction(sums_b, count)
    variance = float(np.concatenate(both).var()) * unbiased - 2 * interaction
    return _t_test(mean, max(variance, *(part for part, _ in parts)), parts, draws)


def _interaction(sums: np.ndarray, count: np.ndarray) -> float:
    """What seeds that differ by video, `sums (seeds, videos)`, add to the variance of the mean error."""
    if len(sums) == 1:
        return 0.0
    deviations = (sums - count * sums.sum(1, keepdims=True) / count.sum()) / count.sum()
    return float(deviations.var(axis=0, ddof=1).sum()) / len(sums)


def _error_sums(errors: np.ndarray, codes: np.ndarray, num_videos: int) -> np.ndarray:
    """Sums by video, `(seeds, num_videos)`."""
    rows = [check_values("errors", row) for row in errors]
    wrong = sorted({row.size for row in rows} - {codes.size})
    if wrong:
        raise ValueError(
            f"The models and the videos differ in segments. Expected {codes.size} values a seed. "
            f"Received: sizes={wrong}. Pair the segments by id first."
        )
    return np.stack([np.bincount(codes, weights=row, minlength=num_videos) for row in rows])


def _t_test(mean: float, variance: float, parts: list[tuple[float, int]], draws: int) -> Difference:
    """The difference with the interval and p-value of a t-test; `parts` are `(variance, degrees of freedom)`."""
    smallest = 1 / (draws + 1)
    total = sum(part for part, _ in parts)
    if total <= 1e-24 + 1e-18 * mean**2:
        return Difference(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else smallest)
    freedom = total**2 / sum(part**2 / degrees for part, degrees in parts)
    error = np.sqrt(variance)
    reach = float(stats.t.ppf(0.975, freedom) * error)
    p_value = 1.0 if abs(mean) < 1e-12 else max(smallest, float(2 * stats.t.sf(abs(mean) / error, freedom)))
    return Difference(mean, mean - reach, mean + reach, p_value)
