"""What is left on disk by SIGKILL, at any moment, is enough to end where an undisturbed training ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmtrans.runs.run import Run
from tests.training.test_train import assert_equal_runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="fork after the import of TensorFlow is tried on Linux only")
def test_a_run_killed_five_times_equals_an_undisturbed_one(small_dir, tmp_path):
    command = [sys.executable, "-m", "tests.training.killed", "T", str(small_dir), str(tmp_path), "3", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": -9") == 5
    assert_equal_runs(Run.open(tmp_path / "undisturbed"), Run.open(tmp_path / "killed"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="fork after the import of TensorFlow is tried on Linux only")
def test_a_training_that_is_believed_dead_and_wakes_changes_nothing(small_dir, tmp_path):
    command = [sys.executable, "-m", "tests.training.zombie", str(small_dir), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    moments = ("weights.npz", "phase.json")
    assert done.stdout.splitlines() == [f"{name} stopped 0 3 True" for name in moments], done.stderr
    for name in moments:
        assert_equal_runs(Run.open(tmp_path / "undisturbed"), Run.open(tmp_path / name))
