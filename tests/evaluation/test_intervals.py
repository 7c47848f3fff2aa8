"""What 95 % intervals promise: coverage on simulated corpora; and their edges."""

import numpy as np
import pytest

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.uncertainty.bootstrap import bootstrap_intervals, draw_weights, estimate_metrics
from mmtrans.evaluation.uncertainty.intervals import CORRELATION, ERROR, SHARE, Estimate, t_interval, t_intervals
from tfrecords.schema import LabelScale

MOSI = LabelScale("sentiment", -3.0, 3.0, 0.0)
LIKERT = LabelScale("persuasion", 1.0, 7.0, 4.0)

MEASURED, CORPORA = ("mae", "acc2_has0", "pearson"), 2000


def simulate(rng, num_videos, is_even):
    """Predictions, labels and video numbers: segments of a video share some of their label and of their error, and
    where videos are not even, their errors differ in size."""
    videos = np.repeat(np.arange(num_videos), rng.integers(15, 30, num_videos))

    def vary(by_video, by_segment):
        return by_video * rng.normal(size=num_videos)[videos] + by_segment * rng.normal(size=videos.size)

    labels = np.clip(0.1 + vary(0.75, 1.35), -3, 3)
    size = np.ones(num_videos) if is_even else np.exp(0.5 * rng.normal(size=num_videos))
    return 0.6 * labels + size[videos] * vary(0.45, 0.9), labels, videos


def truth_of(is_even):
    """The three metrics over very many videos."""
    predictions, labels, _ = simulate(np.random.default_rng(99), 30_000, is_even)
    same_side = (predictions >= 0) == (labels >= 0)
    return np.abs(predictions - labels).mean(), same_side.mean(), np.corrcoef(predictions, labels)[0, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("num_videos", "is_even", "least"), [(10, 1, 0.9), (10, 0, 0.9), (14, 1, 0.93), (14, 0, 0.9)])
def test_intervals_of_one_run_cover_what_they_promise(num_videos, is_even, least):
    """Percentiles of the same draws cover too little in each of these cells."""
    rng, truth = np.random.default_rng([3, num_videos, is_even]), truth_of(is_even)
    weights, covered, by_percentiles = list(draw_weights(num_videos, 400, 0)), np.zeros(3), np.zeros(3)
    for _ in range(CORPORA):
        estimates = estimate_metrics(*simulate(rng, num_videos, is_even), num_videos, MOSI, weights)
        intervals = t_intervals(estimates)
        for k, name in enumerate(MEASURED):
            low, high = intervals[name]
            covered[k] += low <= truth[k] <= high
            low, high = np.percentile(estimates[name].drawn, [2.5, 97.5])
            by_percentiles[k] += low <= truth[k] <= high
    assert (covered / CORPORA >= least).all(), covered / CORPORA
    assert (covered / CORPORA <= 0.99).all(), covered / CORPORA
    assert (by_percentiles / CORPORA < 0.93).all(), by_percentiles / CORPORA


@pytest.mark.slow
def test_coverage_by_videos_and_its_lack_by_segments():
    rng = np.random.default_rng(11)
    truth = np.sqrt(2 / np.pi)  # mean |N(0, 1)|
    covered = np.zeros(2)
    for _ in range(150):
        shared = np.repeat(rng.normal(size=40), 15)
        labels = np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.normal(size=600)
        for way, videos in enumerate((np.repeat(np.arange(40), 15), np.arange(600))):
            low, high = bootstrap_intervals(np.zeros(600), labels, videos, LIKERT, draws=300)["mae"]
            covered[way] += low <= truth <= high
    by_video, by_segment = covered / 150
    assert 0.88 <= by_video <= 0.99
    assert by_segment < 0.8


def test_a_metric_at_the_end_of_its_range_stays_within():
    videos, labels = np.repeat(np.arange(12), 4), np.tile([-2.0, -1.0, 1.0, 3.0], 12)
    perfect = bootstrap_intervals(labels.copy(), labels, videos, MOSI, draws=200)
    assert (perfect["mae"], perfect["acc2_non0"]) == ((0.0, 0.0), (1.0, 1.0))
    assert perfect["pearson"] == pytest.approx((1.0, 1.0), abs=1e-5)
    # One video of twelve is predicted badly.
    almost = bootstrap_intervals(np.where(videos == 5, -labels, labels), labels, videos, MOSI, draws=200)
    for name in METRICS:
        low, high = almost[name]
        assert -1 <= low <= high
        assert high <= 1 or name == "mae"
        assert low >= 0 or name == "pearson"


@pytest.mark.parametrize("scale", [ERROR, CORRELATION, SHARE])
def test_scales_lead_back(scale):
    values = np.array([0.0, 0.2, 0.7, 0.999])
    np.testing.assert_allclose(scale.back(scale.there(values)), values, atol=1e-12)


def test_what_is_undefined_has_no_interval():
    seeds, drawn, left_out = np.array([0.5]), np.linspace(0.4, 0.6, 100), np.linspace(0.48, 0.52, 12)
    low, high = t_interval(Estimate(seeds, drawn, left_out), SHARE)
    assert low < 0.5 < high
    few = np.where(np.arange(100) < 6, np.nan, drawn)
    assert t_interval(Estimate(seeds, few, left_out), SHARE) == (None, None)
    assert t_interval(Estimate(np.array([np.nan]), drawn, left_out), SHARE) == (None, None)
    # Five of a hundred draws are left out.
    fewer = np.where(np.arange(100) < 5, np.nan, drawn)
    assert None not in t_interval(Estimate(seeds, fewer, left_out), SHARE)
