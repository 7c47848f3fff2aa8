"""Sentiment metrics of one set of predictions, and the trivial predictors that every model is held against.

Undefined values are `None`, never NaN: the dictionaries go into JSON as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tfrecords.schema import LabelScale


@dataclass(frozen=True)
class Metric:
    """What there is to know of a metric.

    Attributes:
        name: key of the metric in metrics.json.
        heading: name of the metric in tables.
        better: whether a model is better when it is less, `min`, or when it is more, `max`.
        classes: number of classes that are told apart; 0 where scores are compared.
    """

    name: str
    heading: str
    better: Literal["min", "max"] = "max"
    classes: int = 0

    @property
    def heading_with_arrow(self) -> str:
        """The heading, and which way is better: `MAE ↓`."""
        return f"{self.heading} {'↓' if self.better == 'min' else '↑'}"


_ALL = (
    Metric("mae", "MAE", "min"),
    Metric("pearson", "r"),
    Metric("acc2_has0", "Acc-2 (≥0)", classes=2),
    Metric("acc2_non0", "Acc-2 (≠0)", classes=2),
    Metric("f1_has0", "F1 (≥0)", classes=2),
    Metric("f1_non0", "F1 (≠0)", classes=2),
    Metric("acc5", "Acc-5", classes=5),
    Metric("acc7", "Acc-7", classes=7),
    Metric("binary_precision", "P binary", classes=2),
    Metric("binary_recall", "R binary", classes=2),
    Metric("binary_f1", "F1 binary", classes=2),
    Metric("seven_precision", "P seven", classes=7),
    Metric("seven_recall", "R seven", classes=7),
    Metric("seven_f1", "F1 seven", classes=7),
    Metric("extreme_recall", "recall of ±3", classes=7),
)

#: Name → metric, in the order of metrics.json.
METRICS = {metric.name: metric for metric in _ALL}

#: Those of 5 and 7 classes, which not every scale has.
SEVEN_CLASS_METRICS = tuple(metric.name for metric in _ALL if metric.classes > 2)

#: Those of the field's tables, in their order.
FIELD_METRICS: tuple[str, ...] = ("mae", "pearson", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0", "acc5", "acc7")

#: A spread below this share of the largest value is float32 rounding, not signal.
CONSTANT_SPREAD = 1e-6

#: A predictor is collapsed when its standard deviation is below this share of that of the labels …
COLLAPSED_SPREAD = 0.1
#: … or when one binary class takes this share of its predictions, of which the labels have clearly less.
COLLAPSED_SHARE, UNEVEN_SHARE = 0.95, 0.9
#: Fewer segments than this say nothing about such shares: a twentieth of them is less than one.
MIN_SHARED = 20


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of a metric; `None` where it is undefined in one place, or there is none."""
    values = list(values)
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined and len(defined) == len(values) else None


def check_values(name: str, values: np.ndarray) -> np.ndarray:
    """Returns `values` as a non-empty `(n,)` float64 array of finite numbers.

    Raises:
        ValueError: another shape, no values, or a value that is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(
            f"Values to evaluate are not a list. Expected {name} of shape (n,), n ≥ 1. "
            f"Received: {name}.shape={values.shape}. Give one number a segment."
        )
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"Values to evaluate are not finite. Expected finite {name}. Received: {name}[{first}]={values[first]}, "
            f"and {int((~finite).sum())} such of {values.size}. Check that the training has not diverged."
        )
    return values


def check_pair(predictions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns predictions and labels as float64 arrays of one shape `(n,)`.

    Raises:
        ValueError: `check_values` refuses one of them, or they have different lengths.
    """
    predictions, labels = check_values("predictions", predictions), check_values("labels", labels)
    if predictions.shape != labels.shape:
        raise ValueError(
            f"Predictions and labels differ in number. Expected one prediction a label. "
            f"Received: predictions={predictions.size}, labels={labels.size}. Drop the segments without a label first."
        )
    return predictions, labels


def has_seven_classes(scale: LabelScale) -> bool:
    """Whether 5 and 7 classes mean anything on this scale: only where labels span [-3, 3]."""
    return scale.low == -3 and scale.high == 3


def to_classes(values: np.ndarray, limit: int) -> np.ndarray:
    """Integer classes `-limit … limit` (int64, shape of `values`): clipped, then rounded half to even."""
    return np.round(np.clip(values, -limit, limit)).astype(np.int64)


def to_sides(values: np.ndarray, neutral: float) -> np.ndarray:
    """Side of the neutral point, -1, 0 or 1 (float32, shape of `values`).

    Compared in float32, the precision of records: a label stored as 3.4 is not above a neutral point of 3.4.
    """
    return np.sign(np.asarray(values, dtype=np.float32) - np.float32(neutral))


def pearson(predictions: np.ndarray, labels: np.ndarray) -> float | None:
    """Pearson's r of two `(n,)` arrays; `None` where one of them is constant (up to float32 rounding)."""
    predictions, labels = check_pair(predictions, labels)
    if _is_constant(predictions) or _is_constant(labels):
        return None
    return float(np.corrcoef(predictions, labels)[0, 1])


def _is_constant(values: np.ndarray) -> bool:
    return bool(values.std() <= CONSTANT_SPREAD * np.abs(values).max())


