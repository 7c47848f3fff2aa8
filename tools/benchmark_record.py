"""The file of a measurement: its lines, the command, the commit of what is measured, the date, and the machine."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from mmtrans.system.cores import usable_cores
from mmtrans.system.files import write_atomically

_ROOT = Path(__file__).resolve().parents[1]


class Record:
    """Writes a measurement's file anew with each line, so that what was measured before an interrupt is there.

    Args:
        path: the file.
        arguments: the command line.
    """

    def __init__(self, path: Path, arguments: Sequence[str]):
        self.path = path
        self.content: dict[str, Any] = {
            "command": shlex.join(["python", "-m", "tools.benchmark", *map(_named, arguments)]),
            "commit": commit_of(_ROOT, "mmtrans", "tfrecords"),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "hardware": hardware(),
            "lines": [],
        }

    def add(self, line: Mapping[str, Any]) -> None:
        """Adds a line."""
        line = dict(line)
        if "configuration" in line:
            line["configuration"] = {name: _named(value) for name, value in line["configuration"].items()}
        self.content["lines"].append(line)
        write_atomically(self.path, json.dumps(self.content, indent=1) + "\n")


def _named(value: Any) -> Any:
    """A value; of a path its name alone, since the rest says nothing about the measurement."""
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


def commit_of(tree: Path, *folders: str) -> str | None:
    """The last commit that changed folders of a checkout, with `+` where files differ from it; `None` without git."""
    if shutil.which("git") is None:
        return None
    commit, changes = (
        subprocess.run(["git", "-C", str(tree), *asked, "--", *folders], capture_output=True, text=True, check=False)
        for asked in (("log", "-1", "--format=%h", "--abbrev=12"), ("status", "--porcelain"))
    )
    return commit.stdout.strip() + "+" * bool(changes.stdout.strip()) or None


def hardware() -> dict[str, Any]:
    """Processor and memory of this machine, and the cores that this process may use."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
