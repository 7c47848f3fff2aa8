import dataclasses
import itertools

import numpy as np
import pytest

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.uncertainty.bootstrap import holm
from mmtrans.evaluation.uncertainty.seeds import compare_seeds, seed_intervals
from mmtrans.recipe import parse
from mmtrans.report.collect import Variant, collect
from mmtrans.report.compare import baseline_of, compute
from tests.report.grids import SCALE, describe, segments, write_grid

NOISE = {"T": 0.5, "concat(A,T)": 0.5, "T->A": 1.2, "A->T": 0.5}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "grid"
    description = describe(NOISE, seeds=(0, 1, 2), controls=True)
    return collect(write_grid(path, description, segments(), lambda v: 1.8 if v.untrained else NOISE.get(v.recipe, 1)))


@pytest.fixture(scope="module")
def results(grid):
    return compute(grid, draws=200)


def test_figures_are_means_deviations_and_intervals_over_seeds(grid, results):
    trained = grid.trained[Variant("T->A")]
    intervals = seed_intervals(trained.predictions, trained.labels, trained.videos, SCALE, draws=200)
    row = results.rows[Variant("T->A")]
    for name in METRICS:
        values = [metrics[name] for metrics in trained.metrics]
        figure = row.figures[name]
        assert (figure.mean, figure.std) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
        assert (figure.low, figure.high) == intervals[name]
    assert row.quality["r2"].mean == pytest.approx(0.4)
    assert results.rows[Variant("T")].quality == {}
    assert (row.seeds, row.segments, row.videos) == ((0, 1, 2), 60, 12)
    assert set(results.trivial) == {"mean", "median", "majority"}


def test_a_metric_undefined_for_a_seed_has_no_mean(grid):
    trained = grid.trained[Variant("T")]
    metrics = tuple(
        {**metrics, "pearson": pearson, "collapsed": collapsed}
        for metrics, pearson, collapsed in zip(trained.metrics, (None, 0.5, 0.5), (True, None, False), strict=True)
    )
    changed = dataclasses.replace(trained, metrics=metrics)
    row = compute(dataclasses.replace(grid, trained={Variant("T"): changed}), draws=20).rows[Variant("T")]
    assert row.figures["pearson"].mean is None
    assert row.collapsed == 1


@pytest.mark.parametrize(
    ("recipe", "kind", "expected"),
    [
        ("T->V", "concat", "concat(V,T)"),
        ("T->V", "source", "T"),
        ("embed(T,A)->V", "concat", "concat(T,V,A)"),
        ("embed(T,A)->V", "source", "T"),
        ("concat(A,T)->concat(T,V)", "concat", "concat(T,V,A)"),
        ("concat(A,T)->concat(T,V)", "source", "concat(A,T)"),
        ("concat(T,A)->V", "source", "concat(T,A)"),
        ("A->V", "concat", None),
        ("V->T", "source", None),
    ],
)
def test_the_baseline_has_the_same_set_of_modalities(recipe, kind, expected):
    names = ("T", "A", "concat(V,T)", "concat(T,V,A)", "concat(A,T)", "concat(T,A)", "T->A")
    distractors = [Variant("T", label_fraction=0.1), Variant("V", label_fraction=0.5)]
    found = baseline_of(kind, parse(recipe), [*distractors, *map(Variant, names)])
    assert found == (None if expected is None else Variant(expected))


def test_the_untrained_control_is_its_own_shape():
    trained = (Variant("T->A"), Variant("T->A", untrained=True), Variant("T->V"))
    assert baseline_of("untrained", parse("T->A"), trained) == Variant("T->A", untrained=True)
    assert baseline_of("untrained", parse("T->V"), trained) is None


def test_comparisons_are_of_absolute_errors_and_holm_is_by_family(grid, results):
    trained = grid.trained
    errors = {v: np.abs(t.predictions - t.labels) for v, t in trained.items()}
    expected = {"concat": "concat(A,T)", "source": {"T->A": "T", "A->T": "A"}}
    for kind, recipe in itertools.product(("concat", "source", "untrained"), ("T->A", "A->T")):
        comparison = results.comparisons[kind][recipe]
        name = recipe if kind == "untrained" else expected[kind] if kind == "concat" else expected[kind][recipe]
        baseline = Variant(name, untrained=kind == "untrained")
        assert comparison.baseline == baseline
        difference = compare_seeds(errors[Variant(recipe)], errors[baseline], trained[baseline].videos, draws=200)
        assert comparison.difference == difference
        mae = [results.rows[v].figures["mae"].mean for v in (Variant(recipe), baseline)]
        assert difference.mean == pytest.approx(mae[0] - mae[1])
    for family in results.comparisons.values():
        p = [c.difference.p_value for c in family.values()]
        assert [c.adjusted for c in family.values()] == pytest.approx(holm(p).tolist())
    worse, better = results.comparisons["source"]["T->A"], results.comparisons["untrained"]["A->T"]
    assert worse.difference.low > 0
    assert better.difference.high < 0
    assert max(worse.adjusted, better.adjusted) < 0.05


def test_only_segments_that_both_scored_are_compared(grid):
    baseline = grid.trained[Variant("T")]
    kept = slice(5, None)
    fewer = dataclasses.replace(
        baseline,
        ids=baseline.ids[kept],
        videos=baseline.videos[kept],
        labels=baseline.labels[kept],
        predictions=baseline.predictions[:, kept],
    )
    results = compute(dataclasses.replace(grid, trained={**grid.trained, Variant("T"): fewer}), draws=20)
    comparison = results.comparisons["source"]["T->A"]
    other = grid.trained[Variant("T->A")]
    expected = (
        np.abs(other.predictions - other.labels)[:, kept].mean() - np.abs(fewer.predictions - fewer.labels).mean()
    )
    assert comparison.segments == 55
    assert comparison.difference.mean == pytest.approx(expected)
    assert results.largest.segments == 60
