"""What an operator sees: clusters that somebody else started, and what becomes of them."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import time

import pytest

from mmtrans.engine import checks
from mmtrans.engine.cluster import SchedulerLostError
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions, Needs
from mmtrans.system.attempts import finished
from mmtrans.system.errors import SystemRefusalError
from tests.engine.clusters import PATIENCE, cluster, hides, living, start_program, wait_until
from tests.engine.works import Deeds

pytestmark = pytest.mark.slow


def options(machines, **fields):
    return EngineOptions(scheduler=machines.address, **fields)


def work_in(path):
    path.mkdir()
    return Deeds(path)


@pytest.fixture
def work(tmp_path):
    return work_in(tmp_path / "work")


@contextlib.contextmanager
def consumed(*engines):
    """Asks engines for all outcomes, in a thread each: futures of the lists."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        yield [threads.submit(lambda engine=engine: list(engine.outcomes())) for engine in engines]


def client(options_text, work, *tasks):
    """A command in a process and a session of its own, which does tasks."""
    return start_program(
        work.path / "client.py",
        "from mmtrans.engine.opening import opened\n"
        "from tests.engine.works import Deeds\n"
        f"work = Deeds(Path({str(work.path)!r}))\n"
        f"with opened(EngineOptions({options_text}), work, quiet=True) as engine:\n"
        f"    for task in {tasks!r}: engine.submit(task, task)\n"
        "    for outcome in engine.outcomes(): print(outcome.task, outcome.reason)",
    )


def test_two_commands_share_a_cluster_and_a_late_worker_gets_work(tmp_path, capfd):
    one, two = work_in(tmp_path / "one"), work_in(tmp_path / "two")
    with (
        cluster(tmp_path / "machines") as machines,
        opened(options(machines), one) as first,
        opened(options(machines), two) as second,
    ):
        # With the same keys. The first one's ends when a second worker does the other.
        first.submit("await b", "1")
        first.submit("b", "2")
        second.submit("a", "1")
        with consumed(first, second) as lists:
            wait_until(lambda: one.done() == ["await b"], "first task")
            machines.worker()
            assert [outcome.reason for one_list in lists for outcome in one_list.result()] == [None] * 3
    assert (sorted(one.done()), two.done()) == (["await b", "b"], ["a"])
    err = [line for line in capfd.readouterr().err.splitlines() if "no worker yet" not in line]
    assert err == [f"1 workers. Scheduler: {machines.address}"] * 2


def test_the_client_dies_and_the_same_command_goes_on(work, tmp_path):
    with cluster(tmp_path / "machines") as machines:
        process = client(f"scheduler={machines.address!r}", work, "train")
        wait_until(lambda: work.done() == ["train"], "task")
        process.kill()
        process.communicate()
        # Nobody waits for it any more: its work is made safe, and the worker is free.
        with opened(options(machines), work, quiet=True) as engine:
            engine.submit("a", "1")
            (outcome,) = engine.outcomes()
    assert outcome.reason is None
    assert work.done() == ["train", "safe train", "a"]


def test_the_scheduler_dies_and_the_command_says_so(work, tmp_path, capfd):
    with cluster(tmp_path / "machines") as machines:
        with opened(options(machines), work, quiet=True) as engine:
            engine.submit("train", "1")
            with consumed(engine) as (outcomes,):
                wait_until(lambda: work.done() == ["train"], "task")
                machines.scheduler.kill()
                began = time.monotonic()
                with pytest.raises(SchedulerLostError, match=r"scheduler is gone\..*the same command goes on"):
                    outcomes.result()
        # Nobody is left to be asked to stop.
        assert time.monotonic() - began < 5
        wait_until(lambda: "safe train" in work.done(), "the worker to stop")
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err


def test_what_a_worker_writes_that_was_believed_dead_is_never_read(work, tmp_path):
    with (
        cluster(tmp_path / "machines", DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="2s") as machines,
        opened(options(machines), work, quiet=True) as engine,
    ):
        engine.submit("attempt", "1")
        with consumed(engine) as (outcomes,):
            wait_until(lambda: work.done() == ["attempt"], "task")
            (stopped,) = machines.workers
            stopped.send_signal(signal.SIGSTOP)
            other = machines.worker()
            # Another command, which asks the workers before its first task, does not wait for that one.
            with opened(options(machines), work_in(tmp_path / "second"), quiet=True) as second:
                second.submit("a", "1")
                assert [outcome.reason for outcome in second.outcomes()] == [None]
            (outcome,) = outcomes.result()
        assert outcome.result == f"attempt: {other.pid}"
        stopped.send_signal(signal.SIGCONT)
        wait_until(lambda: (work.path / "attempts" / "000000.000001" / "result").exists(), "what was stopped")
        read = (finished(work.path / "attempts") / "result").read_text()
    assert read == str(other.pid)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_stops_a_command_and_all_its_workers(work, times):
    tasks = ("train", "train too") if times == 1 else ("train", "sleep 600")
    process = client("jobs=2", work, *tasks)
    wait_until(lambda: sorted(work.done()) == sorted(tasks), "tasks")
    for _ in range(times):
        # As of a terminal: to all processes of the command.
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
    began = time.monotonic()
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "")
    assert "safe train" in work.done()
    assert ("safe train too" in work.done()) == (times == 1)
    # The one that heeds nothing is waited for once.
    assert time.monotonic() - began < 5
    wait_until(lambda: not living(process.pid), "the workers' end")


