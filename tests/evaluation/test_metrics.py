"""Metrics against plain loops, the published facts about MOSI's labels, and the edges where they are undefined."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.evaluation.metrics import (
    METRICS,
    SEVEN_CLASS_METRICS,
    is_collapsed,
    mean_of,
    pearson,
    sentiment_metrics,
    to_classes,
    to_sides,
    trivial_baselines,
)
from tfrecords.schema import LabelScale

MOSI = LabelScale("sentiment", -3.0, 3.0, 0.0)
LIKERT = LabelScale("persuasion", 1.0, 7.0, 4.0)
REPOSITORY = Path(__file__).resolve().parents[2]


def weighted_oracle(true, predicted):
    """Accuracy, and support-weighted precision, recall and F1, by counting."""
    precision = recall = f1 = 0.0
    for c in set(true):
        hits = sum(t == c and p == c for t, p in zip(true, predicted, strict=True))
        support, chosen = list(true).count(c), list(predicted).count(c)
        precision += support / len(true) * (hits / chosen if chosen else 0.0)
        recall += hits / len(true)
        f1 += support / len(true) * 2 * hits / (support + chosen)
    return precision, recall, f1


def oracle(predictions, labels, neutral, seven):
    result = dict.fromkeys(METRICS)
    n = len(labels)
    result["mae"] = sum(abs(p - y) for p, y in zip(predictions, labels, strict=True)) / n
    mean_p, mean_y = sum(predictions) / n, sum(labels) / n
    covariance = sum((p - mean_p) * (y - mean_y) for p, y in zip(predictions, labels, strict=True))
    squares = sum((p - mean_p) ** 2 for p in predictions) * sum((y - mean_y) ** 2 for y in labels)
    if len(set(predictions)) > 1 and len(set(labels)) > 1:
        result["pearson"] = covariance / math.sqrt(squares)
    has0 = weighted_oracle([y >= neutral for y in labels], [p >= neutral for p in predictions])
    result["binary_precision"], result["binary_recall"], result["binary_f1"] = has0
    result["acc2_has0"], result["f1_has0"] = has0[1:]
    pairs = [(y > neutral, p > neutral) for p, y in zip(predictions, labels, strict=True) if y != neutral]
    if pairs:
        _, result["acc2_non0"], result["f1_non0"] = weighted_oracle(*zip(*pairs, strict=True))
    if seven:

        def classes(values, limit):  # Python's own round is half to even
            return [round(min(max(v, -limit), limit)) for v in values]

        result["acc5"] = sum(a == b for a, b in zip(classes(predictions, 2), classes(labels, 2), strict=True)) / n
        true, predicted = classes(labels, 3), classes(predictions, 3)
        scores = weighted_oracle(true, predicted)
        result["seven_precision"], result["seven_recall"], result["seven_f1"] = scores
        result["acc7"] = scores[1]
        extreme = [t == p for t, p in zip(true, predicted, strict=True) if abs(t) == 3]
        if extreme:
            result["extreme_recall"] = sum(extreme) / len(extreme)
    return result


def assert_same(measured, expected):
    assert list(measured) == list(METRICS)
    for name in METRICS:
        assert measured[name] == (None if expected[name] is None else pytest.approx(expected[name], abs=1e-9)), name


eighths = st.integers(-32, 32).map(lambda k: k / 8)


@given(st.lists(st.tuples(eighths, eighths), min_size=1, max_size=30))
def test_all_metrics_equal_plain_loops(pairs):
    predictions, labels = zip(*pairs, strict=True)
    assert_same(sentiment_metrics(predictions, labels, MOSI), oracle(predictions, labels, 0.0, seven=True))


@given(st.lists(st.tuples(eighths, eighths), min_size=1, max_size=30))
def test_other_scales_split_at_their_neutral_point_and_have_no_classes(pairs):
    predictions, labels = np.array(pairs).T + 4
    measured = sentiment_metrics(predictions, labels, LIKERT)
    assert_same(measured, oracle(predictions.tolist(), labels.tolist(), 4.0, seven=False))
    assert measured["acc7"] is measured["acc5"] is measured["extreme_recall"] is None


@given(st.lists(st.tuples(eighths, eighths), min_size=1, max_size=30))
def test_recall_is_accuracy(pairs):
    measured = sentiment_metrics(*np.array(pairs).T, MOSI)
    assert measured["binary_recall"] == pytest.approx(measured["acc2_has0"])
    assert measured["seven_recall"] == pytest.approx(measured["acc7"])


def mosi_test_signs():
    """The sides of MOSI's 686 test labels: 379 negative, 30 zero, 277 positive."""
    return np.repeat([-1.0, 0.0, 1.0], [379, 30, 277])


