"""What an operator does to grids and searches that are at work on a cluster of somebody else's.

Whatever becomes of workers, scheduler and commands, the results are those of one process that nobody disturbed, bit for
bit.
"""

import contextlib
import csv
import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from mmtrans.cli.main import main
from mmtrans.evaluation import evaluate
from tests.cli.test_train import refused
from tests.engine.clusters import PATIENCE, ROOT, Machines, hides, wait_until
from tests.engine.faults import FAULTS

pytestmark = pytest.mark.slow

#: The second time that an attempt at a training of a grid, or a search, makes its best weights safe: half is trained.
MIDDLE = {
    "grid": "*/grid/attempts/*/weights.npz 2",
    "search": "*/search/work/*/weights.npz 2",
}


@pytest.fixture(scope="module")
def command(records_dir, tmp_path_factory):
    """`command(what, path)`: the arguments of a grid of one row, or of a search of two trials, with `path/what`."""
    path = tmp_path_factory.mktemp("options")
    (path / "rows.txt").write_text("T\n")
    (path / "space.yaml").write_text("regressor_units: [4, 6]\n")
    options = {
        "grid": ["--recipes", path / "rows.txt", "--seeds", "1", "--regressor-units", "6"],
        "search": ["--recipe", "T", "--space", path / "space.yaml", "--tuner", "grid"],
    }

    def arguments(what, place):
        common = ["--data", records_dir, "--out", place / what, "--no-bidirectional", "--epochs", "3", "--quiet"]
        return [str(x) for x in ("grid" if what == "grid" else "tune", *common, *options[what])]

    return arguments


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory):
    """What a grid and a search leave that one process does."""
    path = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("plot_split", "_plot_history"):
            patch.setattr(evaluate, name, lambda *_: None)
        for what in MIDDLE:
            assert main(command(what, path)) == 0
    return {what: results(path / what) for what in MIDDLE}


def results(path):
    """What a grid or a search has learned: file → content, times apart."""
    found = {}
    for pattern in ("*/**/weights.npz", "*/**/predictions.csv", "*/**/metrics.json", "failures.json", "best.yaml"):
        found |= {str(file.relative_to(path)): file.read_bytes() for file in path.glob(pattern)}
    if (path / "trials.csv").exists():
        with open(path / "trials.csv", encoding="utf-8") as file:
            found["trials.csv"] = [{**row, "seconds": None} for row in csv.DictReader(file)]
    assert len(found) >= 5
    return found


