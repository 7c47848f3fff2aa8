import os
import signal
import subprocess
import sys
import time

import pytest

from tools.benchmark_process import peak_rss_mib, run_measured, tree_rss_mib

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="memory is read from /proc")

#: Holds `MIB` of touched memory while a child holds as much.
HOLD = (
    "import subprocess, sys, time; data = b'x' * ({mib} << 20); "
    "code = \"import time; data = b'x' * ({mib} << 20); time.sleep(0.5)\"; "
    "subprocess.run([sys.executable, '-c', code])"
)


def test_output_and_times():
    code = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint('ready')"
    usage = run_measured([sys.executable, "-c", code])
    assert usage.stdout == "ready\n"
    assert usage.cpu_seconds >= 0.2
    assert usage.wall_seconds >= 0.2


def test_sleeping_takes_no_cpu():
    usage = run_measured([sys.executable, "-c", "import time; time.sleep(0.5)"])
    assert usage.wall_seconds >= 0.5
    assert usage.cpu_seconds < 0.5


def test_environment_is_passed_on():
    code = "import os; print(os.environ.get('BENCHMARKED'))"
    environment = {**os.environ, "BENCHMARKED": "yes"}
    assert run_measured([sys.executable, "-c", code], environment).stdout == "yes\n"
    assert run_measured([sys.executable, "-c", code]).stdout == "None\n"


@needs_proc
def test_memory_of_parent_and_child_is_summed():
    alone = run_measured([sys.executable, "-c", HOLD.format(mib=1)]).peak_rss_mib
    usage = run_measured([sys.executable, "-c", HOLD.format(mib=60)])
    assert usage.peak_rss_mib - alone == pytest.approx(2 * 59, abs=12)


@needs_proc
def test_own_peak_is_not_that_of_the_parent():
    ballast = b"x" * (200 << 20)
    assert peak_rss_mib() > len(ballast) >> 20
    assert run_measured([sys.executable, "-c", "pass"]).peak_rss_mib < 100


@needs_proc
def test_memory_of_a_process_that_is_gone():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    assert tree_rss_mib(process.pid) == 0.0


def test_failure_shows_the_last_line_of_stderr():
    code = "import sys; print('first', file=sys.stderr); sys.exit('it broke')"
    message = (
        r"A measured command failed\. Expected exit code 0\. Received: exit_code=1, 'it broke' \(.*Run it by itself"
    )
    with pytest.raises(ValueError, match=message):
        run_measured([sys.executable, "-c", code])


def test_no_such_program():
    with pytest.raises(
        FileNotFoundError, match=r"There is no such program\. Expected an interpreter\. Received: '/no/"
    ):
        run_measured(["/no/such/python"])


def test_an_interrupted_measurement_leaves_no_process(tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    survived = tmp_path / "survived"
    code = f"import time; time.sleep(1.5); open({str(survived)!r}, 'w').close()"
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            run_measured([sys.executable, "-c", code])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    begun = time.monotonic()
    while time.monotonic() < begun + 2:
        assert not survived.exists()
        time.sleep(0.1)
