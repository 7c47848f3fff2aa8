import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from mmtrans.cli.main import build_parser, main
from mmtrans.data.records import Records
from mmtrans.grid import schedule
from mmtrans.runs.run import Run
from mmtrans.runs.status import is_finished
from mmtrans.system.fence import TOKENS
from tests.cli.test_train import refused


@pytest.fixture(scope="module")
def command(records_dir, flags, tmp_path_factory):
    """The arguments of a grid of two rows."""
    path = tmp_path_factory.mktemp("grid")
    (path / "rows.txt").write_text("T\nT->A  # translates\n")
    (path / "more.yaml").write_text("pooled: {pooling: last}\n")
    out, rows = str(path / "out"), str(path / "rows.txt")
    return ["grid", "--data", str(records_dir), "--out", out, "--recipes", rows, "--seeds", "1", "--jobs", "2", *flags]


def await_files(directory, pattern):
    """Waits until there are files of that pattern."""
    deadline = time.monotonic() + 300
    while not list(directory.glob(pattern)):
        assert time.monotonic() < deadline, pattern
        time.sleep(0.02)


@pytest.fixture(scope="module")
def grid(command):
    """A grid whose workers were killed in the middle of a phase, and then the command, which was given again."""
    out = Path(command[command.index("--out") + 1])
    with subprocess.Popen([sys.executable, "-m", "mmtrans.cli.main", *command], stderr=subprocess.DEVNULL) as process:
        await_files(out, "attempts/*/*.000001/run/phases/*/checkpoints/step-*")
        for worker in psutil.Process(process.pid).children(recursive=True):
            if "spawn_main" in " ".join(worker.cmdline()):
                worker.kill()
        # Others have taken over, and go on from the checkpoint.
        await_files(out, "attempts/*/*.000002/run/phases/*/checkpoints/step-*")
        process.send_signal(signal.SIGKILL)
    assert list(out.glob("attempts/*"))
    assert not list(out.glob("runs/*/metrics.json"))
    assert main(command) == 0
    return out


