"""The metrics.json object of one split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from mmtrans.evaluation.metrics import METRICS, has_seven_classes, is_collapsed, sentiment_metrics, trivial_baselines
from mmtrans.evaluation.shapes import Scored
from mmtrans.evaluation.uncertainty.bootstrap import MIN_VIDEOS, bootstrap_intervals
from mmtrans.evaluation.uncertainty.intervals import METHOD
from tfrecords.schema import LabelScale


def evaluate_predictions(
    predictions: np.ndarray,
    labels: np.ndarray,
    videos: Sequence[str],
    train_labels: np.ndarray,
    scale: LabelScale,
    *,
    seed: int = 0,
) -> Scored:
    """The sentiment part of metrics.json for one split, ready for JSON.

    `predictions`, `labels` and `videos` are `(n,)` as for `bootstrap_intervals`; `train_labels (m,)` are those of the
    train split, which the baselines are made from; `seed` is of the bootstrap.

    Returns:
        For each metric `<metric>`, `<metric>_low`, `<metric>_high`; `baselines`, `collapsed`, `segments`, `videos`,
        and `notes`, sentences that say which intervals these are, and why something is null or doubtful.

    Raises:
        ValueError: different or wrong shapes, no segments, or values that are not finite.
    """
    metrics = sentiment_metrics(predictions, labels, scale)
    intervals = bootstrap_intervals(predictions, labels, videos, scale, seed=seed)
    figures: dict[str, float | None] = {}
    for name in METRICS:
        figures[name] = metrics[name]
        figures[f"{name}_low"], figures[f"{name}_high"] = intervals[name]
    # A checker cannot see that the metrics are the keys of `Figures`.
    result = cast(
        Scored,
        {
            **figures,
            "baselines": trivial_baselines(train_labels, labels, scale),
            "collapsed": is_collapsed(predictions, labels, scale),
            "segments": len(labels),
            "videos": len(set(videos)),
            "notes": [],
        },
    )
    result["notes"] += _notes(result, scale)
    return result


def _notes(result: Scored, scale: LabelScale) -> list[str]:
    notes = []
    if result["collapsed"]:
        notes.append(
            "Collapsed: the predictions, or their signs, hardly vary, and the labels do; compare with the baselines."
        )
    if result["collapsed"] is None:
        notes.append("Whether the predictions have collapsed cannot be told: the labels are constant.")
    if not has_seven_classes(scale):
        notes.append(f"No 5- and 7-class metrics: labels span [{scale.low:g}, {scale.high:g}], not [-3, 3].")
    if result["pearson"] is None:
        notes.append("No correlation: predictions or labels are constant.")
    if result["acc2_non0"] is None:
        notes.append("No acc2_non0 and f1_non0: every label is neutral.")
    if result["videos"] < MIN_VIDEOS:
        notes.append(
            f"No intervals: {result['videos']} videos, and at least {MIN_VIDEOS} are needed to tell how much they vary."
        )
    else:
        notes.append(METHOD.format(videos=result["videos"]))
        missing = [name for name in METRICS if result[name] is not None and result[f"{name}_low"] is None]
        if missing:
            notes.append(f"No interval for {', '.join(missing)}: undefined in more than 5 % of the draws of videos.")
    return notes
