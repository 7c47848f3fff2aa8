"""95 % intervals of metrics over few videos: Student's t, on a scale on which a metric's deviations are even.

Percentiles of resamples would be too narrow: over 10 to 14 videos, "95 %" of them cover 83 to 91 %. Of V videos each
draw takes V, which varies too little by (V-1)/V; V videos tell little of how much videos vary, hence Student's t with
V-1 degrees of freedom; and near the end of its range a metric deviates more to one side than to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from mmtrans.evaluation.metrics import METRICS

#: A metric that is undefined in more than 5 % of the draws gets no interval.
MIN_DEFINED = 0.95

#: A correlation beyond this is taken for one of this much, as that of 1 is infinitely far on its scale.
MOST_CORRELATION = 1 - 1e-6

#: What metrics.json says of its intervals.
METHOD = (
    "Intervals are 95 %, Student's t over {videos} videos, whose deviation comes from drawing videos anew and from "
    "leaving out each; r on Fisher's scale, shares on the arcsine's, MAE on the square root's."
)


class Scale(NamedTuple):
    """A scale on which a metric's deviations are even: the way there and back."""

    there: Callable[[np.ndarray | float], np.ndarray]
    back: Callable[[np.ndarray | float], np.ndarray]


ERROR = Scale(np.sqrt, lambda z: np.maximum(z, 0.0) ** 2)
CORRELATION = Scale(lambda r: np.arctanh(np.clip(r, -MOST_CORRELATION, MOST_CORRELATION)), np.tanh)
SHARE = Scale(lambda p: np.arcsin(np.sqrt(np.clip(p, 0.0, 1.0))), lambda z: np.sin(np.clip(z, 0.0, np.pi / 2)) ** 2)

SCALES = {"mae": ERROR, "pearson": CORRELATION}


@dataclass(frozen=True)
class Estimate:
    """A metric as it is, and as it would be with other videos; NaN where it is undefined.

    Attributes:
        seeds: `(seeds,)` of each seed, over all videos.
        drawn: `(draws,)` over videos that are drawn anew, means over the seeds.
        left_out: `(videos,)` over all videos but one, means over the seeds.
    """

    seeds: np.ndarray
    drawn: np.ndarray
    left_out: np.ndarray


def mean_estimates(estimates: list[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """Estimates of the means over several seeds, given those of each."""
    return {
        name: Estimate(
            np.concatenate([each[name].seeds for each in estimates]),
            np.mean([each[name].drawn for each in estimates], axis=0),
            np.mean([each[name].left_out for each in estimates], axis=0),
        )
        for name in estimates[0]
    }


def t_intervals(estimates: Mapping[str, Estimate]) -> dict[str, tuple[float | None, float | None]]:
    """The interval of each of `METRICS`; `(None, None)` where there is no estimate, and where `t_interval` gives it."""
    intervals: dict[str, tuple[float | None, float | None]] = dict.fromkeys(METRICS, (None, None))
    return intervals | {name: t_interval(each, SCALES.get(name, SHARE)) for name, each in estimates.items()}


def t_interval(estimate: Estimate, scale: Scale) -> tuple[float | None, float | None]:
    """The 95 % interval of a metric's mean over its seeds, `(low, high)`.

    The variance over videos is the larger one of two: that of the draws, times V/(V-1), and the jackknife's. That over
    seeds is added, and what both count, how seeds differ by video, counts twice. The degrees of freedom follow from how
    much of the variance comes from where (Satterthwaite).

    Returns:
        `(None, None)` where the metric is undefined, or is so in more than 5 % of the draws.
    """
    point, drawn = float(estimate.seeds.mean()), estimate.drawn[np.isfinite(estimate.drawn)]
    if not np.isfinite(point) or drawn.size < MIN_DEFINED * estimate.drawn.size:
        return None, None
    videos, left_out = estimate.left_out.size, estimate.left_out[np.isfinite(estimate.left_out)]
    parts = [
        (max(_variance(drawn, scale) * videos / (videos - 1), _variance(left_out, scale) * (videos - 1)), videos - 1)
    ]
    if (seeds := estimate.seeds.size) > 1:
        parts.append((_variance(estimate.seeds, scale) / (seeds - 1), seeds - 1))
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return point, point
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(total)
    low, high = (float(scale.back(scale.there(point) + end)) for end in (-reach, reach))
    # The scale of a correlation ends before 1.
    return min(low, point), max(high, point)


def _variance(values: np.ndarray, scale: Scale) -> float:
    return float(scale.there(values).var()) if values.size else 0.0
