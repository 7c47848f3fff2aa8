"""One training loop: on one device, two of one process, two processes; killed, and started again."""

import contextlib
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

from mmtrans.cli.launcher import free_ports
from mmtrans.cli.main import main
from mmtrans.training.devices import STEPS_PER_QUESTION
from tests.conftest import BASELINE_FLAGS

ROOT = Path(__file__).resolve().parents[2]

#: Nothing random but the order; clipping is active; 20 segments by 19, so that the second process has none at last.
EXACT = [
    *("--regressor-dropout", "0", "--clip-norm", "0.1"),
    *("--batch-size", "19", "--checkpoint-minutes", "0", "--recipe", "T", "--ema", "0.5"),
]


def arguments_of(small_dir, run, *more):
    return ["train", "--data", str(small_dir), "--run", str(run), *EXACT, *BASELINE_FLAGS, *more]


def assert_same_training(run, other):
    """That phases have the same history within rounding, clipped all along, and nearly the same weights."""
    for path in sorted(run.glob("phases/*/phase.json")):
        left, right = (json.loads((each / path.relative_to(run)).read_text()) for each in (run, other))
        assert len(left["history"]) == 2
        assert min(row["gradient_norm"] for row in left["history"]) > 0.1
        for expected, received in zip(left["history"], right["history"], strict=True):
            assert {**received, "segments_per_second": 0} == pytest.approx(
                {**expected, "segments_per_second": 0}, rel=1e-5
            )
        path = path.parent / "best" / "weights.npz"
        with np.load(path) as expected, np.load(other / path.relative_to(run)) as received:
            assert expected.files == received.files
            for name in expected.files:
                np.testing.assert_allclose(received[name], expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def replicas(small_dir, tmp_path_factory):
    """What `tests.training.replicas` prints, and the directory of its two runs."""
    directory = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "tests.training.replicas", str(small_dir), str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, directory


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["", "videos-"])
def test_two_devices_of_one_process_equal_one(replicas, kind):
    _, directory = replicas
    assert_same_training(directory / f"{kind}one", directory / f"{kind}two")


@pytest.mark.slow
def test_replicas_share_whole_videos(replicas):
    three, one, none = map(json.loads, replicas[0].splitlines()[8:11])
    assert three == [[[0, 1, 3, 4, 5], [2]], [[0.0, 1.0, 3.0, 4.0, 5.0], [2.0]]]
    assert one[0] == [[0, 1], [0]]
    assert none[0] == [[0], [0]]
    # What fills an empty share has no label.
    assert one[1][0] == [0.0, 1.0]
    assert all(np.isnan(label) for label in (*one[1][1], *none[1][0], *none[1][1]))


@pytest.mark.slow
def test_replicas_share_lengths_of_several_modalities(replicas):
    three, one = map(json.loads, replicas[0].splitlines()[11:13])
    assert three == [[5, 3], [[[2, 5], [4, 1]], [[1, 3]]]]
    # A row that fills an empty share has one step of each.
    assert one == [[5, 1], [[[2, 5]], [[1, 1]]]]


@pytest.mark.slow
def test_what_each_replica_gets(replicas):
    three, one, none, seeds, *_ = map(json.loads, replicas[0].splitlines())
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


@pytest.mark.slow
def test_free_bits_are_those_of_the_global_batch(replicas):
    held = json.loads(replicas[0].splitlines()[4])
    # Means over both replicas are 3 / 7, under the one nat that is free, and 11 / 7.
    assert held == [[3.0, 5.0], [4.0, 6.0]]


@pytest.mark.slow
def test_what_the_loss_does_not_depend_on_stays(replicas):
    assert json.loads(replicas[0].splitlines()[5]) == [True, True, False, False]