def test_always_negative_scores_as_published_and_not_as_with_swapped_arguments():
    labels = mosi_test_signs()
    measured = sentiment_metrics(np.full(686, -1.0), labels, MOSI)
    assert measured["f1_has0"] == pytest.approx(0.393, abs=5e-4)  # swapped: .712
    assert measured["f1_non0"] == pytest.approx(0.423, abs=5e-4)  # swapped: .732
    assert measured["acc2_has0"] == pytest.approx(0.5525, abs=5e-5)
    assert measured["acc2_non0"] == pytest.approx(0.5777, abs=5e-5)


def test_neutral_predictions_are_positive_with_zeros_and_not_positive_without():
    measured = sentiment_metrics(np.zeros(3), np.array([0.0, 1.0, -1.0]), MOSI)
    assert measured["acc2_has0"] == pytest.approx(2 / 3)
    assert measured["acc2_non0"] == pytest.approx(1 / 2)


def test_classes_clip_and_round_half_to_even():
    values = np.array([-9.0, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.51, 9.0])
    assert to_classes(values, 3).tolist() == [-3, -2, -2, 0, 0, 2, 2, 3, 3]
    assert to_classes(values, 2).tolist() == [-2, -2, -2, 0, 0, 2, 2, 2, 2]


def test_predicting_the_opposite_extreme_is_no_recall():
    labels = np.array([3.0, 2.6, -3.0, 0.0])
    assert sentiment_metrics(np.array([9.0, -3.0, -2.0, 3.0]), labels, MOSI)["extreme_recall"] == pytest.approx(1 / 3)


def test_a_float32_label_on_the_neutral_point_is_neutral():
    labels = np.array([3.4, 3.6, 3.2], dtype=np.float32)
    assert labels.astype(np.float64)[0] > 3.4
    assert to_sides(labels, 3.4).tolist() == [0, 1, -1]
    assert to_sides(labels.astype(np.float64), 3.4).tolist() == [0, 1, -1]


@pytest.mark.parametrize("constant", [0.0, 0.1, -2.7])
def test_undefined_is_none_and_never_nan(constant):
    rounding = np.array([0, 1, 0, -1, 0]) * constant * 1e-7
    for predictions in (np.full(5, constant), constant + rounding):
        measured = sentiment_metrics(predictions, np.array([-1.0, 0, 1, 2, 0.5]), MOSI)
        assert measured["pearson"] is None
        assert measured["extreme_recall"] is None
        json.dumps(measured, allow_nan=False)
    assert sentiment_metrics(np.arange(3.0), np.zeros(3), MOSI)["acc2_non0"] is None
    assert pearson(np.ones(1), np.ones(1)) is None


def test_a_small_but_real_spread_has_a_correlation():
    labels = np.array([-1.0, 0.5, 1, 2])
    assert pearson(0.2 + 1e-4 * labels, labels) == pytest.approx(1)


def test_baselines_are_constants_of_train():
    train, labels = np.array([-3.0, -1, -0.2, 0, 1.2, 2.7, 3]), np.array([-1.0, 0.4, 2, 3])
    measured = trivial_baselines(train, labels, MOSI)
    for name, constant in (("mean", 2.7 / 7), ("median", 0.0), ("majority", 1.0)):
        assert measured[name] == sentiment_metrics(np.full(4, constant), labels, MOSI), name
    negative = trivial_baselines(np.array([2.0, 3.0, 5.0]), np.array([2.0]), LIKERT)
    assert negative["majority"]["mae"] == pytest.approx(1.0)  # 4 - (4 - 1) / 3 = 3


def test_baselines_on_mosi_test_signs_match_the_label_facts():
    train = np.repeat([-1.0, 0.0, 1.0], [552, 53, 679])
    majority = trivial_baselines(train, mosi_test_signs(), MOSI)["majority"]
    assert majority["acc2_has0"] == pytest.approx(307 / 686)
    assert majority["acc2_non0"] == pytest.approx(277 / 656)


