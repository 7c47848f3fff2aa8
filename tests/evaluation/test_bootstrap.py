"""Vectorised resampling against the literal loop, real label facts, and exact tests by enumeration."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmtrans.evaluation.metrics import METRICS, sentiment_metrics
from mmtrans.evaluation.split_metrics import evaluate_predictions
from mmtrans.evaluation.uncertainty import bootstrap
from mmtrans.evaluation.uncertainty.bootstrap import bootstrap_intervals, draw_weights, holm
from mmtrans.evaluation.uncertainty.intervals import SCALES
from tests.real_data import MOSI_TEXT, needs
from tfrecords.schema import LabelScale

MOSI = LabelScale("sentiment", -3.0, 3.0, 0.0)
LIKERT = LabelScale("persuasion", 1.0, 7.0, 4.0)
SEGMENTS = MOSI_TEXT / "segments.csv"


def clustered(rng, num_videos, per_video):
    """Labels in fifths and related predictions of `num_videos` videos of different sizes."""
    sizes = rng.integers(1, 2 * per_video, num_videos)
    videos = np.repeat([f"video{i}" for i in range(num_videos)], sizes)
    y = np.repeat(rng.normal(0, 1, num_videos), sizes) + rng.normal(0, 1.4, sizes.sum())
    y = np.clip(np.round(y * 5) / 5, -3, 3)
    # In fifths as well: some predictions lie on the neutral point.
    return np.round((0.8 * y + rng.normal(0, 0.8, y.size)) * 5) / 5, y, videos


def literal_draws(predictions, labels, videos, scale, weights):
    """Resample videos segment by segment, and compute every metric from scratch."""
    names = np.unique(videos)
    rows = []
    for counts in weights:
        taken = np.concatenate(
            [np.flatnonzero(videos == name) for name, count in zip(names, counts, strict=True) for _ in range(count)]
        )
        rows.append(sentiment_metrics(predictions[taken], labels[taken], scale))
    return rows


def literal_interval(name, point, left_out, drawn):
    """Student's t over 11 videos, on the metric's own scale."""
    there, back = {
        "mae": (np.sqrt, np.square),
        "pearson": (np.arctanh, np.tanh),
    }.get(name, (lambda share: np.arcsin(np.sqrt(share)), lambda angle: np.sin(angle) ** 2))
    by_draws = np.var(there(drawn), ddof=0) * 11 / 10
    jackknife = 10 / 11 * np.sum((there(left_out) - np.mean(there(left_out))) ** 2)
    reach = stats.t(10).ppf(0.975) * np.sqrt(max(by_draws, jackknife))
    # A share's scale ends at 0 and at 1.
    low, high = there(point) - reach, there(point) + reach
    return back(low if name == "pearson" else max(low, 0)), back(high if name in SCALES else min(high, np.pi / 2))


@pytest.mark.parametrize(("scale", "shift", "seed"), [(MOSI, 0.0, 3), (LIKERT, 4.0, 5)])
def test_intervals_equal_the_literal_loop(scale, shift, seed):
    predictions, labels, videos = clustered(np.random.default_rng(seed), 11, 6)
    order = np.random.default_rng(0).permutation(labels.size)
    predictions, labels, videos = (predictions + shift)[order], (labels + shift)[order], videos[order]
    ones = np.ones((11, 11), int)
    whole, left_out, drawn = (
        literal_draws(predictions, labels, videos, scale, weights)
        for weights in (ones[:1], ones - np.eye(11, dtype=int), np.concatenate(list(draw_weights(11, 60, seed))))
    )
    measured = bootstrap_intervals(predictions, labels, list(videos), scale, draws=60, seed=seed)
    assert list(measured) == list(METRICS)
    for name in METRICS:
        point, *others = ([row[name] for row in rows if row[name] is not None] for rows in (whole, left_out, drawn))
        if not point:
            assert measured[name] == (None, None), name
            continue
        assert measured[name] == pytest.approx(literal_interval(name, point[0], *others), abs=1e-9), name
        assert measured[name][0] < point[0] < measured[name][1], name


def test_large_values_do_not_cancel():
    predictions, labels, videos = clustered(np.random.default_rng(4), 12, 5)
    scale = LabelScale("height", 99_990.0, 100_010.0, 1e5)
    shifted = bootstrap_intervals(predictions + 1e5, labels + 1e5, videos, scale, draws=50)
    plain = bootstrap_intervals(predictions, labels, videos, MOSI, draws=50)
    for name in ("mae", "pearson"):
        assert shifted[name] == pytest.approx(plain[name], abs=1e-8)


def test_pieces_do_not_change_the_draws(monkeypatch):
    whole = np.concatenate(list(draw_weights(13, 50, 7)))
    monkeypatch.setattr(bootstrap, "MAX_ENTRIES", 40)
    pieces = list(draw_weights(13, 50, 7))
    assert len(pieces) > 10
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert whole.shape == (50, 13)
    assert (whole.sum(axis=1) == 13).all()


def test_intervals_depend_on_the_seed_only_and_little():
    data = clustered(np.random.default_rng(1), 10, 4)
    first, again, other = (bootstrap_intervals(*data, MOSI, draws=2000, seed=s)["acc7"] for s in (0, 0, 1))
    assert first == again
    assert first == pytest.approx(other, abs=0.02)


def test_under_ten_videos_there_are_no_intervals():
    predictions, labels, videos = clustered(np.random.default_rng(2), 9, 6)
    assert bootstrap_intervals(predictions, labels, videos, MOSI) == dict.fromkeys(METRICS, (None, None))


def test_a_metric_that_is_mostly_undefined_has_no_interval():
    videos = np.repeat(np.arange(12), 3)
    labels = np.tile([-1.0, 0.4, 1.0], 12)
    labels[0] = 3.0  # one video of twelve has an extreme label: it is absent from a third of the draws
    predictions = np.random.default_rng(0).normal(size=36)
    measured = bootstrap_intervals(predictions, labels, videos, MOSI, draws=300)
    assert measured["extreme_recall"] == (None, None)
    assert None not in measured["acc7"]
    constant = bootstrap_intervals(np.full(36, 0.3), labels, videos, MOSI, draws=300)
    assert constant["pearson"] == (None, None)
    assert None not in constant["mae"]


@needs(SEGMENTS)
def test_always_positive_on_the_real_valid_fold():
    with SEGMENTS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "valid"]
    labels = np.array([float(row["label"]) for row in rows])
    videos = [row["video_id"] for row in rows]
    assert (len(labels), len(set(videos))) == (229, 10)
    assert sentiment_metrics(np.ones(229), labels, MOSI)["acc2_has0"] == pytest.approx(137 / 229)
    by_video = bootstrap_intervals(np.ones(229), labels, videos, MOSI)["acc2_has0"]
    by_segment = bootstrap_intervals(np.ones(229), labels, np.arange(229), MOSI)["acc2_has0"]
    assert by_video == pytest.approx((0.383, 0.795), abs=0.012)
    assert by_segment == pytest.approx((0.537, 0.664), abs=0.012)


def test_holm_by_hand_and_in_the_given_order():
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_its_definition_steps_down(p):
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.5):
        rejected = set()
        for step, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[index] * (len(p) - step) > level:
                break
            rejected.add(index)
        assert rejected == {i for i in range(len(p)) if adjusted[i] <= level}


def test_the_object_of_one_split():
    predictions, labels, videos = clustered(np.random.default_rng(6), 14, 6)
    train = np.array([-1.0, 0.2, 2.0])
    result = evaluate_predictions(predictions, labels, list(videos), train, MOSI, seed=2)
    intervals = bootstrap_intervals(predictions, labels, videos, MOSI, seed=2)
    expected = {name + end for name in METRICS for end in ("", "_low", "_high")}
    assert set(result) == expected | {"baselines", "collapsed", "segments", "videos", "notes"}
    for name, value in sentiment_metrics(predictions, labels, MOSI).items():
        assert result[name] == value
        assert (result[f"{name}_low"], result[f"{name}_high"]) == intervals[name]
    assert set(result["baselines"]) == {"mean", "median", "majority"}
    assert (result["segments"], result["videos"]) == (labels.size, 14)
    assert result["collapsed"] is False
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_notes_say_why_something_is_null():
    def notes(predictions, labels, videos, scale):
        result = evaluate_predictions(predictions, labels, videos, np.array([-2.0, 2.0]), scale)
        json.dumps(result, allow_nan=False)
        return result["notes"]

    predictions, labels, videos = clustered(np.random.default_rng(8), 30, 6)
    (which,) = notes(predictions, labels, videos, MOSI)
    assert which.startswith("Intervals are 95 %, Student's t over 30 videos")
    few = notes(np.full(4, 4.0), np.full(4, 4.0), list("aabb"), LIKERT)
    assert few == [
        "Whether the predictions have collapsed cannot be told: the labels are constant.",
        "No 5- and 7-class metrics: labels span [1, 7], not [-3, 3].",
        "No correlation: predictions or labels are constant.",
        "No acc2_non0 and f1_non0: every label is neutral.",
        "No intervals: 2 videos, and at least 10 are needed to tell how much they vary.",
    ]
    assert notes(labels.mean() + predictions / 100, labels, videos, MOSI) == [
        "Collapsed: the predictions, or their signs, hardly vary, and the labels do; compare with the baselines.",
        which,
    ]
    labels = np.where(np.arange(labels.size) == 0, 3.0, np.clip(labels, -2, 2))
    assert notes(predictions, labels, videos, MOSI) == [
        which,
        "No interval for extreme_recall: undefined in more than 5 % of the draws of videos.",
    ]


def test_bad_arguments_are_refused():
    zeros = np.zeros(3)
    with pytest.raises(ValueError, match=r"one video id a segment, 3\. Received: videos=2\. Give"):
        bootstrap_intervals(zeros, zeros, ["a", "b"], MOSI)
    with pytest.raises(ValueError, match=r"Too few draws\. .*Received: draws=0\."):
        bootstrap_intervals(zeros, zeros, list("abc"), MOSI, draws=0)
    for bad in ([0.1, 1.2], [np.nan], [[0.1]]):
        with pytest.raises(
            ValueError, match=r"Not a list of p-values\. Expected numbers in \[0, 1\]\. Received: p_values="
        ):
            holm(bad)