class Cluster:
    """A cluster whose workers have TensorFlow, and may be struck in the middle of a training.

    Args:
        machines: its processes.
    """

    def __init__(self, machines):
        self.machines = machines

    def worker(self):
        return self.machines.worker("--preload", "tests.engine.faults")

    def start(self, arguments):
        """A command in a process and a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "mmtrans.cli.main", *arguments, "--scheduler", self.machines.address],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, arguments):
        """Does a command in this process."""
        with contextlib.redirect_stderr(io.StringIO()) as told:
            code = main([*arguments, "--scheduler", self.machines.address])
        assert code == 0, told.getvalue()

    def arm(self, what, name):
        """Lets whoever comes to the middle of a training of `what` be struck by a signal of this name."""
        for file in self.machines.path.glob(f"*-{what}"):
            file.unlink()
        (self.machines.path / f"{what}.new").write_text(f"{MIDDLE[what]} {name}")
        (self.machines.path / f"{what}.new").rename(self.machines.path / f"{what}.fault")

    def struck(self, what):
        """Number of the process that was struck, when one was."""
        file = self.machines.path / f"struck-{what}"
        wait_until(lambda: file.exists() and file.read_text(), f"{what} to be struck")
        return int(file.read_text())

    def wake(self, what):
        """Lets one go on that was paused."""
        (self.machines.path / f"struck-{what}").unlink()
        self.await_woken(what)

    def await_woken(self, what):
        wait_until((self.machines.path / f"woke-{what}").exists, f"{what} to wake")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two workers. A worker of which nothing was heard for ten seconds is taken to be dead."""
    path = tmp_path_factory.mktemp("machines")
    environment = {FAULTS: str(path), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s"}
    with Machines(path, **environment) as machines:
        cluster = Cluster(machines)
        for _ in range(2):
            cluster.worker()
        yield cluster


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_worker_that_is_lost_in_a_training_changes_nothing(name, cluster, command, undisturbed, tmp_path):
    """A grid and a search share the cluster, and each loses a worker: killed, or stopped between check and rename."""
    for what in MIDDLE:
        cluster.arm(what, name)
    with cluster.start(command("search", tmp_path)) as search:
        pids = {cluster.struck("search")}
        # It joins late, and gets work.
        cluster.worker()
        cluster.finish(command("grid", tmp_path))
        pids.add(cluster.struck("grid"))
        cluster.worker()
        assert search.wait(PATIENCE) == 0, search.stderr.read()
    assert len(pids) == 2
    # The next attempt went on from the checkpoint of the first epoch.
    for log in ("grid/logs/T-seed-0.log", "search/logs/0000-seed-0.log", "search/logs/0001-seed-0.log"):
        text = (tmp_path / log).read_text()
        assert [text.count(f"epoch {number}/3 ") for number in (1, 2, 3)] == [1, 1, 1], text
    left = {what: results(tmp_path / what) for what in MIDDLE}
    assert left == undisturbed
    if name == "SIGSTOP":
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for what in MIDDLE:
            cluster.await_woken(what)
        time.sleep(1)
        assert {what: results(tmp_path / what) for what in MIDDLE} == undisturbed
        # Who was believed dead may make a directory again that nobody reads; the next command removes it.
        for what in MIDDLE:
            cluster.finish(command(what, tmp_path))
        assert {what: results(tmp_path / what) for what in MIDDLE} == undisturbed
        assert not list(tmp_path.glob("*/attempts")) + list(tmp_path.glob("*/work"))


def test_whatever_ends_a_command_the_same_command_goes_on(cluster, command, undisturbed, tmp_path):
    for way in ("Ctrl-C twice", "SIGKILL"):
        for what in MIDDLE:
            cluster.arm(what, "pause")
        processes = [cluster.start(command(what, tmp_path)) for what in MIDDLE]
        for what in MIDDLE:
            cluster.struck(what)
        if way == "SIGKILL":
            cluster.machines.await_living()
            cluster.machines.scheduler.kill()
        for process in processes:
            for _ in range(2):
                os.killpg(process.pid, signal.SIGINT if way == "Ctrl-C twice" else signal.SIGKILL)
                time.sleep(0.2)
        for process in processes:
            out, err = process.communicate(timeout=PATIENCE)
            if way == "Ctrl-C twice":
                assert (process.returncode, out) == (130, "")
                assert "Traceback" not in err
        for what in MIDDLE:
            cluster.wake(what)
    for worker in cluster.machines.workers:
        # One that had no scheduler any more has ended.
        worker.wait(PATIENCE)
    cluster.machines.start_scheduler()
    for _ in range(2):
        cluster.worker()
    for what in MIDDLE:
        cluster.finish(command(what, tmp_path))
    assert {what: results(tmp_path / what) for what in MIDDLE} == undisturbed


@pytest.fixture
def commands(command, corpus_dir, tmp_path):
    """The arguments of each command that a cluster may do."""
    place = tmp_path / "place"
    place.mkdir()
    return [["convert", str(corpus_dir), str(place / "records")], *(command(what, place) for what in MIDDLE)]


def test_a_worker_of_another_version_is_named_by_each_command(commands, tmp_path, capsys):
    (tmp_path / "shadow" / "mmtrans").mkdir(parents=True)
    (tmp_path / "shadow" / "mmtrans" / "__init__.py").write_text("__version__ = '0.0.1'")
    path = tmp_path / "machines"
    path.mkdir()
    with Machines(path) as machines:
        machines.worker("--name", "old", PYTHONPATH=str(tmp_path / "shadow"))
        machines.await_worker()
        for arguments in commands:
            sentence = refused([*arguments, "--scheduler", machines.address], capsys)
            assert re.search(r"another version\. .*Received: 0\.0\.1 \(worker old at tcp://", sentence), sentence
    assert not list(tmp_path.glob("place/*/runs/*")) + list(tmp_path.glob("place/*/trials/*"))
    assert not (tmp_path / "place/records").exists()


def test_a_worker_that_does_not_see_the_place_is_named_by_each_command(commands, tmp_path, capsys):
    if not (before := hides(tmp_path / "place")):
        pytest.skip("needs the right to mount")
    path = tmp_path / "machines"
    path.mkdir()
    with Machines(path) as machines:
        machines.worker(before=before)
        machines.await_worker()
        for arguments in commands:
            sentence = refused([*arguments, "--scheduler", machines.address], capsys)
            assert re.search(r"does not see the same files\. .*no such file \(worker tcp://", sentence), sentence