def sentiment_metrics(predictions: np.ndarray, labels: np.ndarray, scale: LabelScale) -> dict[str, float | None]:
    """All metrics of one set of predictions.

    `*_has0` and `binary_*` keep every segment and count neutral as positive; `*_non0` leave out neutral labels and
    ask for a prediction strictly above the neutral point. Precision, recall and F1 are weighted by the support of
    the *true* classes (so recall is accuracy). `extreme_recall` is the share of the labels in classes -3 and 3 that
    are predicted in their own class.

    Args:
        predictions: `(n,)` scores in label units.
        labels: `(n,)` true scores.
        scale: range and neutral point of the labels.

    Returns:
        One value for each name of `METRICS`; `None` where it is undefined (r of a constant predictor, `*_non0`
        without a non-neutral label, 5 and 7 classes where labels do not span [-3, 3]).

    Raises:
        ValueError: different or wrong shapes, no segments, or values that are not finite.
    """
    predictions, labels = check_pair(predictions, labels)
    result: dict[str, float | None] = dict.fromkeys(METRICS)
    result["mae"] = float(np.abs(predictions - labels).mean())
    result["pearson"] = pearson(predictions, labels)

    true_side, predicted_side = to_sides(labels, scale.neutral), to_sides(predictions, scale.neutral)
    has0 = _weighted_scores(true_side >= 0, predicted_side >= 0)
    result["binary_precision"], result["binary_recall"], result["binary_f1"] = has0
    result["acc2_has0"], result["f1_has0"] = has0[1], has0[2]
    kept = true_side != 0
    if kept.any():
        _, result["acc2_non0"], result["f1_non0"] = _weighted_scores(true_side[kept] > 0, predicted_side[kept] > 0)

    if has_seven_classes(scale):
        result["acc5"] = float(np.mean(to_classes(predictions, 2) == to_classes(labels, 2)))
        true_class, predicted_class = to_classes(labels, 3), to_classes(predictions, 3)
        seven = _weighted_scores(true_class, predicted_class)
        result["seven_precision"], result["seven_recall"], result["seven_f1"] = seven
        result["acc7"] = seven[1]
        extreme = np.abs(true_class) == 3
        if extreme.any():
            result["extreme_recall"] = float(np.mean(predicted_class[extreme] == true_class[extreme]))
    return result


def _weighted_scores(true: np.ndarray, predicted: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1, averaged over classes by true support. The order (true, predicted) matters: swapped,
    F1 weights by predicted support and flatters a constant predictor."""
    # Imported when needed: commands that compute nothing show the names of metrics too.
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(true, predicted, average="weighted", zero_division=0)
    return float(scores[0]), float(scores[1]), float(scores[2])


def trivial_baselines(
    train_labels: np.ndarray, labels: np.ndarray, scale: LabelScale
) -> dict[str, dict[str, float | None]]:
    """Metrics of three constant predictors that know nothing but the train labels.

    `mean` and `median` predict those of the train labels. `majority` predicts the more frequent train side of the
    neutral point (neutral counts as positive; a tie is positive) at a third of the way from the neutral point to that
    end of the scale: +1 or -1 on MOSI's [-3, 3].

    Args:
        train_labels: `(m,)` labels of the train split.
        labels: `(n,)` labels of the split that is evaluated.
        scale: range and neutral point of the labels.

    Raises:
        ValueError: wrong shapes, no labels, or labels that are not finite.
    """
    train_labels, labels = check_values("train_labels", train_labels), check_values("labels", labels)
    positive = np.mean(to_sides(train_labels, scale.neutral) >= 0) >= 0.5
    end = scale.high if positive else scale.low
    constants = {
        "mean": float(train_labels.mean()),
        "median": float(np.median(train_labels)),
        "majority": scale.neutral + (end - scale.neutral) / 3,
    }
    return {name: sentiment_metrics(np.full(labels.shape, c), labels, scale) for name, c in constants.items()}


def is_collapsed(predictions: np.ndarray, labels: np.ndarray, scale: LabelScale) -> bool | None:
    """Whether predictions are (nearly) constant where the labels of the same segments are not.

    That is so where their standard deviation is under a tenth of that of the labels; and, of 20 segments or more, where
    one binary class (neutral counts as positive) takes at least 95 % of the predictions and under 90 % of the labels.

    Args:
        predictions: `(n,)` scores in label units.
        labels: `(n,)` true scores of the same segments.
        scale: range and neutral point of the labels.

    Returns:
        `None` where the labels are constant themselves, as that of a single segment: nothing can be told then.

    Raises:
        ValueError: different or wrong shapes, no values, or values that are not finite.
    """
    predictions, labels = check_pair(predictions, labels)
    if _is_constant(labels):
        return None
    if predictions.std() < COLLAPSED_SPREAD * labels.std():
        return True
    predicted, true = (np.mean(to_sides(values, scale.neutral) >= 0) for values in (predictions, labels))
    if predicted < 0.5:
        predicted, true = 1 - predicted, 1 - true
    return bool(labels.size >= MIN_SHARED and predicted >= COLLAPSED_SHARE and true < UNEVEN_SHARE)
