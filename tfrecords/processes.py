"""Which process a file belongs to, and whether that process is gone."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

_TEXT = re.compile(r"(\d+)-([0-9a-f]{8})-(\d+)")


@dataclass(frozen=True)
class Process:
    """A process of some machine.

    Attributes:
        pid: number of the process.
        machine: name of the machine where that number means something; see `this_machine`.
        started: time at which the process started, by the clock of its machine's kernel; 0 where that is not known. A
            later process may get the same number, and has another start.
    """

    pid: int
    machine: str
    started: int

    @classmethod
    def this(cls) -> Process:
        """The process that asks."""
        return cls(os.getpid(), this_machine(), _start_of(os.getpid()) or 0)

    @classmethod
    def parse(cls, text: str) -> Process | None:
        """The process that `str` gave the text for, or `None` for another text."""
        match = _TEXT.fullmatch(text)
        return cls(int(match[1]), match[2], int(match[3])) if match else None

    def __str__(self) -> str:
        return f"{self.pid}-{self.machine}-{self.started}"

    @property
    def is_local(self) -> bool:
        """Whether this machine can tell what became of it."""
        return self.machine == this_machine()

    @property
    def is_gone(self) -> bool:
        """Whether it has certainly ended; a process of another machine never has."""
        if not self.is_local:
            return False
        if Path("/proc/self/stat").exists():
            started = _start_of(self.pid)
            return started is None or self.started not in (0, started)
        return not _answers(self.pid)


@functools.cache
def this_machine() -> str:
    """Eight digits for what a process number is valid in: the host since its last start, and the container."""
    parts = [socket.gethostname()]
    # Where it is not Linux, the host's name alone.
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"), os.readlink("/proc/self/ns/pid")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


def _start_of(pid: int) -> int | None:
    """When a running process started, in ticks since the start of the kernel; `None` of one that is not running."""
    try:
        # The second field is the command in parentheses, and may hold any character.
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None
    # A zombie has ended; its parent has not asked for its exit code yet.
    return None if state in (b"Z", b"X") else int(fields[18])


def _answers(pid: int) -> bool:
    if sys.platform == "win32":
        # There is no signal 0 there: it would interrupt the process.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
