"""What earlier versions wrote stays readable: records, runs, a grid, a search, an export."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from mmtrans.cli.main import main
from tests.earlier import EARLIER, SETS

RUNS = [
    path.relative_to(EARLIER.parent)
    for made in (*SETS.values(), EARLIER.parent / "9a141c4")
    for path in sorted((made / "runs").iterdir())
]

#: Of both searches.
SEARCH = ["--recipe", "T", "--units", "3", "--regressor-units", "5", "--no-bidirectional", "--epochs", "2", "--quiet"]


@pytest.fixture(params=SETS)
def made(request):
    """What a commit made."""
    return SETS[request.param]


def records_of(run):
    """The records that an earlier run was trained on."""
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    name = Path(environment["records"]).name
    return next(made / name for made in (run.parents[1], SETS["0b98694"]) if (made / name).is_dir())


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["records-aligned", "records-unaligned"])
def test_records_are_whole(made, name, capsys):
    assert main(["inspect", str(made / name), "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["splits"]["train"]["segments"] == 16


@pytest.mark.parametrize("path", RUNS, ids=str)
def test_a_run_predicts_what_it_predicted(path, tmp_path, capsys):
    earlier = EARLIER.parent / path
    run = shutil.copytree(earlier, tmp_path / path.name)
    assert main(["evaluate", str(run), "--data", str(records_of(earlier)), "--json"]) == 0
    before = json.loads((earlier / "metrics.json").read_text(encoding="utf-8"))["test"]
    now = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert now["mae"] == pytest.approx(before["mae"], abs=1e-6)
    if "r2" in before.get("translation", {}) and "perplexity" not in before["translation"]:
        # Of tokens other ones may be decoded: earlier versions could write the mark that begins a sequence.
        assert now["translation"]["r2"] == pytest.approx(before["translation"]["r2"], abs=1e-5)
    for was, is_now in zip(rows_of(earlier / "predictions.csv"), rows_of(run / "predictions.csv"), strict=True):
        assert {**is_now, "prediction": None} == {**was, "prediction": None}
        assert float(is_now["prediction"]) == pytest.approx(float(was["prediction"]), abs=1e-5)


@pytest.mark.parametrize("model", ["runs/unaligned", "export"])
def test_an_earlier_model_predicts_what_it_predicted(made, model, tmp_path):
    out = tmp_path / "predict.csv"
    assert main(["predict", str(made / model), str(EARLIER / "corpus-unaligned"), "--out", str(out)]) == 0
    for was, is_now in zip(rows_of(made / "expected/predict.csv"), rows_of(out), strict=True):
        assert is_now["id"] == was["id"]
        assert float(is_now["score"]) == pytest.approx(float(was["score"]), abs=1e-5)


def test_an_earlier_grid_is_reported(made, tmp_path):
    grid = shutil.copytree(made / "grid", tmp_path / "grid")
    assert main(["report", str(grid)]) == 0
    assert "T-&gt;A" in (grid / "report.html").read_text(encoding="utf-8")


def test_an_earlier_search_is_finished(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmtrans.search.complete.plot_parameters", lambda search, trials: None)
    monkeypatch.setattr("mmtrans.search.tuner.Tuner.run_trial", lambda self, trial: pytest.fail("A trial was run."))
    search = shutil.copytree(made / "search", tmp_path / "search")
    argv = ["tune", "--data", str(made / "records-aligned"), "--out", str(search), "--trials", "2", *SEARCH, "--json"]
    assert main(argv) == 0
    best = json.loads(capsys.readouterr().out.splitlines()[-1])["best"]
    assert best["value"] == min(float(row["mae"]) for row in rows_of(made / "search/trials.csv"))
