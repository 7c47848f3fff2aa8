import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmtrans.cli.main import main
from mmtrans.config.files import load_yaml
from mmtrans.evaluation import evaluate as evaluation
from mmtrans.runs.run import Run
from mmtrans.search.work import Trainer, Training
from mmtrans.system.lease import held
from tests.cli.test_train import refused
from tests.search.test_cluster import free_port

ROOT = Path(__file__).resolve().parents[2]
SPACE = {"regressor_units": [4, 6], "learning_rate": {"low": 1e-3, "high": 3e-2, "sampling": "log"}}


@pytest.fixture
def command(small_dir, baseline_flags, tmp_path):
    """A search over a baseline, without its tuner and trials."""
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE))
    return [
        *("tune", "--data", str(small_dir), "--out", str(tmp_path / "out"), "--recipe", "T"),
        *("--space", str(tmp_path / "space.yaml"), *baseline_flags[2:]),
    ]


@pytest.mark.slow
def test_the_best_configuration_gives_its_value_again(command, small_dir, tmp_path, capsys, monkeypatch):
    for name in ("plot_split", "_plot_history"):
        monkeypatch.setattr(evaluation, name, lambda *_: None)
    # 3 trials of 1 epoch, of which the best goes on for 3.
    argv = [*command, "--tuner", "hyperband", "--epochs", "3", "--trials", "4", "--json"]
    assert main(argv) == 0
    out = tmp_path / "out"
    *table, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert (result["objective"], result["trials"], result["failures"]) == ("mae", 4, {})
    assert [row.split()[3] for row in table if row.split()[1:2] in (["trial"], ["mae"])] == [
        result["best"]["trial"],
        f"{result['best']['value']:.4f}",
    ]
    promoted = json.loads((out / "trials" / "0003" / "trial.json").read_text())
    run = Run.open(out / "trials" / promoted["origin"] / "seed-0")
    assert promoted["origin"] != "0003"
    assert run.config.optimisation.epochs == promoted["max_epochs"] == 3
    # What TensorBoard's table of configurations calls it.
    (told,) = run.path.glob("logs/evaluation/*.valid")
    assert f"{promoted['origin']}/seed-0 ".encode() in told.read_bytes()
    # Its first epoch is the one of before: step 3 is of 20 segments by 32, once an epoch.
    assert json.loads((run.phase_dir(run.phases[0]) / "phase.json").read_text())["step"] == 3
    assert (out / "plots" / "parameters.png").is_file()
    best = load_yaml(out / "best.yaml")
    assert {name: best[name] for name in SPACE} == result["best"]["parameters"]
    argv = ["train", "--data", str(small_dir), "--config", str(out / "best.yaml"), "--run", str(tmp_path / "run")]
    assert main([*argv, "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["mae"] == result["best"]["value"]


def test_the_test_split_cannot_be_read(command, tmp_path, capsys, monkeypatch):
    """A training that asks for test is a trial that failed, and a search in which all fail exits with 1."""
    asked = []

    def train(run, records):
        asked.append(records.splits)
        records.labels("test")

    monkeypatch.setattr("mmtrans.training.train.train", train)
    assert main([*command, "--tuner", "random", "--trials", "2", "--json"]) == 1
    assert asked == [("train", "valid")] * 2
    out = capsys.readouterr().out
    assert "Failed: trial 0001: This split may not be read here." in out
    result = json.loads(out.splitlines()[-1])
    assert result["best"] is None
    assert list(result["failures"]) == ["0000", "0001"]
    rows = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert all(",failed," in row and "Received: split='test'" in row for row in rows[1:])
    assert not (tmp_path / "out" / "best.yaml").exists()


def test_an_undefined_objective_is_a_failure(command, small_dir, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("mmtrans.training.train.train", lambda run, records: None)
    undefined = {"pearson": None, "notes": ["No correlation: predictions or labels are constant."]}
    monkeypatch.setattr("mmtrans.evaluation.evaluate.evaluate_sentiment", lambda *_, **__: undefined)
    # Both go to a worker process.
    trainer, training = pickle.loads(
        pickle.dumps((Trainer(tmp_path, "pearson"), Training("0000/seed-0", tiny(), small_dir, None)))
    )
    trainer.clear()
    with pytest.raises(ValueError, match=r"The objective is undefined\. .*pearson=None .*No correlation"):
        trainer(training)


def test_records_that_were_replaced_meanwhile_train_nothing(small_dir, tiny, tmp_path):
    trainer = Trainer(tmp_path, "mae", manifest_hash="ab" * 32)
    trainer.clear()
    with pytest.raises(ValueError, match=r"The search's records are others by now\. Expected manifest abababababab\."):
        trainer(Training("0000/seed-0", tiny(), small_dir, None))
    assert not list(tmp_path.rglob("config.yaml"))


@pytest.mark.slow
def test_a_chief_and_two_workers_do_each_trial_once(command, tmp_path, capsys, monkeypatch):
    (tmp_path / "space.yaml").write_text(yaml.safe_dump({"regressor_units": [4, 6]}))
    argv = [*command, "--tuner", "grid", "--epochs", "1"]
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(free_port()))
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "mmtrans.cli.main", *argv],
            cwd=ROOT,
            env={**os.environ, "KERASTUNER_TUNER_ID": name},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for name in ("tuner1", "tuner2")
    ]
    try:
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
        assert main(argv) == 0
        errors = [worker.communicate(timeout=180)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], errors
    assert "the best of 2 trials" in capsys.readouterr().out
    assert b"Waits for the chief at 127.0.0.1" in errors[0]
    rows = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["0000", "completed"], ["0001", "completed"]]