@pytest.mark.slow
def test_losses_of_subspaces_are_those_of_the_global_batch(replicas):
    together, shared = map(json.loads, replicas[0].splitlines()[6:8])
    assert together[0] > 0.1
    assert shared == pytest.approx(together, rel=1e-5)


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
def test_two_processes_equal_one_also_after_one_was_killed(small_dir, tmp_path):
    run = tmp_path / "run"
    arguments = arguments_of(small_dir, run, "--strategy", "multiworker", "--workers", "2")
    command = [sys.executable, "-m", "mmtrans.cli.main", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as launcher:
        deadline = time.monotonic() + 180
        while not list(run.glob("phases/*/checkpoints/step-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        chief, worker = sorted(children_of(launcher.pid))
        os.kill(worker, signal.SIGKILL)
        out, err = launcher.communicate(timeout=180)
    assert launcher.returncode == 1
    assert out == ""
    assert "mmtrans: A worker was lost. Expected all of them to run to the end. Received: worker=1, signal=9." in err
    assert not is_alive(chief)
    assert not (run / "history.csv").exists()

    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("{")
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(arguments_of(small_dir, tmp_path / "one")) == 0
    assert_same_training(tmp_path / "one", run)
    assert len(list((run / "logs" / "1-sentiment-T").glob("events*"))) == 2  # the chief's, twice


@pytest.mark.slow
@pytest.mark.once
def test_several_processes_end_at_sigterm_and_go_on(small_dir, tmp_path):
    more = ("--strategy", "multiworker", "--workers", "2", "--epochs", "100000", "--patience", "100000")
    arguments = [*arguments_of(small_dir, tmp_path / "run", *more), "--checkpoint-minutes", "5"]
    command = [sys.executable, "-m", "mmtrans.cli.main", *(text for text in arguments if text != "--quiet")]
    for resumed in (False, True):
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as launcher:
            said = [launcher.stderr.readline() for _ in range(3)]
            launcher.send_signal(signal.SIGTERM)
            _, rest = launcher.communicate(timeout=180)
        assert launcher.returncode == 143
        assert rest.endswith("mmtrans: Terminated. The same command goes on from the last checkpoint.\n")
        assert rest.count("mmtrans:") == 1
        assert any("resumes after epoch" in line for line in said) == resumed
        assert not (tmp_path / "run" / ".lease").exists()


@contextlib.contextmanager
def two_hosts(command):
    """The processes of a cluster of two, which nobody but TF_CONFIG tells of each other; they are killed at the end."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    with contextlib.ExitStack() as stack:
        hosts = []
        for index in range(2):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            hosts.append(stack.enter_context(process))
            stack.callback(process.kill)
        yield hosts


@pytest.mark.slow
@pytest.mark.once
def test_a_signal_to_one_host_between_phases_stops_both(small_dir, tmp_path):
    run = tmp_path / "run"
    arguments = arguments_of(small_dir, run, "--recipe", "T->A", "--epochs", "1")
    stopped = [sys.executable, "-m", "tests.training.stopped", str(int(signal.SIGINT)), "0"]
    with two_hosts([*stopped, *arguments, "--strategy", "multiworker"]) as hosts:
        said = [host.communicate(timeout=120)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [130, 143], said
    for word, text in zip(("Interrupted", "Terminated"), said, strict=True):
        assert text.endswith(f"mmtrans: {word}. The same command goes on from the last checkpoint.\n")
    first, second = (json.loads(path.read_text()) for path in sorted(run.glob("phases/*/phase.json")))
    assert (len(first["history"]), "history" in second) == (1, False)
    assert main(arguments) == 0
    assert len((run / "history.csv").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.once
def test_hosts_that_are_told_to_stop_at_other_times_stop_after_one_step(small_dir, tmp_path):
    more = ("--strategy", "multiworker", "--epochs", "100000", "--patience", "100000", "--batch-size", "3")
    arguments = [*arguments_of(small_dir, tmp_path / "run", *more), "--checkpoint-minutes", "5"]
    command = [sys.executable, "-m", "mmtrans.cli.main", *(text for text in arguments if text != "--quiet")]
    with two_hosts(command) as hosts:
        deadline = time.monotonic() + 180
        while not list(tmp_path.glob("run/phases/*/checkpoints/step-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        hosts[1].send_signal(signal.SIGTERM)  # the chief gets none
        said = [host.communicate(timeout=120)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [143, 143], said
    assert all(
        text.endswith("mmtrans: Terminated. The same command goes on from the last checkpoint.\n") for text in said
    )
    newest = sorted(tmp_path.glob("run/phases/*/checkpoints/step-*"))[-1]
    progress = json.loads((newest / "progress.json").read_text(encoding="utf-8"))
    # Twenty segments make seven steps an epoch; the processes ask each other after each eighth, and after an epoch.
    assert progress["step"] % STEPS_PER_QUESTION == 0 or len(progress["losses"]) == 7
    assert len(progress["losses"]) > 0


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