def test_workers_of_this_machine_end_with_a_command_that_is_killed(work):
    process = client("jobs=2", work, "sleep 600", "train")
    wait_until(lambda: sorted(work.done()) == ["sleep 600", "train"], "tasks")
    process.kill()
    began = time.monotonic()
    wait_until(lambda: not living(process.pid), "the workers' end")
    process.communicate()
    assert time.monotonic() - began < 5


def refused(machines, work, needs=None, **fields):
    """The sentence by which a cluster is refused."""
    with pytest.raises(ValueError, match=r"Expected") as error, opened(options(machines, **fields), work, needs):
        pass
    return str(error.value)


def test_a_worker_that_is_not_as_tasks_need_it_is_named(work, tmp_path):
    shadow = tmp_path / "shadow" / "mmtrans"
    shadow.mkdir(parents=True)
    with cluster(tmp_path / "machines", workers=0) as machines:
        (shadow / "__init__.py").write_text("raise ImportError('no mmtrans here')")
        other = machines.worker("--name", "old", PYTHONPATH=str(shadow.parent))
        sentence = refused(machines, work)
        assert re.search(
            r"^A worker cannot import mmtrans\. .*Received: ImportError: no mmtrans here \(worker old at tcp://",
            sentence,
        )
        other.terminate()
        other.wait()
        (shadow / "__init__.py").write_text("__version__ = '0.0.1'")
        other = machines.worker("--name", "old", PYTHONPATH=str(shadow.parent))
        sentence = refused(machines, work)
        assert re.search(
            r"another version\. Expected mmtrans [\d.]+\. Received: 0\.0\.1 \(worker old at tcp://", sentence
        )
        other.terminate()
        other.wait()
        other = machines.worker("--name", "two", "--nthreads", "2")
        sentence = refused(machines, work)
        assert "Received: threads=2 (worker two at tcp://" in sentence
        assert "Start it with `--nthreads 1`" in sentence
        other.terminate()
        other.wait()
        machines.worker()
        assert "No worker declares what a task takes. Expected one with GPU=1." in refused(
            machines, work, resources={"GPU": 1}
        )
        assert re.search(
            r"another version\. Expected json 9\. Received: [\d.]+ \(worker tcp://",
            refused(machines, work, needs=Needs(versions={"json": "9"})),
        )
        assert "too little memory. Expected 1048576 MiB free" in refused(machines, work, needs=Needs(memory=2**40))


def test_a_worker_that_does_not_see_the_files_is_named_and_one_that_joins_late_gets_no_tasks(work, tmp_path, capfd):
    if not (before := hides(work.path)):
        pytest.skip("needs the right to mount")
    needs = Needs(directories=(work.path,))
    with cluster(tmp_path / "machines", workers=0) as machines:
        blind = machines.worker(before=before)
        sentence = refused(machines, work, needs=needs)
        assert re.search(
            r"^A worker does not see the same files\. Expected \S+/\.seen-\w+ as this .*no such file", sentence
        )
        blind.terminate()
        blind.wait()
        machines.worker()
        with opened(options(machines), work, needs, quiet=True) as engine:
            engine.submit("await b", "1")
            engine.submit("b", "2")
            with consumed(engine) as (outcomes,):
                wait_until(lambda: work.done() == ["await b"], "first task")
                machines.worker(before=before)
                wait_until(lambda: engine._unfit, "the worker's answer")
                machines.worker()
                assert [outcome.reason for outcome in outcomes.result()] == [None] * 2
    assert not list(work.path.glob(".seen-*"))
    assert "does not see the same files" in capfd.readouterr().err


def test_the_disk_of_one_worker_is_full_and_the_same_command_goes_on_with_another(work, tmp_path):
    place = rf"worker tcp://127\.0\.0\.1:\d+ on {re.escape(socket.gethostname())}"
    (work.path / "disk").mkdir()
    if not (before := hides(work.path / "disk", "64k")):
        pytest.skip("needs the right to mount")
    with cluster(tmp_path / "machines") as machines:
        with opened(options(machines), work, quiet=True) as engine:
            engine.submit("train", "1")
            engine.submit("fill", "2")
            with consumed(engine) as (outcomes,):
                wait_until(lambda: work.done() == ["train"], "first task")
                small = machines.worker(before=before)
                with pytest.raises(SystemRefusalError, match=rf"^The disk is full\. .*\. That was {place}\.$"):
                    outcomes.result()
        assert work.done() == ["train", "fill", "safe train"]
        small.terminate()
        small.wait()
        with opened(options(machines), work, quiet=True) as engine:
            engine.submit("fill", "2")
            (outcome,) = engine.outcomes()
    assert outcome.reason is None
    assert (work.path / "disk" / "file").stat().st_size == 1 << 20


def test_an_address_where_nobody_answers_is_one_sentence(work, monkeypatch):
    monkeypatch.setattr(checks, "_SECONDS_TO_CONNECT", 1.0)
    with (
        pytest.raises(ValueError, match=r"No scheduler answers\..*Received: scheduler=tcp://127\.0\.0\.1:9 "),
        opened(EngineOptions(scheduler="tcp://127.0.0.1:9"), work),
    ):
        pass


def test_a_scheduler_with_tls_wants_a_certificate(work):
    with (
        pytest.raises(ValueError, match=r"wants a certificate\..*Received: none, scheduler=tls://127\.0\.0\.1:9\."),
        opened(EngineOptions(scheduler="tls://127.0.0.1:9"), work),
    ):
        pass
