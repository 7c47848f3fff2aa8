import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmtrans.cli.launcher import free_ports, launch
from mmtrans.system.interrupts import Terminated
from mmtrans.training.execution import WorkerLostError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """`workers(code)` makes that code the worker's, beside the real package."""

    def replace(code):
        script = tmp_path / "worker.py"
        script.write_text(
            "import json, os, sys, time\nindex = json.loads(os.environ['TF_CONFIG'])['task']['index']\n" + code
        )
        popen = subprocess.Popen
        started = []

        def run_script(command, **options):
            started.append(popen([sys.executable, str(script), *command[3:]], **options))
            return started[-1]

        monkeypatch.setattr("mmtrans.cli.launcher.subprocess.Popen", run_script)
        return started

    return replace


def test_each_worker_has_its_place_and_the_command(workers, tmp_path):
    workers(f"open({str(tmp_path)!r} + f'/{{index}}', 'w').write(json.dumps([os.environ['TF_CONFIG'], sys.argv[1:]]))")
    launch(["train", "--epochs", "2"], 3)
    configs, arguments = zip(*(json.loads((tmp_path / str(i)).read_text()) for i in range(3)), strict=True)
    assert arguments == (["train", "--epochs", "2"],) * 3
    tasks, clusters = zip(*((json.loads(c)["task"], json.loads(c)["cluster"]) for c in configs), strict=True)
    assert tasks == tuple({"type": "worker", "index": i} for i in range(3))
    assert clusters[0] == clusters[1] == clusters[2]
    assert len(set(clusters[0]["worker"])) == 3
    assert all(address.startswith("127.0.0.1:") for address in clusters[0]["worker"])


def test_only_the_output_of_the_chief_is_shown(workers, capfd):
    workers("print('out', index); print('err', index, file=sys.stderr)")
    launch([], 2)
    assert capfd.readouterr() == ("out 0\n", "err 0\n")


@pytest.mark.parametrize("lost", [0, 1])
def test_a_killed_worker_ends_the_others_at_once(workers, lost):
    started = workers(f"os.kill(os.getpid(), 9) if index == {lost} else time.sleep(600)")
    with pytest.raises(WorkerLostError, match=f"Received: worker={lost}, signal=9"):
        launch([], 3)
    assert [process.returncode for process in started] == [-9] * 3


def test_an_error_of_a_worker_is_said_once(workers, capfd):
    started = workers("sys.exit('mmtrans: broken') if index == 1 else time.sleep(600)")
    with pytest.raises(SystemExit) as caught:
        launch([], 2)
    assert caught.value.code == 1
    assert capfd.readouterr() == ("", "mmtrans: broken\n")
    assert started[0].returncode == -9


def test_bad_input_is_said_by_the_chief_though_another_worker_was_faster(workers, capfd):
    workers("time.sleep(0 if index else 0.5); print('mmtrans: bad', file=sys.stderr); sys.exit(2)")
    with pytest.raises(SystemExit) as caught:
        launch([], 2)
    assert caught.value.code == 2
    assert capfd.readouterr() == ("", "mmtrans: bad\n")


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """`interrupted(error)` raises it in the launcher as soon as the chief has made the file `ready`."""

    def get(error):
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        raise error

    return lambda error: monkeypatch.setattr("queue.Queue.get", lambda self: get(error))


#: What the chief does after a signal is put in.
CHIEF = """
import signal
def stop(number, frame):
    {then}
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
if index == 0:
    open({ready!r}, "w").close()
while True:
    time.sleep(600)
"""


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_a_signal_lets_the_chief_make_its_work_safe_and_ends_all(workers, interrupted, tmp_path, capfd, error, code):
    then = "time.sleep(0.3); print('safe', file=sys.stderr); sys.exit(128 + number)"
    started = workers(CHIEF.format(then=then, ready=str(tmp_path / "ready")))
    interrupted(error)
    with pytest.raises(SystemExit) as caught:
        launch([], 2)
    assert caught.value.code == code
    assert capfd.readouterr().err == "safe\n"
    assert [process.returncode for process in started] == [code, -9]


@pytest.mark.parametrize("then", ["pass", "sys.exit(1)"])
def test_a_chief_that_does_not_obey_a_signal_is_killed(workers, interrupted, tmp_path, monkeypatch, then):
    monkeypatch.setattr("mmtrans.cli.launcher.STOP_SECONDS", 0.3)
    started = workers(CHIEF.format(then=then, ready=str(tmp_path / "ready")))
    interrupted(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        launch([], 2)
    assert [process.returncode for process in started] == [-9 if then == "pass" else 1, -9]


def test_the_real_worker_runs_the_command_and_ends_with_its_parent():
    launch(["--version"], 2)
    with pytest.raises(SystemExit) as caught:
        launch(["train", "--nonsense"], 2)
    assert caught.value.code == 2
    command = [sys.executable, "-c", "import mmtrans.cli.worker as w; w.end_with_parent()"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as worker:
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.5)
        worker.stdin.close()
        assert worker.wait(20) == 1


def test_free_ports_are_different():
    assert len(set(free_ports(5))) == 5
