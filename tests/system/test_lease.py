import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mmtrans.system import lease
from mmtrans.system.fence import TOKENS
from mmtrans.system.lease import LEASE, LeaseLostError, check_held, held, is_held
from tfrecords.processes import Process

HOLD = (
    "import sys, time\nfrom mmtrans.system.lease import held\n"
    "with held(sys.argv[1], 'run'):\n    print('holds', flush=True)\n    time.sleep(60)\n"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for name, seconds in (("RENEW_SECONDS", 0.05), ("WATCH_SECONDS", 1.5), ("GRACE_SECONDS", 0.3)):
        monkeypatch.setattr(lease, name, seconds)


def holder(path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holds\n"
    return process


def edit(path, **changes):
    """Makes a lease another one's."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def elsewhere():
    return str(replace(Process.this(), machine="00000000"))


def test_a_lease_comes_and_goes(tmp_path):
    run = tmp_path / "a" / "run"
    with held(run):
        assert is_held(run)
        assert not is_held(tmp_path)
        first = json.loads((run / LEASE).read_text())
        assert Process.parse(first["process"]) == Process.this()
        deadline = time.monotonic() + 10
        while json.loads((run / LEASE).read_text() or "{}").get("renewed", "") < "0000000002":
            assert time.monotonic() < deadline
        check_held()
    assert not is_held(run)
    # Nothing was made in it, so nothing is left.
    assert not run.exists()


def test_the_second_is_told_of_the_first(tmp_path):
    with holder(tmp_path) as first:
        message = (
            rf"Another command is at work there\..*Received: run={tmp_path}, held by process {first.pid} on .*stop it"
        )
        with pytest.raises(ValueError, match=message), held(tmp_path, "run"):
            pass
        first.kill()
        # Its parent has not asked for its exit code: it is gone all the same, and at once.
        with held(tmp_path, "run") as token:
            assert token == 2
    assert os.listdir(tmp_path) == [TOKENS]


def test_a_thread_that_holds_it_is_at_work_too(tmp_path):
    with held(tmp_path), pytest.raises(ValueError, match=rf"process {os.getpid()} on"), held(tmp_path):
        pass


def test_another_process_with_the_number_of_the_holder_holds_nothing(tmp_path):
    with holder(tmp_path) as first:
        first.kill()
    this = Process.this()
    edit(tmp_path / LEASE, process=str(replace(this, started=this.started - 1)))
    with held(tmp_path):
        pass


def test_the_lease_of_a_copied_directory_holds_nothing(tmp_path):
    with held(tmp_path / "run"):
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / LEASE).write_bytes((tmp_path / "run" / LEASE).read_bytes())
        with held(tmp_path / "copy"):
            pass


def test_a_holder_of_another_machine_is_watched(tmp_path, capsys):
    """No clock is asked: what does not change is gone."""
    with held(tmp_path):
        text = (tmp_path / LEASE).read_text()
    (tmp_path / LEASE).write_text(text)
    os.utime(tmp_path / LEASE, (1, 1))
    edit(tmp_path / LEASE, process=elsewhere(), host="far")
    started = time.monotonic()
    with held(tmp_path):
        assert time.monotonic() - started > 1.4
    err = capsys.readouterr().err
    assert "mmtrans: Waits 2 s to see whether process" in err
    assert "on far" in err


def test_a_holder_of_another_machine_that_renews_is_at_work(tmp_path):
    code = HOLD.replace(
        "with held", "import mmtrans.system.lease\nmmtrans.system.lease.RENEW_SECONDS = 0.2\nwith held"
    ).replace("import sys", "import socket\nsocket.gethostname = lambda: 'far'\nimport sys")
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "holds\n"
        with pytest.raises(ValueError, match=rf"held by process {first.pid} on far"), held(tmp_path):
            pass
        first.kill()


@pytest.mark.parametrize("content", [b"", b"[]"])
def test_a_lease_that_was_never_written_holds_nothing(tmp_path, content):
    (tmp_path / LEASE).write_bytes(content)
    with held(tmp_path):
        pass


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("gone")])
def test_what_is_no_file_holds_nothing(tmp_path, make):
    make(tmp_path / LEASE)
    with held(tmp_path):
        assert json.loads((tmp_path / LEASE).read_text())["host"] == socket.gethostname()
    assert list(tmp_path.iterdir()) == []


def test_the_holder_whose_lease_is_gone_stops(tmp_path):
    with pytest.raises(LeaseLostError, match=r"taken the directory over.*kept"), held(tmp_path):  # noqa: PT012
        edit(tmp_path / LEASE, token="another")
        time.sleep(60)
    assert json.loads((tmp_path / LEASE).read_text())["token"] == "another"


def test_nothing_is_replaced_without_the_lease(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_SECONDS", 60)
    with pytest.raises(LeaseLostError), held(tmp_path):  # noqa: PT012
        (tmp_path / LEASE).unlink()
        with pytest.raises(LeaseLostError, match="or it was removed"):
            check_held()


def test_of_many_that_come_at_once_one_holds(tmp_path):
    """After a kill, too: whoever takes the lease away from the dead one, nobody takes it from the living."""
    with holder(tmp_path) as dead:
        dead.kill()
    many = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        deadline = time.monotonic() + 30
        while sum(process.poll() is None for process in many) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (winner,) = (process for process in many if process.poll() is None)
        assert json.loads((tmp_path / LEASE).read_text())["process"].startswith(f"{winner.pid}-")
        assert all("Another command is at work there" in p.stderr.read() for p in many if p is not winner)
    finally:
        for process in many:
            process.kill()
            process.communicate()


def test_a_signal_ends_the_lease(tmp_path):
    with holder(tmp_path) as first:
        first.send_signal(signal.SIGINT)
    assert os.listdir(tmp_path) == []
