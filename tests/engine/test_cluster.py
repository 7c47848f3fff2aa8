import os
import random
import time
from dataclasses import replace

import dask.config
import pytest

from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions
from mmtrans.system.errors import SystemRefusalError
from tests.engine.test_here import by_task
from tests.engine.works import Deeds

TWO = EngineOptions(jobs=2)


@pytest.fixture
def work(tmp_path):
    return Deeds(tmp_path)


def test_tasks_are_done_by_workers_of_this_machine(work, tmp_path, capfd):
    begun = []
    with opened(TWO, work, on_start=begun.append) as engine:
        assert engine.slots == 2
        for key in ("first", "refuse", "bug", "speak"):
            engine.submit(key, key)
        engine.submit("lost", "lost", after=["refuse"])
        engine.submit("child", "child", after=["first"])
        outcomes = by_task(engine.outcomes())
    assert outcomes["refuse"].reason == "Two lines."
    assert outcomes["bug"].reason == "A defect of mmtrans: KeyError: 'a bug'. The log has the traceback."
    assert (outcomes["lost"].reason, outcomes["lost"].is_lost) == ("Two lines.", True)
    pids = {outcomes[task].result.split(": ")[1] for task in ("first", "speak", "child")}
    assert str(os.getpid()) not in pids
    assert sorted(begun) == sorted(work.done()) == ["bug", "child", "first", "refuse", "speak"]
    assert (tmp_path / "speak.log").read_text().endswith("does speak\nby number\nby a child\n")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("2 workers. Scheduler: tcp://127.0.0.1:")
    assert err.count("\n") == 1


def test_a_task_draws_what_it_would_draw_alone(work):
    with opened(TWO, work, quiet=True) as engine:
        engine.submit("draw", "1")
        (outcome,) = engine.outcomes()
    assert outcome.result == random.Random(7).random()


def test_a_worker_that_dies_has_its_task_done_by_another(work, capfd):
    with opened(TWO, work, quiet=True) as engine:
        engine.submit("kill-once", "1")
        engine.submit("child", "2", after=["1"])
        outcomes = by_task(engine.outcomes())
    assert [outcomes[task].reason for task in ("kill-once", "child")] == [None, None]
    assert work.done() == ["kill-once", "kill-once", "child"]
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_is_on_its_way_back_is_not_taken_for_lost(work):
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}), opened(TWO, work, quiet=True) as engine:
        engine.submit("kill-once", "1")
        (outcome,) = engine.outcomes()
        assert outcome.reason is None
        deadline = time.monotonic() + 60
        while engine.slots < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert engine.slots == 2


def test_a_task_of_which_workers_die_fails(work, capfd):
    with opened(TWO, work, quiet=True) as engine:
        engine.submit("kill", "1")
        engine.submit("child", "2", after=["1"])
        failed, lost = engine.outcomes()
        engine.submit("a", "3")
        (good,) = engine.outcomes()
    assert failed.reason == lost.reason == "3 workers died of it, one after another. The memory may have run out."
    assert (lost.is_lost, good.reason) == (True, None)
    assert work.done() == ["kill", "kill", "kill", "a"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("most", "processes"), [(2, 3), (None, 2)])
def test_a_process_gives_way_to_another_after_its_share_of_tasks(most, processes, work, capfd):
    with opened(TWO, replace(work, tasks_per_process=most), quiet=True) as engine:
        for number in range(5):
            engine.submit(f"task {number}", str(number))
        outcomes = list(engine.outcomes())
    pids = [outcome.result.split(": ")[1] for outcome in outcomes]
    assert [outcome.reason for outcome in outcomes] == [None] * 5
    assert sorted(work.done()) == [f"task {number}" for number in range(5)]
    assert max(pids.count(pid) for pid in pids) <= (most or 5)
    assert (len(set(pids)) >= processes) if most else (len(set(pids)) <= processes)
    assert capfd.readouterr() == ("", "")


def test_what_the_system_refuses_to_a_worker_ends_the_command(work, capfd):
    with opened(TWO, work, quiet=True) as engine:
        engine.submit("train", "1")
        engine.submit("full", "2")
        with pytest.raises(SystemRefusalError, match=r"The disk is full\..*file='x'"):
            list(engine.outcomes())
    # What was at work has made its work safe.
    assert "safe train" in work.done()
    assert capfd.readouterr() == ("", "")
