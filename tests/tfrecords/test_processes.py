import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tfrecords.processes import Process

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


def process_of(code="import time; time.sleep(60)"):
    """A running child, and what it calls itself."""
    code = f"from tfrecords.processes import Process\nprint(Process.this(), flush=True)\n{code}"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return child, Process.parse(child.stdout.readline().strip())


def test_a_process_is_known_by_its_text():
    this = Process.this()
    assert this.pid == os.getpid()
    assert Process.parse(str(this)) == this
    assert [Process.parse(text) for text in ("", "12", "12-zz-1", f"{this}-1")] == [None] * 4


def test_a_process_that_was_killed_is_gone_before_its_parent_asks():
    child, process = process_of()
    with child:
        assert not process.is_gone
        child.kill()
        while not process.is_gone:
            assert child.returncode is None
    assert process.is_gone


@needs_proc
def test_another_process_with_the_same_number_is_another():
    this = Process.this()
    assert not this.is_gone
    assert replace(this, started=this.started - 1).is_gone


def test_of_another_machine_nothing_is_known():
    child, process = process_of("")
    with child:
        pass
    assert process.is_gone
    assert not replace(process, machine="00000000").is_gone
    assert not replace(process, machine="00000000").is_local
