"""What a file of figures says of itself: the command, the commit of what was measured, the date, and the machine."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from mmtrans.system.cores import usable_cores

ROOT = Path(__file__).resolve().parents[2]

#: What is measured.
_CODE = ("mmtrans", "tfrecords")

#: Losses and scores of small trainings, which change where training learns something else.
_GOLDEN = "tests/golden/keras-3.json"


def provenance(command: str) -> dict[str, Any]:
    """What stands first in a file of figures.

    Args:
        command: what was given, as one may give it again.
    """
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"command": command, "commit": commit_of(ROOT, *_CODE), "date": date, "hardware": hardware()}


def command_of(module: str, arguments: Sequence[str] | None) -> str:
    """The command that calls a module of ours.

    Args:
        module: its name.
        arguments: its arguments, or `None` for those of this process; of an absolute path its name is kept, since the
            rest says nothing about the measurement.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["python", "-m", module, *map(named, given)])


def named(value: Any) -> Any:
    """A value; of an absolute path its name alone."""
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


def commit_of(tree: Path, *folders: str) -> str | None:
    """The last commit that changed folders of a checkout, with `+` where files differ from it; `None` without git."""
    commit = _git(tree, "log", "-1", "--format=%h", "--abbrev=12", "--", *folders)
    changes = _git(tree, "status", "--porcelain", "--", *folders)
    return (commit or "").strip() + "+" * bool((changes or "").strip()) or None


def hardware() -> dict[str, Any]:
    """Processor and memory of this machine, and the cores that this process may use."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def is_stale(content: Mapping[str, Any], tree: Path = ROOT) -> bool:
    """Whether figures may be others by now; false where git does not know their commit.

    Those of speed are stale where the code has changed since. Those of models are where a golden number of their commit
    has another value now: other changes of the code do not touch what is learned.

    Args:
        content: a file of figures.
        tree: the checkout that it is compared with.
    """
    commit = str(content["commit"]).rstrip("+")
    if "lines" in content:
        changed = _git(tree, "diff", "--name-only", commit, "--", *_CODE)
        return bool(changed)
    then, now = _git(tree, "show", f"{commit}:{_GOLDEN}"), tree / _GOLDEN
    if then is None or not now.is_file():
        return False
    numbers = json.loads(now.read_text(encoding="utf-8"))
    return any(numbers.get(name) != value for name, value in json.loads(then).items())


def _git(tree: Path, *asked: str) -> str | None:
    """What git says, or `None` where it fails or there is none."""
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", "-C", str(tree), *asked], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
