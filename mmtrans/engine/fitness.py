"""Whether a worker has what the tasks need: the same versions, the same files, memory."""

from __future__ import annotations

import hashlib
import importlib
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Fitness:
    """What a worker must have, as the client found it at its own place.

    Attributes:
        versions: module → its version; `python` is Python's.
        files: file → sha256 of its bytes, `None` where there is none.
        memory: bytes that a task takes.
    """

    versions: Mapping[str, str]
    files: Mapping[Path, str | None]
    memory: int = 0

    def difference(self, address: str) -> str | None:
        """What this process, a worker of that address, lacks, in one sentence, or `None`."""
        place = place_of(address)
        for name, version in self.versions.items():
            found = platform.python_version() if name == "python" else _version_of(name)
            if not _same_version(name, version, found):
                return another_version(name, version, found, place)
        for path, expected in self.files.items():
            found = hash_of(path)
            if found != expected:
                what = "no such file" if found is None else "other content"
                return (
                    f"A worker does not see the same files. Expected {path} as this machine has it. "
                    f"Received: {what} ({place}). Give it the same file system, or a path that both have."
                )
        if (free := psutil.virtual_memory().available) < self.memory:
            return (
                f"A worker has too little memory. Expected {_mib(self.memory)} free, which one task takes. "
                f"Received: {_mib(free)} ({place}). Start fewer workers there, or choose a smaller --batch-size."
            )
        return None


def place_of(address: str) -> str:
    """What this process, a worker of that address, is called."""
    return f"worker {address} on {socket.gethostname()}"


def another_version(name: str, expected: str, found: str, place: str) -> str:
    """The sentence of a worker, named by `place`, that has another version of a module."""
    return (
        f"A worker has another version. Expected {name} {expected}. Received: {found} ({place}). Install that version "
        f"where the worker runs."
    )


def _version_of(name: str) -> str:
    try:
        return str(importlib.import_module(name).__version__)
    except ModuleNotFoundError:
        return "none"


def _same_version(name: str, one: str, other: str) -> bool:
    if name == "python":
        # Its third number changes no arithmetic, and no pickle.
        return one.split(".")[:2] == other.split(".")[:2]
    return one == other


def hash_of(path: Path) -> str | None:
    """sha256 of a small file, or `None` where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _mib(number: int) -> str:
    return f"{number / 2**20:.0f} MiB"
