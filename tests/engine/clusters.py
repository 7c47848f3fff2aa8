"""Clusters as somebody else would start them: `dask scheduler` and `dask worker` on the loopback."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).resolve().parents[2]

#: The time that anything here may take.
PATIENCE = 180


def wait_until(is_so, what):
    """Waits until something is so, or fails."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def living(group):
    """Numbers of the processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, member_of = path.read_text().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def hides(path, size="1m"):
    """What is put before a command that is to see an empty disk at `path`; empty where that needs other rights."""
    before = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size={size} none {path} && exec "$@"', "sh"]
    try:
        can = subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        can = False
    return before if can else []


def start_program(file, body):
    """Starts a command in a process and a session of its own: lines of Python, which may be interrupted."""
    lines = "".join(f"            {line}\n" for line in body.splitlines())
    file.write_text(
        "import sys\nfrom pathlib import Path\nfrom mmtrans.engine.options import EngineOptions\n"
        "from mmtrans.system import interrupts\n"
        "if __name__ == '__main__':\n    try:\n        with interrupts.handled():\n"
        f"{lines}    except KeyboardInterrupt: sys.exit(130)\n",
        encoding="utf-8",
    )
    return subprocess.Popen(
        [sys.executable, str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class Machines:
    """The processes of a cluster. Use it as a context manager: it leaves none behind.

    Args:
        path: directory for the processes' own files.
        environment: variables of the environment, beside those of this process.
    """

    def __init__(self, path, **environment):
        self.path = path
        self.environment = {"DASK_LOGGING__DISTRIBUTED": "critical", **environment}
        self.processes = []
        self.workers = []

    def __enter__(self):
        self.start_scheduler()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    @property
    def file(self):
        return self.path / "scheduler.json"

    @property
    def address(self):
        """Address of the scheduler."""
        text = self.file.read_text(encoding="utf-8")
        return text.partition('"address": "')[2].partition('"')[0]

    def start(self, program, *arguments, before=(), **environment):
        """Starts a program of dask."""
        command = [*before, sys.executable, "-m", f"distributed.cli.{program}", "--host", "127.0.0.1"]
        process = subprocess.Popen(
            [*command, "--scheduler-file", str(self.file), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment, **environment},
            cwd=self.path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def start_scheduler(self):
        """Starts a scheduler, at first or in place of one that has ended."""
        self.file.unlink(missing_ok=True)
        self.scheduler = self.start("dask_scheduler", "--port", "0", "--no-dashboard")
        # It is there before it is written.
        wait_until(lambda: self.file.is_file() and self.file.read_text().rstrip().endswith("}"), "scheduler")

    def await_worker(self):
        """Waits until a worker has joined."""
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=PATIENCE)

    def await_living(self):
        """Waits until every worker whose process lives has joined: one on its way would never miss the scheduler."""
        with Client(self.address, set_as_default=False) as client:
            # One that was let go may still be ending: it is counted anew each time.
            wait_until(
                lambda: len(client.nthreads()) >= sum(worker.poll() is None for worker in self.workers),
                "the workers to join",
            )

    def worker(self, *arguments, before=(), **environment):
        """Starts a worker of one thread, without a nanny: its process is the one that does tasks."""
        arguments = ("--nthreads", "1", "--no-nanny", "--no-dashboard", *arguments)
        local = ("--local-directory", str(self.path))
        process = self.start("dask_worker", *arguments, *local, before=before, **environment)
        self.workers.append(process)
        return process


@contextlib.contextmanager
def cluster(path, workers=1, **environment):
    """A cluster with so many workers."""
    path.mkdir(exist_ok=True)
    with Machines(path, **environment) as machines:
        for _ in range(workers):
            machines.worker()
        yield machines
