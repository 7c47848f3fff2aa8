import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmtrans.workers.pool import Pool

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """Does what its task says, without TensorFlow."""

    def start(self):
        print("started")

    def __call__(self, task):
        print(f"does {task}")
        match task:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "bug":
                raise KeyError("a bug")
            case "refuse":
                raise ValueError("Two\nlines.")
            case "hang":
                time.sleep(600)
        return f"{task}: {os.getpid()}"


@pytest.fixture
def pool(tmp_path):
    with Pool(Worker(), lambda task: tmp_path / f"{task}.log") as pool:
        yield pool


def done(pool, task):
    """What becomes of a task, done alone."""
    pool.submit(task)
    (outcome,) = pool.outcomes()
    assert outcome.task == task
    return outcome


def test_a_worker_does_many_tasks_and_survives_a_refusal(pool, tmp_path):
    first, refused, second = (done(pool, task) for task in ("a", "refuse", "b"))
    assert (refused.result, refused.reason) == (None, "Two lines.")
    assert first.reason is None
    assert first.result.split(": ")[1] == second.result.split(": ")[1] != str(os.getpid())
    assert (tmp_path / "a.log").read_text() == "started\ndoes a\n"
    assert (tmp_path / "b.log").read_text() == "does b\n"
    assert r"ValueError: Two\nlines." in (tmp_path / "refuse.log").read_text()


def test_the_death_of_a_worker_is_the_failure_of_its_task(pool, tmp_path):
    pool.submit("kill")
    pool.submit("b")
    outcomes = {}
    while pool.num_busy:
        outcomes |= {outcome.task: outcome for outcome in pool.outcomes()}
    assert outcomes["kill"].reason == "The worker was killed by SIGKILL. The memory may have run out."
    assert outcomes["b"].result.startswith("b: ")
    assert done(pool, "bug").reason == "The worker ended with exit code 1; it last printed: KeyError: 'a bug'"
    assert "Traceback" in (tmp_path / "bug.log").read_text()
    assert done(pool, "c").reason is None


def test_a_worker_that_died_while_idle_is_noticed(pool):
    pid = int(done(pool, "a").result.split(": ")[1])
    os.kill(pid, signal.SIGKILL)
    assert "SIGKILL" in done(pool, "b").reason
    assert done(pool, "b").reason is None


def test_a_worker_gives_way_after_its_share_of_tasks(tmp_path):
    with Pool(Worker(), lambda task: tmp_path / "log", tasks_per_worker=2) as pool:
        pids = [done(pool, task).result.split(": ")[1] for task in "abc"]
    assert pids[0] == pids[1] != pids[2]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    code = (
        "from pathlib import Path\nfrom mmtrans.workers.pool import Pool\nfrom tests.workers.test_pool import Worker\n"
        f"pool = Pool(Worker(), lambda task: Path({str(tmp_path)!r}) / f'{{task}}.log')\n"
        "pool.submit('hang')\n(worker, _), = pool._busy.values()\nprint(worker.process.pid, flush=True)\n"
        "list(pool.outcomes())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        pid = int(parent.stdout.readline())
        deadline = time.monotonic() + 60
        while not (tmp_path / "hang.log").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        parent.kill()
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)