def test_collapse_by_one_sidedness_and_by_spread():
    labels = np.linspace(-3, 3, 100)
    balanced = np.linspace(-2, 2, 100)
    assert is_collapsed(balanced, labels, MOSI) is False
    assert is_collapsed(balanced * 0.12, labels, MOSI) is True
    assert not is_collapsed(balanced * 0.12, labels / 2, MOSI)
    assert is_collapsed(np.full(100, 1.5), labels, MOSI)
    assert is_collapsed(np.r_[np.full(5, -2.0), np.full(95, 2.0)], labels, MOSI) is True
    assert is_collapsed(np.r_[np.full(95, -2.0), np.full(5, 0.0)], labels, MOSI)
    assert not is_collapsed(np.r_[np.full(6, -2.0), np.full(94, 2.0)], labels, MOSI)


@pytest.mark.parametrize("sign", [1, -1])
def test_labels_of_one_sign_do_not_make_a_good_predictor_collapsed(sign):
    labels = sign * np.r_[np.linspace(0.2, 3, 95), np.linspace(-3, -0.2, 5)]
    noise = np.random.default_rng(0).normal(0, 0.3, 100)
    for scale in (MOSI, LabelScale("rating", -2.0, 4.0, 1.0)):
        shifted = labels + scale.neutral
        assert is_collapsed(shifted, shifted, scale) is False
        assert is_collapsed(shifted + noise, shifted, scale) is False
        assert is_collapsed(np.full(100, shifted.mean()), shifted, scale) is True


def test_collapse_cannot_be_told_where_the_labels_are_constant():
    assert is_collapsed(np.array([0.4]), np.array([-1.2]), MOSI) is None
    assert is_collapsed(np.array([0.4, -2.0, 3.0]), np.full(3, 1.2), MOSI) is None
    # Of two segments, one sign is no finding; equal predictions of labels far apart are one.
    assert is_collapsed(np.array([0.4, 2.0]), np.array([-1.2, 2.0]), MOSI) is False
    assert is_collapsed(np.array([0.4, 0.4]), np.array([-1.2, 2.0]), MOSI) is True


def test_bad_values_are_refused():
    good = np.zeros(3)
    with pytest.raises(ValueError, match=r"not finite\. .*predictions\[1\]=nan, and 2 such of 3\. Check"):
        sentiment_metrics(np.array([0, np.nan, np.inf]), good, MOSI)
    with pytest.raises(ValueError, match=r"finite labels\. Received: labels\[0\]=inf"):
        sentiment_metrics(good, np.array([np.inf, 0, 0]), MOSI)
    with pytest.raises(ValueError, match=r"shape \(n,\), n ≥ 1\. Received: predictions\.shape=\(3, 1\)"):
        sentiment_metrics(good[:, None], good, MOSI)
    with pytest.raises(ValueError, match=r"Received: labels\.shape=\(0,\)"):
        sentiment_metrics(good, np.zeros(0), MOSI)
    with pytest.raises(ValueError, match=r"differ in number\. .*Received: predictions=3, labels=2"):
        sentiment_metrics(good, good[:2], MOSI)
    with pytest.raises(ValueError, match=r"train_labels\.shape=\(0,\)"):
        trivial_baselines(np.zeros(0), good, MOSI)
    with pytest.raises(ValueError, match=r"labels\[0\]=nan"):
        is_collapsed(good, np.array([np.nan, 0, 1]), MOSI)
    with pytest.raises(ValueError, match=r"differ in number\. .*Received: predictions=3, labels=2"):
        is_collapsed(good, good[:2], MOSI)


def test_a_metric_says_which_way_is_better():
    assert [name for name, metric in METRICS.items() if metric.better == "min"] == ["mae"]
    assert METRICS["mae"].heading_with_arrow == "MAE ↓"
    assert METRICS["extreme_recall"].heading_with_arrow == "recall of ±3 ↑"


def test_metrics_of_more_than_two_classes_are_those_that_other_scales_lack():
    lacking = sentiment_metrics(np.array([1.0, 2.0]), np.array([1.0, 4.0]), LabelScale("x", 0.0, 5.0, 2.5))
    assert {name for name, value in lacking.items() if value is None} == set(SEVEN_CLASS_METRICS)


def test_importing_metrics_is_light():
    code = (
        "import sys, mmtrans.evaluation.metrics, mmtrans.evaluation.uncertainty.bootstrap\n"
        "import mmtrans.evaluation.translation_quality\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("values", "expected"), [([1.0, 2.0], 1.5), ([1.0, None], None), ([None], None), ([], None)])
def test_a_mean_needs_all_of_its_values(values, expected):
    assert mean_of(iter(values)) == expected
