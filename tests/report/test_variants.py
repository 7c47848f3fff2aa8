"""Named variants in a report: their rows, and their tests against the plain configuration by hand."""

import csv
import io

import numpy as np
import pytest

from mmtrans.evaluation.uncertainty.bootstrap import holm
from mmtrans.evaluation.uncertainty.seeds import compare_seeds
from mmtrans.grid.variants import Variant
from mmtrans.report.collect import collect
from mmtrans.report.compare import compute
from mmtrans.report.numbers import NONE
from mmtrans.report.render import make_report, to_csv, to_html
from tests.report.grids import describe, segments, write_grid, write_run

VARIANTS = {"joint": {"units": 32}, "wide": {"units": 128, "dropout": 0.1}}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("variants") / "grid"
    description = describe(["T->A", "A->T"], seeds=(0, 1, 2), fractions=[0.5], variants=VARIANTS)
    data = segments()
    write_grid(
        path, description, data, lambda v: 0.3 if v.name == "joint" else 1.2, skip={(Variant("A->T", name="wide"), 0)}
    )
    write_run(path / "runs" / "stranger", Variant("T->A"), 0, data, data[2], units=7)
    return collect(path)


@pytest.fixture(scope="module")
def results(grid):
    return compute(grid, draws=200)


def test_runs_are_grouped_by_their_variant(grid):
    assert len(grid.expected) == 2 * 3 * 2
    assert grid.trained[Variant("A->T", name="wide")].seeds == (1, 2)
    assert grid.trained[Variant("T->A")].seeds == (0, 1, 2)
    assert grid.others == ("stranger",)


def test_each_is_compared_with_the_plain_configuration(grid, results):
    errors = {v: np.abs(t.predictions - t.labels) for v, t in grid.trained.items()}
    named = [variant for variant in grid.trained if variant.name]
    assert list(results.variants) == named
    for variant in named:
        comparison = results.variants[variant]
        plain = Variant(variant.recipe, label_fraction=variant.label_fraction)
        assert comparison.baseline == plain
        expected = compare_seeds(errors[variant], errors[plain], grid.trained[plain].videos, draws=200)
        assert comparison.difference == expected
        assert comparison.difference.mean == pytest.approx(errors[variant].mean() - errors[plain].mean())
    p = [comparison.difference.p_value for comparison in results.variants.values()]
    assert [c.adjusted for c in results.variants.values()] == pytest.approx(holm(p).tolist())
    assert results.variants[Variant("T->A", name="joint")].difference.high < 0


def test_they_are_no_rows_of_the_paper(results):
    assert [row.variant for row in results.whole] == [Variant("T->A"), Variant("A->T")]


def test_they_have_a_table_cells_and_a_sentence(grid, results):
    report = make_report(grid, results)
    table = next(table for table in report.tables if table.title == "Variants")
    assert [row[0] for row in table.rows][:3] == ["T->A [joint]", "A->T [joint]", "T->A [wide]"]
    assert table.rows[-1][0] == "A->T [wide], 50 % of the labels"
    assert "(joint: units=32; wide: units=128, dropout=0.1)" in table.caption
    assert "T-&gt;A [joint]" in to_html(report)
    (sentence,) = [s for s in report.summary if s.startswith("Against the plain configuration")]
    assert "of 8 rows of named variants have a lower error; after Holm's correction 4 are better" in sentence
    rows = {(r["recipe"], r["variant"], r["label_fraction"]): r for r in csv.DictReader(io.StringIO(to_csv(results)))}
    assert len(rows) == 12
    row, comparison = rows["T->A", "joint", "1.0"], results.variants[Variant("T->A", name="joint")]
    assert float(row["plain_mae_difference"]) == comparison.difference.mean
    assert float(row["plain_p_holm"]) == comparison.adjusted
    assert rows["T->A", "", "1.0"]["plain_mae_difference"] == ""
    assert row["paper_binary_f1"] == ""


def test_a_variant_without_its_plain_run_is_not_compared(tmp_path):
    description = describe(["T->A"], variants={"joint": {"units": 32}})
    skip = {(Variant("T->A"), seed) for seed in (0, 1)}
    grid = collect(write_grid(tmp_path / "grid", description, segments(), lambda _: 0.8, skip=skip))
    results = compute(grid, draws=20)
    assert results.variants == {}
    table = next(t for t in make_report(grid, results).tables if t.title == "Variants")
    assert table.rows[0][2:] == [NONE] * 4
