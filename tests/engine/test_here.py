import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions
from mmtrans.system import interrupts
from mmtrans.system.errors import SystemRefusalError
from tests.engine.works import Deeds

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def work(tmp_path):
    return Deeds(tmp_path)


def by_task(outcomes):
    return {outcome.task: outcome for outcome in outcomes}


def test_tasks_are_done_here_in_order_and_print_to_their_logs(work, tmp_path, capfd):
    begun = []
    with opened(EngineOptions(), work, on_start=begun.append) as engine:
        engine.submit("a", "a")
        engine.submit("speak", "speak", priority=2)
        engine.submit("b", "b", priority=2)
        assert (engine.slots, engine.num_waiting) == (1, 3)
        outcomes = list(engine.outcomes())
    assert begun == [outcome.task for outcome in outcomes] == ["speak", "b", "a"]
    assert outcomes[0].result == f"speak: {os.getpid()}"
    assert (tmp_path / "speak.log").read_text() == "started\ndoes speak\nby number\nby a child\n"
    assert (tmp_path / "b.log").read_text() == "does b\n"
    assert capfd.readouterr() == ("", "")


def test_a_task_begins_after_those_that_it_builds_on_and_is_lost_with_them(work):
    with opened(EngineOptions(), work) as engine:
        engine.submit("first", "1")
        engine.submit("refuse", "2")
        engine.submit("third", "3", after=["1"], priority=9)
        engine.submit("lost", "4", after=["1", "2"], priority=9)
        engine.submit("lost too", "5", after=["4", "3"], priority=9)
        outcomes = list(engine.outcomes())
        assert [outcome.task for outcome in outcomes] == ["first", "third", "refuse", "lost", "lost too"]
        assert [(outcome.reason, outcome.is_lost) for outcome in outcomes[2:]] == [
            ("Two lines.", False),
            ("Two lines.", True),
            ("Two lines.", True),
        ]
        # Later ones may build on what has ended.
        engine.submit("late", "6", after=["3"])
        engine.submit("late and lost", "7", after=["5"])
        late = by_task(engine.outcomes())
        assert (late["late"].reason, late["late and lost"].is_lost, engine.num_waiting) == (None, True, 0)
        with pytest.raises(KeyError, match="not submitted: 8 on"):
            engine.submit("x", "8", after=["9"])
        with pytest.raises(KeyError, match="was submitted: 7"):
            engine.submit("x", "7")
    assert work.done() == ["first", "third", "refuse", "late"]


def test_a_child_begins_only_when_the_caller_has_dealt_with_its_parent(work, tmp_path):
    with opened(EngineOptions(), work) as engine:
        engine.submit("parent", "1")
        engine.submit("child", "2", after=["1"])
        for outcome in engine.outcomes():
            if outcome.task == "parent":
                assert work.done() == ["parent"]
                engine.submit("more", "3", priority=1)
    assert work.done() == ["parent", "more", "child"]


def test_a_defect_is_the_failure_of_its_task_alone(work, tmp_path):
    with opened(EngineOptions(), work) as engine:
        engine.submit("bug", "1")
        engine.submit("a", "2")
        bug, good = engine.outcomes()
    assert bug.reason == "A defect of mmtrans: KeyError: 'a bug'. The log has the traceback."
    assert "Traceback" in (tmp_path / "bug.log").read_text()
    assert good.reason is None


def test_what_the_system_refuses_ends_the_command(work):
    with opened(EngineOptions(), work) as engine:
        engine.submit("full", "1")
        with pytest.raises(SystemRefusalError, match=r"The disk is full\..*file='x'"):
            list(engine.outcomes())


def test_an_interrupt_reaches_the_task_and_goes_on(work):
    with interrupts.handled(), opened(EngineOptions(), work) as engine:
        engine.submit("train", "1")
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            list(engine.outcomes())
    assert work.done() == ["train", "safe train"]


def test_one_job_needs_no_cluster():
    code = (
        "import sys\nfrom mmtrans.engine.opening import opened\nfrom mmtrans.engine.options import EngineOptions\n"
        "with opened(EngineOptions(), None): pass\nprint({'distributed', 'dask', 'tornado'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout == "set()\n"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"jobs": 0}, "--jobs is out of range. Expected at least 1. Received: jobs=0."),
        ({"jobs": 2, "scheduler": "tcp://x:1"}, "not both. Received: jobs=2, scheduler=tcp://x:1."),
        ({"resources": {"GPU": 1}}, "Expected --scheduler ADDRESS. Received: resources=GPU=1."),
    ],
)
def test_options_that_make_no_sense_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        EngineOptions(**fields)
