"""Intervals and tests over videos and seeds: against literal loops, and by what they promise on simulated data."""

import numpy as np
import pytest
from scipy import stats

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.uncertainty.bootstrap import bootstrap_intervals
from mmtrans.evaluation.uncertainty.seeds import compare_seeds, draw_seeds, seed_intervals
from tfrecords.schema import LabelScale

MOSI = LabelScale("sentiment", -3.0, 3.0, 0.0)


def labelled(rng, num_videos=12, per_video=6, num_seeds=3):
    """Predictions `(seeds, n)`, labels and videos."""
    videos = np.repeat([f"v{i:02}" for i in range(num_videos)], per_video)
    labels = np.clip(np.round(rng.normal(0, 2.5, videos.size) * 5) / 5, -3, 3)
    return labels + rng.normal(0, 1, (num_seeds, videos.size)), labels, videos


def model(rng, num_seeds, num_videos, per_video, mean=0.0, by_seed=0.05):
    """Errors `(seeds, n)` of one model: its own deviation in each video, each seed, and each seed and video."""
    by_video = rng.normal(0, 0.3, num_videos) + rng.normal(0, 0.15, (num_seeds, num_videos))
    noise = rng.normal(0, 0.5, (num_seeds, num_videos * per_video))
    return mean + np.repeat(by_video, per_video, axis=1) + rng.normal(0, by_seed, (num_seeds, 1)) + noise


def test_the_interval_of_a_mean_over_seeds_by_hand():
    """MAE: two sources of variance, one without each video, one between the seeds, and Satterthwaite's freedom."""
    predictions, labels, videos = labelled(np.random.default_rng(1))
    predictions[1] += 0.4
    errors = np.abs(predictions - labels)
    left_out = np.sqrt([errors[:, videos != name].mean() for name in np.unique(videos)])
    by_video = 11 / 12 * np.sum((left_out - left_out.mean()) ** 2)
    by_seed = np.var(np.sqrt(errors.mean(axis=1)), ddof=1) / 3
    freedom = (by_video + by_seed) ** 2 / (by_video**2 / 11 + by_seed**2 / 2)
    reach = stats.t(freedom).ppf(0.975) * np.sqrt(by_video + by_seed)
    expected = [(np.sqrt(errors.mean()) + end) ** 2 for end in (-reach, reach)]
    # A single draw has no variance.
    assert seed_intervals(predictions, labels, videos, MOSI, draws=1)["mae"] == pytest.approx(tuple(expected))


def test_each_draw_takes_all_seeds_but_one():
    shares = draw_seeds(5, 2000, 0)
    assert shares.shape == (2000, 5)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares * 4, np.round(shares * 4))
    values = np.array([1.0, 3.0, 4.0, 4.5, 9.0])
    assert np.var(shares @ values) == pytest.approx(values.var(ddof=1) / 5, rel=0.1)
    np.testing.assert_array_equal(draw_seeds(1, 3, 0), np.ones((3, 1)))


def test_one_seed_resamples_videos_alone():
    predictions, labels, videos = labelled(np.random.default_rng(2), num_seeds=1)
    assert seed_intervals(predictions, labels, videos, MOSI, draws=80) == bootstrap_intervals(
        predictions[0], labels, videos, MOSI, draws=80
    )


def test_under_ten_videos_there_is_a_difference_and_nothing_more():
    predictions, labels, videos = labelled(np.random.default_rng(3), num_videos=9)
    assert seed_intervals(predictions, labels, videos, MOSI) == dict.fromkeys(METRICS, (None, None))
    result = compare_seeds(np.abs(predictions), np.abs(predictions) - 0.5, videos)
    assert result.mean == pytest.approx(0.5)
    assert (result.low, result.high, result.p_value) == (None, None, None)


def test_a_seed_without_a_metric_leaves_it_without_an_interval():
    predictions, labels, videos = labelled(np.random.default_rng(5))
    predictions[1] = 0.3
    measured = seed_intervals(predictions, labels, videos, MOSI, draws=50)
    assert measured["pearson"] == (None, None)
    assert None not in measured["mae"]


def test_identical_predictions_are_no_difference():
    rng = np.random.default_rng(6)
    errors, videos = np.abs(rng.normal(size=(3, 120))), np.repeat(np.arange(12), 10)
    result = compare_seeds(errors, errors.copy(), videos, draws=200)
    assert (result.mean, result.p_value) == (0.0, 1.0)
    assert result.low < 0 < result.high  # other seeds would differ
    single = compare_seeds(errors[:1], errors[:1], videos, draws=200)
    assert (single.mean, single.low, single.high, single.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_order_of_the_models_only_changes_the_sign():
    rng = np.random.default_rng(7)
    videos = np.repeat(np.arange(14), 5)
    a, b = model(rng, 2, 14, 5), model(rng, 4, 14, 5, mean=0.2)
    forth, back = compare_seeds(a, b, videos), compare_seeds(b, a, videos)
    assert forth.mean == pytest.approx(a.mean() - b.mean())
    assert back.mean == pytest.approx(-forth.mean)
    assert back.p_value == pytest.approx(forth.p_value, rel=0.25)
    assert (forth.p_value < 0.05) == (forth.high < 0)


def test_two_errors_are_told():
    videos = np.repeat(np.arange(10), 2)
    with pytest.raises(ValueError, match=r"models and the videos differ in segments\. Expected 20 .* sizes=\[19\]"):
        compare_seeds(np.ones((2, 20)), np.ones((1, 19)), videos)
    with pytest.raises(ValueError, match="Too few draws"):
        compare_seeds(np.ones((2, 20)), np.ones((1, 20)), videos, draws=0)


@pytest.mark.slow
@pytest.mark.parametrize(("num_seeds", "num_videos"), [(1, 12), (2, 12), (5, 31)])
def test_size_under_the_null_and_power(num_seeds, num_videos):
    rng = np.random.default_rng(num_seeds)
    videos = np.repeat(np.arange(num_videos), 8)
    by_seed = 0.0 if num_seeds == 1 else 0.1

    def rejections(shift, times):
        found = 0
        for _ in range(times):
            a, b = (model(rng, num_seeds, num_videos, 8, mean, by_seed) for mean in (shift, 0.0))
            found += compare_seeds(a, b, videos, draws=300).p_value <= 0.05
        return found / times

    assert 0.015 <= rejections(0.0, 300) <= 0.09
    assert rejections(0.8, 40) >= 0.9


@pytest.mark.slow
def test_coverage_needs_videos_and_seeds():
    """The mean error of a model over all videos and seeds: intervals by segments miss it far too often."""
    rng = np.random.default_rng(11)
    scale = LabelScale("persuasion", 1.0, 7.0, 4.0)
    truth, per_video = 5.0, 15
    covered = np.zeros(2)
    for _ in range(200):
        errors = truth + np.repeat(rng.normal(0, 0.5, 20), per_video) + rng.normal(0, 0.1, (4, 1))
        errors = errors + rng.normal(0, 0.5, (4, 20 * per_video))  # all positive: the MAE is their mean
        labels = np.zeros(errors.shape[1])
        for way, videos in enumerate((np.repeat(np.arange(20), per_video), np.arange(labels.size))):
            predictions = errors if way == 0 else errors[:1]
            low, high = seed_intervals(predictions, labels, videos, scale, draws=200)["mae"]
            covered[way] += low <= truth <= high
    by_video, by_segment = covered / 200
    assert 0.88 <= by_video <= 0.99
    assert by_segment < 0.7