def predictions(run, split):
    with open(run / "predictions.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


@pytest.mark.slow
def test_a_killed_grid_ends_as_train_would(grid, translation_run, baseline_run):
    for name, expected in (("T_to_A-seed-0", translation_run), ("T-seed-0", baseline_run)):
        run, undisturbed = Run.open(grid / "runs" / name), Run.open(expected)
        # A grid gives the baseline fields of translations too, which nothing of it reads.
        assert (run.config.regressor, run.config.optimisation) == (
            undisturbed.config.regressor,
            undisturbed.config.optimisation,
        )
        for phase in run.phases:
            assert is_finished(run, phase)
            with np.load(run.weights_path(phase)) as left, np.load(undisturbed.weights_path(phase)) as right:
                assert left.files == right.files
                for key in left.files:
                    np.testing.assert_array_equal(left[key], right[key], err_msg=f"{phase.name} {key}")
        assert predictions(run.path, "valid") == predictions(undisturbed.path, "valid")
        assert predictions(run.path, "test")
        metrics, valid = (json.loads((path / "metrics.json").read_text()) for path in (run.path, undisturbed.path))
        assert metrics["valid"] == valid["valid"]
        assert (run.path / "history.csv").is_file()


@pytest.mark.slow
def test_a_grid_directory_is_complete(grid, records_dir):
    assert {entry.name for entry in grid.iterdir()} == {
        *("grid.json", "failures.json", "phases", "runs", "logs", TOKENS),
    }
    description = json.loads((grid / "grid.json").read_text())
    assert (description["recipes"], description["seeds"], description["metric_split"]) == (["T", "T->A"], [0], "test")
    assert description["records"] == str(records_dir)
    assert json.loads((grid / "failures.json").read_text()) == {}
    assert len(list((grid / "phases").iterdir())) == 3
    assert not list(grid.rglob("checkpoints")) + list(grid.rglob("*.partial"))
    run = grid / "runs" / "T_to_A-seed-0"
    assert yaml.safe_load((run / "config.yaml").read_text())["plan"]["recipe"] == "T->A"
    assert len(list(run.glob("logs/*/events.*"))) >= 2
    # What TensorBoard's table of configurations calls it.
    (told,) = run.glob("logs/evaluation/*.test")
    assert b"T_to_A-seed-0 " in told.read_bytes()
    stored = {os.stat(path).st_ino for path in (grid / "phases").glob("*/best/weights.npz")}
    assert {os.stat(path).st_ino for path in run.rglob("weights.npz")} < stored
    assert "best valid loss" in (grid / "logs" / "translation-T_to_A-seed-0.log").read_text()


@pytest.mark.slow
def test_the_same_command_prints_the_result_without_training(grid, command, capsys, monkeypatch):
    monkeypatch.setattr(schedule, "opened", lambda *_: pytest.fail("worked"))
    assert main([*command, "--json"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    result = json.loads(last)
    assert (result["split"], result["failures"]) == ("test", {})
    assert [(row["recipe"], row["seeds"], row["untrained"]) for row in result["rows"]] == [
        *(("T", 1, False), ("T->A", 1, False)),
    ]
    for row, name in zip(result["rows"], ("T-seed-0", "T_to_A-seed-0"), strict=True):
        metrics = json.loads((grid / "runs" / name / "metrics.json").read_text())["test"]
        assert (row["mae"], row["collapsed"]) == (metrics["mae"], int(metrics["collapsed"]))
    assert any("T->A" in line and f"{result['rows'][1]['mae']:.3f}" in line for line in table)


@pytest.mark.slow
def test_a_changed_configuration_is_refused(grid, command, capsys):
    before = (grid / "grid.json").read_text()
    assert "Received: cell: 'lstm' → 'gru', units: 4 → 5 (" in refused(
        [*command, "--units", "5", "--cell", "gru"], capsys
    )
    assert "--epochs may only grow" in refused([*command, "--epochs", "1"], capsys)
    assert (grid / "grid.json").read_text() == before


@pytest.mark.slow
def test_variants_are_added_to_a_grid(grid, command, tmp_path, capsys):
    out = shutil.copytree(grid, tmp_path / "out")
    more = [*command, "--variants", str(Path(command[command.index("--recipes") + 1]).with_name("more.yaml"))]
    more[more.index("--out") + 1] = str(out)
    # In this process: what workers do is seen above.
    assert main([*more, "--jobs", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [(row["recipe"], row["variant"], row["seeds"]) for row in rows] == [
        *(("T", "", 1), ("T->A", "", 1), ("T", "pooled", 1), ("T->A", "pooled", 1)),
    ]
    assert len(list((out / "phases").iterdir())) == 5  # the translation is shared
    assert Run.open(out / "runs" / "T_to_A+pooled-seed-0").config.regressor.pooling == "last"
    assert main(["report", str(out)]) == 0
    assert r"| T->A \[pooled\] |" in (out / "report.md").read_text()


def test_label_fractions_add_a_run_each(small_dir, tmp_path, capsys, monkeypatch):
    planned = []

    def plan_only(grid, options, quiet, era):
        planned.append({row.run_name(0): grid.config_of(row).plan.label_fraction for row in grid.rows()})
        return {}

    monkeypatch.setattr("mmtrans.grid.complete.run_grid", plan_only)
    (tmp_path / "rows.txt").write_text("T\n")
    command = [
        "grid",
        "--data",
        str(small_dir),
        "--out",
        str(tmp_path / "out"),
        "--recipes",
        str(tmp_path / "rows.txt"),
    ]
    assert main([*command, "--seeds", "1", "--label-fractions", "0.5,1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [(row["recipe"], row["label_fraction"], row["seeds"]) for row in rows] == [("T", 1.0, 0), ("T", 0.5, 0)]
    # Another share is added to those that are there.
    assert main([*command, "--seeds", "1", "--label-fractions", "0.25"]) == 0
    assert "T, 25 % of the labels" in capsys.readouterr().out
    assert planned == [
        {"T-seed-0": 1.0, "T-labels-0.5-seed-0": 0.5},
        {"T-seed-0": 1.0, "T-labels-0.5-seed-0": 0.5, "T-labels-0.25-seed-0": 0.25},
    ]
    assert json.loads((tmp_path / "out" / "grid.json").read_text())["label_fractions"] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variants", "nowhere.yaml"], "There is no variant file at nowhere.yaml."),
        (["--init", "nowhere"], "No run there."),
        (["--seeds", "0"], "--seeds is out of range. Expected at least 1. Received: seeds=0."),
        (["--jobs", "0"], "--jobs is out of range."),
        (["--label-fractions", "0.5,nan"], "label_fraction is out of range."),
        (["--label-fractions", "0.5,0"], "label_fraction is out of range."),
        (["--recipes", "nowhere"], "There is no list of recipes at nowhere."),
        (["--recipes", "paper"], "The records have no video."),
        (["--data", "nowhere"], "No records here."),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(small_dir, tmp_path, capsys, options, message):
    command = ["grid", "--data", small_dir, "--out", tmp_path / "out", *options]
    assert message in refused(command, capsys)
    assert not (tmp_path / "out").exists()


def test_the_flags_of_varied_fields_are_the_grids_own(tmp_path, capsys):
    for flag in ("--recipe", "--seed", "--label-fraction"):
        with pytest.raises(SystemExit) as caught:
            main(["grid", "--data", "r", "--out", "o", flag, "1"])
        assert caught.value.code == 2
        assert flag in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["grid", "--data", "r", "--out", "o", "--label-fractions", "half"])
    assert "expected shares such as 0.1,0.25, received 'half'" in capsys.readouterr().err


def test_seeds_are_a_number_or_a_list(capsys):
    parser = build_parser("grid")
    seeds = lambda text: parser.parse_args(["grid", "--data", "d", "--out", "o", "--seeds", text]).seeds  # noqa: E731
    assert [seeds(text) for text in ("2", "0,3", "7,", "3,3,1")] == [(0, 1), (0, 3), (7,), (3, 1)]
    for text in ("a", "1,b", "1.5"):
        with pytest.raises(SystemExit):
            seeds(text)
        assert f"expected a number or a list such as 0,3, received '{text}'" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"--seeds is out of range. Expected at least 0. Received: seeds=-1"):
        seeds("1,-1")


def test_a_dry_run_tells_the_trainings_and_makes_nothing(records_dir, tmp_path, flags, capsys):
    out = tmp_path / "grid"
    command = ["grid", "--data", str(records_dir), "--out", str(out), "--recipes", "T,T->A", "--seeds", "0,3", *flags]
    assert main([*command, "--dry-run", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line[3:] for line in lines[:2]] == ["translation T->A, seed 0", "translation T->A, seed 3"]
    assert {line[3:] for line in lines[2:6]} == {f"{name}, seed {seed}" for name in ("T", "T->A") for seed in (0, 3)}
    assert lines[6:] == [
        "6 of 6 trainings are left.",
        "How long they take is told once a training of this grid is done.",
    ]
    assert json.loads(last) == {"left": [line[3:] for line in lines[:6]], "trainings": 6, "minutes": None}
    assert not out.exists()


def test_a_dry_run_tells_how_long_by_what_is_done(records_dir, tmp_path, baseline_flags, capsys):
    out = tmp_path / "grid"
    command = ["grid", "--data", str(records_dir), "--out", str(out), "--recipes", "T,A", *baseline_flags]
    command += ["--seeds", "1"]
    assert main([*command[:6], "T", *command[7:]]) == 0
    (status,) = out.glob("phases/*/phase.json")
    content = json.loads(status.read_text())
    segments = Records.open(records_dir).count("train")
    for row in content["history"]:
        row["segments_per_second"] = segments / 90
    status.chmod(0o644)
    status.write_text(json.dumps(content))
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # Two epochs of 90 s.
    assert lines == [
        "1. A, seed 0",
        "1 of 2 trainings are left.",
        "At most 3 minutes, as fast as those that are done, in 1 at a time; patience may end them earlier.",
    ]
