"""What earlier versions wrote stays readable: records, runs, a grid, a search, an export; see `earlier/README.md`."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from mmtrans.cli.main import main

EARLIER = Path(__file__).parent / "earlier"
RUNS = sorted(path.name for path in (EARLIER / "runs").iterdir())


def records_of(run):
    """The records that an earlier run was trained on."""
    environment = json.loads((EARLIER / "runs" / run / "environment.json").read_text(encoding="utf-8"))
    return EARLIER / Path(environment["records"]).name


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["records-aligned", "records-unaligned"])
def test_records_are_whole(name, capsys):
    assert main(["inspect", str(EARLIER / name), "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["splits"]["train"]["segments"] == 16


@pytest.mark.parametrize("name", RUNS)
def test_a_run_predicts_what_it_predicted(name, tmp_path, capsys):
    run = shutil.copytree(EARLIER / "runs" / name, tmp_path / name)
    assert main(["evaluate", str(run), "--data", str(records_of(name)), "--json"]) == 0
    before = json.loads((EARLIER / "runs" / name / "metrics.json").read_text(encoding="utf-8"))["test"]
    now = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert now["mae"] == pytest.approx(before["mae"], abs=1e-6)
    if "r2" in before.get("translation", {}) and "perplexity" not in before["translation"]:
        # Of tokens other ones may be decoded: earlier versions could write the mark that begins a sequence.
        assert now["translation"]["r2"] == pytest.approx(before["translation"]["r2"], abs=1e-5)
    for was, is_now in zip(
        rows_of(EARLIER / "runs" / name / "predictions.csv"), rows_of(run / "predictions.csv"), strict=True
    ):
        assert {**is_now, "prediction": None} == {**was, "prediction": None}
        assert float(is_now["prediction"]) == pytest.approx(float(was["prediction"]), abs=1e-5)


@pytest.mark.parametrize("model", ["runs/unaligned", "export"])
def test_an_earlier_model_predicts_what_it_predicted(model, tmp_path):
    out = tmp_path / "predict.csv"
    assert main(["predict", str(EARLIER / model), str(EARLIER / "corpus-unaligned"), "--out", str(out)]) == 0
    for was, is_now in zip(rows_of(EARLIER / "expected/predict.csv"), rows_of(out), strict=True):
        assert is_now["id"] == was["id"]
        assert float(is_now["score"]) == pytest.approx(float(was["score"]), abs=1e-5)


def test_an_earlier_grid_is_reported(tmp_path):
    grid = shutil.copytree(EARLIER / "grid", tmp_path / "grid")
    assert main(["report", str(grid)]) == 0
    assert "T-&gt;A" in (grid / "report.html").read_text(encoding="utf-8")
