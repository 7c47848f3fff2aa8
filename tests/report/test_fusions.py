"""Fusion models in a report: their tests against the same features and the words alone, by hand."""

import json

import numpy as np
import pytest
import yaml

from mmtrans.config import Config
from mmtrans.evaluation.uncertainty.bootstrap import holm
from mmtrans.evaluation.uncertainty.seeds import compare_seeds
from mmtrans.grid.variants import Variant
from mmtrans.report.collect import collect
from mmtrans.report.compare import compute
from mmtrans.report.numbers import NONE
from mmtrans.report.render import make_report, to_html
from mmtrans.report.rivals import rivals_table
from mmtrans.runs.phases import phases_of
from tests.report.grids import HASH, describe, segments, write_grid

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


def trained_for(path, parameters, speeds):
    """Writes what a run tells of its only phase."""
    config = Config(**yaml.safe_load((path / "config.yaml").read_text()))
    (phase,) = phases_of(config, HASH)
    history = [{"epoch": e, "valid_loss": 1.0, "segments_per_second": speed} for e, speed in enumerate(speeds, 1)]
    outcome = {"epochs": 3, "stopped_by": "epochs", "epoch": 3, "step": 9, "best_loss": 1.0, "best_epoch": 1}
    outcome |= {"history": history, **({} if parameters is None else {"parameters": parameters})}
    (path / "phases" / phase.name).mkdir(parents=True)
    written = {"key": phase.key, "inherited": None, "finished": True, **outcome}
    (path / "phases" / phase.name / "phase.json").write_text(json.dumps(written))
    environment = json.loads((path / "environment.json").read_text())
    environment["labels"] = {split: {"seen": 100, "all": 100} for split in ("train", "valid")}
    (path / "environment.json").write_text(json.dumps(environment))


def test_sizes_and_seconds_stand_beside_published_numbers(tmp_path):
    recipes = {"T": 1.0, "tfn(T,A)": 0.8, "misa(T,A)": 0.8, "late(T,A)": 0.9, "T->A": 1.0}
    path = write_grid(tmp_path / "grid", describe(recipes, seeds=(0, 1)), segments(), lambda v: recipes[v.recipe])
    for run in (path / "runs").iterdir():
        # Seed 0 needs 4 s an epoch, the median of 50, 25 and 10 segments a second; seed 1 needs 2 s.
        if "to" not in run.name and "late" not in run.name:
            trained_for(
                run, 12345 if "tfn" in run.name else None, (50, 25, 10) if run.name.endswith("0") else (50,) * 3
            )
    table = rivals_table(collect(path))
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(rows) == ["T", "tfn(T,A)", "misa(T,A)", "late(T,A)"]
    assert [row["parameters"] for row in rows.values()] == [NONE, "12,345", NONE, NONE]
    assert [row["s an epoch"] for row in rows.values()] == ["3.00", "3.00", "3.00", NONE]
    assert [rows["tfn(T,A)"][f"published {name}"] for name in ("MAE", "Acc-2 (≠0)")] == [".970", NONE]
    assert rows["misa(T,A)"]["published MAE"] == ".783"
    assert rows["misa(T,A)"]["published with words"] == "BERT, fine-tuned"
    assert rows["late(T,A)"]["published MAE"] == rows["T"]["published MAE"] == NONE


def test_a_grid_without_fusions_has_no_table_of_them(tmp_path):
    path = write_grid(tmp_path / "grid", describe(["T"], seeds=(0,)), segments(), lambda _: 1.0)
    assert rivals_table(collect(path)).rows == []
