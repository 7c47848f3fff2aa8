"""One training loop: on one device, two of one process, two processes; killed, and started again."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.cli.main import main
from tests.conftest import FLAGS

ROOT = Path(__file__).resolve().parents[2]

#: Nothing random but the order; clipping is active; 23 or 20 segments by 19, so that last shares are uneven or empty.
EXACT = [
    *("--dropout", "0", "--regressor-dropout", "0", "--feature-sampling", "0", "--clip-norm", "0.1"),
    *("--batch-size", "19", "--checkpoint-minutes", "0"),
]


def arguments_of(small_dir, run, recipe, *more):
    return ["train", "--data", str(small_dir), "--run", str(run), "--recipe", recipe, *EXACT, *FLAGS, *more]


def run_command(arguments):
    command = [sys.executable, "-m", "mmtrans.cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def one_device(small_dir, tmp_path_factory):
    """`recipe →` its run on one device."""
    directory = tmp_path_factory.mktemp("runs")

    def train(recipe):
        run = directory / recipe.replace(">", "")
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(arguments_of(small_dir, run, recipe)) == 0
        return run

    return train


def columns_of(run):
    """Columns of history.csv that are the same wherever it was trained, `(epochs of all phases,)` floats each."""
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("loss", "valid_loss", "learning_rate", "gradient_norm")
    return {name: [float(row[name]) for row in rows] for name in names}


def assert_same_training(run, other):
    left, right = columns_of(run), columns_of(other)
    assert min(left["gradient_norm"]) > 0.1  # clipped
    for name, values in left.items():
        np.testing.assert_allclose(right[name], values, rtol=1e-5, err_msg=name)
    for path in sorted(run.glob("phases/*/best/weights.npz")):
        with np.load(path) as expected, np.load(other / path.relative_to(run)) as received:
            assert expected.files == received.files
            for name in expected.files:
                np.testing.assert_allclose(received[name], expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_two_devices_of_one_process_equal_one(one_device, small_dir, tmp_path):
    done = run_command(arguments_of(small_dir, tmp_path / "run", "T->A", "--strategy", "mirrored", "--workers", "2"))
    assert (done.returncode, done.stderr) == (0, "")
    assert_same_training(one_device("T->A"), tmp_path / "run")


@pytest.mark.slow
def test_what_each_replica_gets():
    command = [sys.executable, "-m", "tests.training.replicas"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    three, one, none, seeds = map(json.loads, done.stdout.splitlines())
    # Every second row, trimmed to the longest of them.
    assert three == {
        "source": [[[[1.0], [1.0]], [[1.0], [0.0]]], [[[1.0], [1.0], [1.0], [1.0]]]],
        "source_length": [[2, 1], [4]],
        "label": [[0.0, 2.0], [1.0]],
        "target": [[[1, 1], [1, 0]], [[1, 1, 1, 1]]],
        "target_length": [[2, 1], [4]],
    }
    filling = {"source": [[[0.0]]], "source_length": [1], "target": [[0]], "target_length": [0]}
    for name, values in filling.items():
        assert one[name][1] == values
        assert none[name] == [values] * 2
    assert one["label"][0] == [0.0]
    assert all(np.isnan(label) for label in (one["label"][1], *none["label"]))
    assert seeds[0] != seeds[1]


def children_of(pid):
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def is_alive(pid):
    """Whether a process runs; one that is dead and not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the workers")
def test_two_processes_equal_one_also_after_one_was_killed(one_device, small_dir, tmp_path):
    run = tmp_path / "run"
    arguments = arguments_of(small_dir, run, "T", "--strategy", "multiworker", "--workers", "2")
    command = [sys.executable, "-m", "mmtrans.cli.main", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as launcher:
        deadline = time.monotonic() + 180
        while not list(run.glob("phases/*/checkpoints/step-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        chief, worker = sorted(children_of(launcher.pid))
        os.kill(worker, signal.SIGKILL)
        out, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    assert out == ""
    assert "mmtrans: A worker was lost. Expected all of them to run to the end. Received: worker=1, signal=9." in err
    assert not is_alive(chief)
    assert not (run / "history.csv").exists()

    done = run_command([*arguments, "--json"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("{")
    assert_same_training(one_device("T"), run)
    assert len(list((run / "logs" / "1-sentiment-T").iterdir())) == 2  # the chief's, twice


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_what_is_not_there_is_refused(small_dir, flags, tmp_path, capsys):
    for more, message in (
        (("--strategy", "mirrored"), "There is no GPU to mirror on."),
        (("--strategy", "multiworker"), "There is no TF_CONFIG."),
        (("--strategy", "none", "--workers", "2"), "--workers needs a strategy that has some."),
    ):
        assert main(["train", "--data", str(small_dir), "--run", str(tmp_path / "run"), *flags, *more]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