def test_the_printed_space_is_a_space_file(tmp_path, capsys):
    argv = ["tune", "--recipe", "T->A", "--units", "8", "--print-space"]
    assert main(argv) == 0
    printed = capsys.readouterr().out
    assert "units" not in yaml.safe_load(printed)
    (tmp_path / "space.yaml").write_text(printed)
    assert main([*argv, "--space", str(tmp_path / "space.yaml")]) == 0
    assert capsys.readouterr().out == printed
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == yaml.safe_load(printed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trials", "0"], "--trials is out of range. Expected at least 1. Received: trials=0."),
        (["--folds-cv", "1"], "--folds-cv is out of range. Expected at least 2."),
        (["--folds-cv", "9"], "Too few videos to fold."),
        (["--seeds-per-trial", "0"], "--seeds-per-trial is out of range."),
        (["--seed", "2147483646", "--seeds-per-trial", "3"], "Expected --seed up to 2147483645, as the last of 3 is"),
        (["--metric", "loss"], "No such metric. Expected one of ['mae', 'pearson',"),
        (["--objective", "joint"], "Received: objective='joint' (T translates nothing). Leave --objective out."),
        (["--units", "5"], "Received: units=5 (T translates nothing). Leave --units out."),
        (["--recipe", "V"], "The records have no video."),
        (["--tuner", "grid"], "A grid needs values that can be listed."),
        (["--regressor-units", "5"], "These are both searched and fixed."),
        (["--space", "nowhere.yaml"], "There is no space file at nowhere.yaml."),
        (["--data", "nowhere"], "No records here."),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(command, tmp_path, capsys, options, message):
    assert message in refused([*command, *options], capsys)
    assert not (tmp_path / "out").exists()


def test_the_second_search_in_a_place_names_the_first_and_makes_nothing(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmtrans.system.lease.GRACE_SECONDS", 0.1)
    with held(tmp_path / "out"):
        message = refused(command, capsys)
        assert f"Expected one at a time. Received: out={tmp_path / 'out'}, held by process {os.getpid()} on" in message
    assert not (tmp_path / "out").exists()


def test_other_files_and_flags_that_are_missing(command, tmp_path, capsys):
    assert "Flags are missing. Expected --data RECORDS" in refused(["tune", "--out", "o"], capsys)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    assert "No search there, and not empty." in refused(command, capsys)
