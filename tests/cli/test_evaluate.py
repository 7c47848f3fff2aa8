import json
import os
import shutil

import pytest

from mmtrans.cli.main import main


def refused(argv, capsys):
    """The one line on stderr of a command that exits with 2."""
    assert main([str(argument) for argument in argv]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("mmtrans: ")
    return captured.err


@pytest.fixture
def run(baseline_run, tmp_path):
    """A copy of a finished baseline."""
    path = tmp_path / "run"
    shutil.copytree(baseline_run, path)
    return path


def convert_without_test(corpus_dir, directory):
    """Records of the corpus whose test videos are valid ones."""
    folds = json.loads((corpus_dir / "folds.json").read_text())
    path = directory / "folds.json"
    path.write_text(json.dumps({"train": folds["train"], "valid": folds["valid"] + folds["test"]}))
    assert main(["convert", str(corpus_dir), str(directory / "records"), "--folds", str(path)]) == 0
    return str(directory / "records")


def test_it_prints_what_it_writes(run, capsys):
    assert main(["evaluate", str(run), "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    result = json.loads(last, parse_constant=pytest.fail)
    assert result.pop("split") == "test"
    assert json.loads((run / "metrics.json").read_text())["test"] == result
    assert any("T on the test split" in line for line in lines)
    assert lines[-1] == f"Written: {run}/metrics.json, predictions.csv and plots/."


def test_valid_stands_in_where_there_is_no_test_fold(run, corpus_dir, tmp_path, capsys):
    records = convert_without_test(corpus_dir, tmp_path)
    capsys.readouterr()
    before = json.loads((run / "metrics.json").read_text())
    assert main(["evaluate", str(run), "--data", records, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "mmtrans: the records have no test fold; the valid split stands in.\n"
    assert json.loads(captured.out.splitlines()[-1])["split"] == "valid"
    assert json.loads((run / "metrics.json").read_text()).keys() == before.keys() == {"valid"}


def test_records_of_another_width_are_refused(run, small_dir, capsys):
    before = (run / "metrics.json").read_bytes()
    message = refused(["evaluate", run, "--data", small_dir], capsys)
    assert "Expected 300 columns of text. Received: dim=3" in message
    assert (run / "metrics.json").read_bytes() == before


def test_records_without_train_labels_are_explained(run, corpus_dir, tmp_path, capsys):
    everything = [video for fold in json.loads((corpus_dir / "folds.json").read_text()).values() for video in fold]
    (tmp_path / "folds.json").write_text(json.dumps({"test": everything}))
    records = str(tmp_path / "records")
    assert main(["convert", str(corpus_dir), records, "--folds", str(tmp_path / "folds.json")]) == 0
    capsys.readouterr()
    assert "The records have no labelled train split." in refused(["evaluate", run, "--data", records], capsys)


def test_a_corrupt_shard_is_named(run, records_dir, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(records_dir, records)
    shard = sorted(records.glob("*test*"))[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    before = (run / "metrics.json").read_bytes()
    assert f"shards=['{shard.name}']" in refused(["evaluate", run, "--data", records], capsys)
    assert (run / "metrics.json").read_bytes() == before


def test_no_run_and_no_records(run, tmp_path, capsys):
    assert "No run there." in refused(["evaluate", tmp_path / "nowhere"], capsys)
    assert "No records here." in refused(["evaluate", run, "--data", tmp_path / "nowhere"], capsys)


def test_records_that_moved_are_given_by_data(run, records_dir, tmp_path, capsys):
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**environment, "records": str(tmp_path / "gone")}))
    message = refused(["evaluate", run], capsys)
    assert os.path.join(str(tmp_path), "gone") in message
    assert "--data" in message
    assert main(["evaluate", str(run), "--data", str(records_dir), "--split", "valid"]) == 0


def test_curves_are_measured_if_asked_for(run, capsys):
    assert main(["evaluate", str(run), "--split", "valid", "--corrupt", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    result = json.loads(last, parse_constant=pytest.fail)
    assert result.pop("split") == "valid"
    assert json.loads((run / "robustness.json").read_text()) == {"valid": result.pop("robustness")}
    assert json.loads((run / "metrics.json").read_text())["valid"] == result
    assert lines[-1] == f"Written: {run}/metrics.json, predictions.csv, robustness.json, robustness.csv and plots/."
    assert sum("(not read)" in line for line in lines) == 8


def test_several_runs_are_an_ensemble(run, translation_run, tmp_path, capsys):
    before = sorted(run.rglob("*"))
    out = tmp_path / "ensemble"
    argv = ["evaluate", str(run), str(translation_run), "--split", "valid", "--out", str(out), "--json"]
    assert main(argv) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    result = json.loads(last, parse_constant=pytest.fail)
    assert result.pop("split") == "valid"
    assert json.loads((out / "metrics.json").read_text()) == {"valid": result}
    assert [member["recipe"] for member in result["members"]] == ["T", "T->A"]
    assert any("mean of members" in line for line in lines)
    assert lines[-1] == f"Written: {out}/metrics.json, predictions.csv and plots/."
    assert sorted(run.rglob("*")) == before


def test_flags_that_do_not_fit_the_runs_are_refused(run, translation_run, tmp_path, capsys):
    out = tmp_path / "out"
    assert "Expected --out DIR. Received: runs=2, no --out." in refused(["evaluate", run, translation_run], capsys)
    assert "Expected --corrupt with one RUN. Received: runs=2." in refused(
        ["evaluate", run, translation_run, "--out", out, "--corrupt"], capsys
    )
    assert "One run is given twice." in refused(["evaluate", run, run, "--out", out], capsys)
    assert not out.exists()
