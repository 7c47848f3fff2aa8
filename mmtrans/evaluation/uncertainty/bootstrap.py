"""Intervals and tests over videos.

Segments of one video resemble each other, so intervals by segments are about half as wide as the truth. Every metric
is a function of sums over videos (moments, confusion tables): a draw is a vector of video counts times those sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mmtrans.evaluation.metrics import (
    CONSTANT_SPREAD,
    METRICS,
    check_pair,
    has_seven_classes,
    to_classes,
    to_sides,
)
from mmtrans.evaluation.uncertainty.intervals import Estimate, t_intervals
from tfrecords.schema import LabelScale

#: Of fewer videos than this nobody knows how much they vary.
MIN_VIDEOS = 10

#: Entries of the largest temporary (draws, videos) array: 16 MB of float64.
MAX_ENTRIES = 2_000_000


def draw_weights(num_videos: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each video is taken in each draw: int64 `(some draws, num_videos)`, rows sum to `num_videos`.

    Drawn in pieces to bound memory; the pieces concatenate to the same `draws` rows for the same seed.
    """
    rng = np.random.default_rng(seed)
    piece = max(1, MAX_ENTRIES // num_videos)
    for start in range(0, draws, piece):
        yield rng.multinomial(num_videos, np.full(num_videos, 1 / num_videos), size=min(piece, draws - start))


def bootstrap_intervals(
    predictions: np.ndarray,
    labels: np.ndarray,
    videos: Sequence[str],
    scale: LabelScale,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> dict[str, tuple[float | None, float | None]]:
    """95 % intervals of every metric over the videos, as `t_interval` makes them.

    Args:
        predictions: `(n,)` scores in label units.
        labels: `(n,)` true scores.
        videos: `(n,)` the video of each segment.
        scale: range and neutral point of the labels.
        draws: number of resamples.
        seed: seed of the resamples; equal seeds and videos give equal draws.

    Returns:
        metric → `(low, high)`; both `None` under 10 videos, where the metric itself is undefined, and where it is
        undefined in more than 5 % of the draws of videos (else the undefined draws are left out).

    Raises:
        ValueError: different or wrong shapes, no segments, values that are not finite, or `draws` below 1.
    """
    predictions, labels = check_pair(predictions, labels)
    codes, num_videos = video_codes(videos, labels.size)
    check_draws(draws)
    if num_videos < MIN_VIDEOS:
        return dict.fromkeys(METRICS, (None, None))
    weights = draw_weights(num_videos, draws, seed)
    return t_intervals(estimate_metrics(predictions, labels, codes, num_videos, scale, weights))


def estimate_metrics(
    predictions: np.ndarray,
    labels: np.ndarray,
    codes: np.ndarray,
    num_videos: int,
    scale: LabelScale,
    weights: Iterable[np.ndarray],
) -> dict[str, Estimate]:
    """Every metric of one seed's predictions, as it is and as it would be with other videos.

    Arguments are as of `video_sums`, and `weights` as `draw_weights` yields them.
    """
    sums, least = video_sums(predictions, labels, codes, num_videos, scale), least_variance(predictions, labels)
    whole = {name: values.sum(axis=0) for name, values in sums.items()}
    point = metrics_of_sums({name: values[None] for name, values in whole.items()}, least)
    left_out = metrics_of_sums({name: whole[name] - values for name, values in sums.items()}, least)
    pieces = [draw_metrics(sums, least, piece) for piece in weights]
    drawn = {name: np.concatenate([piece[name] for piece in pieces]) for name in point}
    return {name: Estimate(point[name], drawn[name], left_out[name]) for name in point}


def least_variance(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Variances `(2,)` of predictions and labels `(n,)` up to which they count as constant."""
    return np.square([CONSTANT_SPREAD * np.abs(values).max() for values in (predictions, labels)])


def draw_metrics(sums: dict[str, np.ndarray], spread: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics `(draws,)` of `video_sums` when each video is taken as often as `weights (draws, videos)` say; `spread`
    is as `least_variance` gives."""
    weights = weights.astype(np.float64)
    return metrics_of_sums({name: np.tensordot(weights, values, 1) for name, values in sums.items()}, spread)


def video_sums(
    predictions: np.ndarray, labels: np.ndarray, codes: np.ndarray, num_videos: int, scale: LabelScale
) -> dict[str, np.ndarray]:
    """Sums by video that every metric can be computed from.

    `predictions`, `labels` are `(n,)` float64, `codes (n,)` the video of each segment as a number from 0. Returns
    `moments (videos, 7)`: count, |error|, p, y, p², y², py (p and y centred), and tables `(videos, true, predicted)`:
    `has0` and `non0` of 2 classes, and, on [-3, 3], `five` of 5 and `seven` of 7.
    """
    # Centred, or the variances below would be differences of large sums.
    p, y = predictions - predictions.mean(), labels - labels.mean()
    terms = (np.ones_like(p), np.abs(predictions - labels), p, y, p * p, y * y, p * y)
    moments = np.stack([np.bincount(codes, weights=term, minlength=num_videos) for term in terms], axis=1)

    def table(true: np.ndarray, predicted: np.ndarray, classes: int, kept: np.ndarray) -> np.ndarray:
        counts = np.zeros((num_videos, classes, classes))
        np.add.at(counts, (codes[kept], true[kept].astype(int), predicted[kept].astype(int)), 1)
        return counts

    everything = np.ones(labels.shape, dtype=bool)
    true_side, predicted_side = to_sides(labels, scale.neutral), to_sides(predictions, scale.neutral)
    sums = {
        "moments": moments,
        "has0": table(true_side >= 0, predicted_side >= 0, 2, everything),
        "non0": table(true_side > 0, predicted_side > 0, 2, true_side != 0),
    }
    if has_seven_classes(scale):
        for name, limit in (("five", 2), ("seven", 3)):
            true, predicted = to_classes(labels, limit) + limit, to_classes(predictions, limit) + limit
            sums[name] = table(true, predicted, 2 * limit + 1, everything)
    return sums


def metrics_of_sums(sums: dict[str, np.ndarray], least_variance: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of resamples from their sums.

    `sums` is as `video_sums` gives, with draws in place of videos; `least_variance (2,)` holds the variances of p and y
    up to which they count as constant. Returns metric → `(draws,)` float64, NaN where undefined, without the 5- and
    7-class metrics where there is no table.
    """
    count, error, p, y, pp, yy, py = sums["moments"].T
    variance_p, variance_y = pp / count - (p / count) ** 2, yy / count - (y / count) ** 2
    defined = (variance_p > least_variance[0]) & (variance_y > least_variance[1])
    product = np.where(defined, variance_p * variance_y, np.nan)
    result = {"mae": error / count, "pearson": (py / count - p * y / count**2) / np.sqrt(product)}
    has0 = _weighted_scores(sums["has0"])
    result["binary_precision"], result["binary_recall"], result["binary_f1"] = has0
    result["acc2_has0"], result["f1_has0"] = has0[1], has0[2]
    _, result["acc2_non0"], result["f1_non0"] = _weighted_scores(sums["non0"])
    if "seven" in sums:
        result["acc5"] = _weighted_scores(sums["five"])[1]
        seven = _weighted_scores(sums["seven"])
        result["seven_precision"], result["seven_recall"], result["seven_f1"] = seven
        result["acc7"] = seven[1]
        ends = sums["seven"][:, [0, -1]]
        hits = ends[:, 0, 0] + ends[:, 1, -1]
        result["extreme_recall"] = _divide(hits, ends.sum(axis=(1, 2)), np.nan)
    return result


def _divide(numerator: np.ndarray, denominator: np.ndarray, otherwise: float) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(numerator.shape, otherwise), where=denominator > 0)


def _weighted_scores(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Support-weighted precision, recall and F1 `(draws,)` of tables `(draws, true, predicted)`; NaN of empty ones."""
    hits = np.diagonal(table, axis1=1, axis2=2)
    # einsum: numpy's own sums over short axes take most of a bootstrap's time.
    support, predicted = np.einsum("dtp->dt", table), np.einsum("dtp->dp", table)
    share = _divide(support, np.broadcast_to(support.sum(axis=1, keepdims=True), support.shape), np.nan)
    precision = _divide(hits, predicted, 0.0)
    recall = _divide(hits, support, 0.0)
    f1 = _divide(2 * hits, support + predicted, 0.0)
    return tuple(np.einsum("dt,dt->d", share, score) for score in (precision, recall, f1))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values `(k,)` float64, in the order given: they bound the chance of any false finding.

    Raises:
        ValueError: a value outside [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"Not a list of p-values. Expected numbers in [0, 1]. Received: p_values={p.tolist()}. "
            "Leave out comparisons that could not be tested."
        )
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return adjusted


def video_codes(videos: Sequence[str], num_segments: int) -> tuple[np.ndarray, int]:
    """The video of each segment as a number from 0, `(num_segments,)`, and how many videos there are.

    Raises:
        ValueError: there is not exactly one video id a segment.
    """
    names, codes = np.unique(np.asarray(videos), return_inverse=True)
    if codes.shape != (num_segments,):
        raise ValueError(
            f"Videos and segments differ in number. Expected one video id a segment, {num_segments}. "
            f"Received: videos={codes.size}. Give the video id of every segment."
        )
    return codes, names.size


def check_draws(draws: int) -> None:
    """Raises a ValueError for less than one draw."""
    if draws < 1:
        raise ValueError(f"Too few draws. Expected at least 1. Received: draws={draws}. Leave it at 10000.")
