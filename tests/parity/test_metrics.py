import functools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.evaluation.metrics import sentiment_metrics, to_classes
from tests.parity.stacks import tfa
from tfrecords.schema import LabelScale

SCALE = LabelScale("sentiment", -3.0, 3.0, 0.0)


@functools.cache
def metric_of(classes):
    return tfa.metrics.F1Score(num_classes=classes, average="weighted")


def addons_f1(true, predicted, classes):
    """`tfa.metrics.F1Score(average="weighted")` of integer classes."""
    metric = metric_of(classes)
    metric.reset_state()
    metric.update_state(*(np.eye(classes, dtype=np.float32)[values] for values in (true, predicted)))
    return float(metric.result())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 30), spread=st.sampled_from([0.0, 0.7, 3.0]))
def test_weighted_f1_is_that_of_addons(seed, number, spread):
    """Of both binary splits and of 7 classes, constant predictions and missing classes included."""
    rng = np.random.default_rng(seed)
    labels = np.round(rng.uniform(-3, 3, number) * 5) / 5
    predictions = rng.normal(0.2, 1.0) + spread * rng.normal(size=number)
    found = sentiment_metrics(predictions, labels, SCALE)
    has0 = addons_f1((labels >= 0).astype(int), (predictions >= 0).astype(int), 2)
    seven = addons_f1(to_classes(labels, 3) + 3, to_classes(predictions, 3) + 3, 7)
    np.testing.assert_allclose([found["f1_has0"], found["seven_f1"]], [has0, seven], atol=1e-5)
    kept = labels != 0
    if kept.any():
        non0 = addons_f1((labels[kept] > 0).astype(int), (predictions[kept] > 0).astype(int), 2)
        np.testing.assert_allclose(found["f1_non0"], non0, atol=1e-5)


def test_swapped_arguments_are_caught():
    """Weighted by predicted support, the mistake of several public repositories, the number is another."""
    rng = np.random.default_rng(0)
    labels, predictions = rng.uniform(-3, 3, 40), rng.normal(0.5, 1.0, 40)
    found = sentiment_metrics(predictions, labels, SCALE)["seven_f1"]
    swapped = addons_f1(to_classes(predictions, 3) + 3, to_classes(labels, 3) + 3, 7)
    assert abs(found - swapped) > 1e-2
