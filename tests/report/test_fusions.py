"""Fusion models in a report: their tests against the same features and the words alone, by hand."""

import numpy as np
import pytest

from mmtrans.evaluation.uncertainty.bootstrap import holm
from mmtrans.evaluation.uncertainty.seeds import compare_seeds
from mmtrans.grid.variants import Variant
from mmtrans.report.collect import collect
from mmtrans.report.compare import compute
from mmtrans.report.render import make_report, to_html
from tests.report.grids import describe, segments, write_grid

NOISE = {"T": 1.0, "concat(T,A)": 0.8, "tfn(A,T)": 0.3, "lmf(T,A)": 1.5, "mult(T,V)": 0.9, "T->A": 0.7}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("fusions") / "grid"
    return collect(write_grid(path, describe(NOISE, seeds=(0, 1, 2)), segments(), lambda v: NOISE[v.recipe]))


@pytest.fixture(scope="module")
def results(grid):
    return compute(grid, draws=200)


def test_each_is_compared_with_the_same_features_and_the_words(grid, results):
    expected = {
        "concat": {"tfn(A,T)": "concat(T,A)", "lmf(T,A)": "concat(T,A)"},
        "text": {"tfn(A,T)": "T", "lmf(T,A)": "T", "mult(T,V)": "T"},
    }
    errors = {v.recipe: np.abs(t.predictions - t.labels) for v, t in grid.trained.items()}
    videos = grid.trained[Variant("T")].videos
    assert {kind: {r: c.baseline.recipe for r, c in f.items()} for kind, f in results.fusions.items()} == expected
    for kind, baselines in expected.items():
        family = results.fusions[kind]
        for recipe, baseline in baselines.items():
            assert family[recipe].difference == compare_seeds(errors[recipe], errors[baseline], videos, draws=200)
        p = [comparison.difference.p_value for comparison in family.values()]
        assert [comparison.adjusted for comparison in family.values()] == pytest.approx(holm(p).tolist())


def test_they_are_no_translations_and_no_baselines(results):
    assert [row.variant.recipe for row in results.translations] == ["T->A"]
    assert set(results.comparisons["concat"]) == {"T->A"}
    assert results.comparisons["concat"]["T->A"].baseline == Variant("concat(T,A)")


def test_they_have_a_table_and_sentences(grid, results):
    report = make_report(grid, results)
    table = next(table for table in report.tables if table.title == "Fusion models against baselines")
    assert [row[0] for row in table.rows] == ["tfn(A,T)", "lmf(T,A)", "mult(T,V)"]
    assert table.rows[0][1].endswith("\nconcat(T,A)")
    text = to_html(report)
    assert "Against the same features, concatenated, 1 of 2 fusion models have a lower error" in text
    assert "Against the words alone, 2 of 3 fusion models have a lower error" in text
