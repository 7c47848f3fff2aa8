"""What an operator does to conversions on a cluster of others: records are those of one process, byte for byte."""

import os
import signal
import time

import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.parts import InParts
from mmtrans.engine.options import EngineOptions
from tests.conversion.test_convert import bytes_of
from tests.conversion.unit_corpora import Units
from tests.engine.clusters import PATIENCE, Machines, living, start_program, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """A cluster of two workers. A worker of which nothing was heard for five seconds is taken to be dead."""
    path = tmp_path_factory.mktemp("machines")
    with Machines(path, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="5s") as machines:
        for _ in range(2):
            machines.worker()
        yield machines


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "file").write_text("content")
    return tmp_path


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The records that one process makes."""
    path = tmp_path_factory.mktemp("expected")
    (path / "file").write_text("content")
    convert(Units(path)(), path / "records")
    return bytes_of(path / "records")


def start(folder, options, fault=""):
    """A conversion in a process of its own; a worker takes five seconds for a part of it where it has the fault."""
    return start_program(
        folder.parent / f"{folder.name}.py",
        "from mmtrans.conversion.convert import convert\n"
        "from mmtrans.conversion.parts import InParts\n"
        "from tests.conversion.unit_corpora import Units\n"
        f"folder = Path({str(folder)!r})\n"
        f"convert(Units(folder, {fault!r}, 6)(), folder / 'records', prepare=InParts({options}, most_units=2))",
    )


def convert_on(machines, folder, **fault):
    options = EngineOptions(scheduler=machines.address)
    convert(Units(folder, **fault)(), folder / "records", prepare=InParts(options, most_units=2))
    return bytes_of(folder / "records")


def struck(folder):
    """Number of the process that a fault has struck, when it has."""
    file = folder / "struck"
    wait_until(lambda: file.exists() and file.read_text(), "the fault")
    return int(file.read_text())


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_worker_is_killed_while_two_conversions_share_the_cluster(machines, folder, expected, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "file").write_text("content")
    with start(other, f"EngineOptions(scheduler={machines.address!r})", "sleep") as process:
        struck(other)
        # The one worker that is left.
        machines.worker()
        assert convert_on(machines, folder, fault="kill", at=5) == expected
        assert process.wait(PATIENCE) == 0, process.stderr.read()
    assert bytes_of(other / "records") == expected
    assert names_in(folder) == names_in(other) == ["file", "records", "struck"]


def test_what_a_worker_writes_that_was_believed_dead_is_never_read(machines, folder, expected):
    assert convert_on(machines, folder, fault="stop", at=5) == expected
    pid = struck(folder)
    (worker,) = [worker for worker in machines.workers if worker.pid == pid]
    machines.worker()
    os.kill(pid, signal.SIGCONT)
    # The scheduler lets it go.
    worker.wait(PATIENCE)
    assert bytes_of(folder / "records") == expected
    assert names_in(folder) == ["file", "records", "struck"]


def test_scheduler_and_command_are_killed_at_once_and_the_same_command_does_it(machines, folder, expected):
    machines.await_living()
    process = start(folder, f"EngineOptions(scheduler={machines.address!r})", "sleep")
    struck(folder)
    machines.scheduler.kill()
    process.kill()
    process.communicate()
    assert not (folder / "records").exists()
    assert any(".partial-" in name for name in names_in(folder))
    for worker in machines.workers:
        worker.wait(PATIENCE)
    machines.start_scheduler()
    machines.worker()
    assert convert_on(machines, folder) == expected
    assert names_in(folder) == ["file", "records", "struck"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_a_command_with_workers_of_this_machine_leaves_none(name, folder, expected):
    """Killed, or by Ctrl-C twice: while a worker is in a part that takes long."""
    process = start(folder, "EngineOptions(jobs=2)", "sleep")
    struck(folder)
    began = time.monotonic()
    if name == "SIGKILL":
        process.kill()
    else:
        for _ in range(2):
            # As of a terminal: to all processes of the command.
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)
    out, err = process.communicate(timeout=PATIENCE)
    wait_until(lambda: not living(process.pid), "the workers' end")
    assert time.monotonic() - began < 4
    assert not (folder / "records").exists()
    if name == "SIGINT":
        assert (process.returncode, out, err.count("\n")) == (130, "", 1)
        assert names_in(folder) == ["file", "struck"]
    convert(Units(folder)(), folder / "records")
    assert bytes_of(folder / "records") == expected
    assert names_in(folder) == ["file", "records", "struck"]
