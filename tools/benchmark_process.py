"""Runs a command in a process of its own, and measures it with all its children."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Often at first, for short commands; then seldom, as looking costs CPU time that the command would have.
#: A peak between two looks is still seen where one process alone makes it: the kernel keeps each one's own.
SAMPLING_SECONDS = (0.01, 0.1)
SHORT_SECONDS = 1.0


@dataclass(frozen=True)
class Usage:
    """What a finished command took.

    Args:
        stdout: what the command printed.
        wall_seconds: time from start to exit in seconds, the interpreter's start included.
        cpu_seconds: user and system time of the process and the children that it waited for.
        peak_rss_mib: most resident memory of the process tree at one time, MiB; `None` where there is no /proc.
    """

    stdout: str
    wall_seconds: float
    cpu_seconds: float
    peak_rss_mib: float | None


def run_measured(
    command: Sequence[str], environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Usage:
    """Runs a command to its end. Not for use from several threads: CPU time is that of all finished children.

    Args:
        command: program and arguments.
        environment: the whole environment of the command; `None` inherits.
        directory: where it runs; `None` for here.

    Raises:
        FileNotFoundError: no such program.
        ValueError: the command ended with an exit code other than 0; the message has the last line of its stderr.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        before, start = _children_cpu_seconds(), time.perf_counter()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, cwd=directory)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"There is no such program. Expected an interpreter. Received: {str(command[0])!r}. Check its path."
            ) from error
        # Beside the wait, not in turns with it, which would round the times up.
        sampler = _MemorySampler(process.pid)
        sampler.start()
        try:
            process.wait()
            wall_seconds, cpu_seconds = time.perf_counter() - start, _children_cpu_seconds() - before
        finally:
            # On Ctrl-C; a process that has ended is left alone.
            process.kill()
            process.wait()
            sampler.stop()
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    if process.returncode:
        last = (stderr.strip() or "nothing on stderr").splitlines()[-1]
        raise ValueError(
            f"A measured command failed. Expected exit code 0. Received: exit_code={process.returncode}, {last!r} "
            f"({' '.join(map(str, command))}). Run it by itself."
        )
    return Usage(stdout, wall_seconds, cpu_seconds, round(sampler.peak_mib, 1) or None)


class _MemorySampler(threading.Thread):
    """Follows the memory of a process tree until told to stop."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_mib = 0.0
        self._ended = threading.Event()

    def run(self) -> None:
        start = time.monotonic()
        while True:
            self.peak_mib = max(self.peak_mib, tree_rss_mib(self.pid))
            interval = SAMPLING_SECONDS[time.monotonic() - start > SHORT_SECONDS]
            if self._ended.wait(interval):
                return

    def stop(self) -> None:
        self._ended.set()
        self.join()


def tree_rss_mib(pid: int) -> float:
    """Resident memory of a process and its descendants, MiB: their sum now, or the highest peak of one if larger.

    0 where there is no /proc, or no such process.
    """
    total = highest = 0.0
    pids = [pid]
    while pids:
        pid = pids.pop()
        rss, peak = _rss_mib(pid)
        total, highest = total + rss, max(highest, peak)
        pids += _children(pid)
    return max(total, highest)


def peak_rss_mib() -> float | None:
    """Highest resident memory of this process so far, MiB; `None` where there is no /proc."""
    # Not getrusage: after a fork it starts from the parent's peak.
    return round(_rss_mib("self")[1], 1) or None


def _rss_mib(pid: int | str) -> tuple[float, float]:
    """Resident memory of one process: now, and its peak."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        # It may end at any moment.
        return 0.0, 0.0
    values = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
    now, peak = (int(values.get(name, "0 kB").split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
