"""`mmtrans runs` and `mmtrans compare`: the tables, the CSV file, the JSON."""

import csv
import io
import json
import shutil
import subprocess
import sys

import pytest

from mmtrans.cli.main import main


@pytest.fixture
def runs(baseline_run, translation_run, tmp_path):
    for run in (baseline_run, translation_run):
        shutil.copytree(run, tmp_path / "runs" / run.name)
    return tmp_path / "runs"


def test_the_table_names_recipes_epochs_metrics_and_records(runs, capsys):
    assert main(["runs", str(runs), "--sort", "mae", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    text = "\n".join(lines)
    metrics = json.loads((runs / "baseline" / "metrics.json").read_text())["valid"]
    row = next(line for line in lines if line.strip().startswith("baseline"))
    assert f"{metrics['mae']:.3f}" in row
    assert "2/2 limit" in row
    assert "valid" in row
    assert "finished" in row
    assert "T->A" in text
    assert "csd, the source's own folds: train 4 videos" in text
    rows = json.loads(last)["runs"]
    assert sorted(row["mae"] for row in rows) == [row["mae"] for row in rows]


def test_the_csv_file_has_all_metrics(runs, tmp_path, capsys):
    assert main(["runs", str(runs), "--csv", "-"]) == 0
    first = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["recipe"] for row in first] == ["T", "T->A"]
    assert {"f1_non0", "acc7_low", "ended_by", "manifest", "test_segments"} <= first[0].keys()
    assert main(["runs", str(runs), "--csv", str(tmp_path / "runs.csv")]) == 0
    assert list(csv.DictReader((tmp_path / "runs.csv").open())) == first


def test_a_damaged_run_is_named_and_the_others_are_shown(runs, capsys):
    (runs / "baseline" / "config.yaml").write_text("[")
    assert main(["runs", str(runs)]) == 0
    out, err = capsys.readouterr()
    assert "translation" in out
    assert f"Left out: {runs / 'baseline'}: " in err


def test_where_there_is_no_run(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 0
    assert f"No runs in {tmp_path}." in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "gone")]) == 2
    assert main(["runs", str(tmp_path), "--sort", "colour"]) == 2
    assert "Expected one of run, recipe, seed" in capsys.readouterr().err


def test_two_runs_are_compared(runs, capsys):
    assert main(["compare", str(runs / "baseline"), str(runs / "translation"), "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    assert found["fields"]["recipe"] == ["T", "T->A"]
    mae = found["metrics"]["mae"]
    assert mae["difference"]["mean"] == pytest.approx(mae["a"] - mae["b"])
    assert any(f"{mae['a'] - mae['b']:+.3f}" in line for line in lines)
    assert "Note: no intervals and no tests under 10 videos." in lines


def test_one_run_is_no_pair(runs, capsys):
    assert main(["compare", str(runs / "baseline")]) == 2
    assert "One run alone. Expected two." in capsys.readouterr().err


def test_neither_needs_tensorflow():
    code = "import sys, mmtrans.report.listing, mmtrans.report.pair; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
