"""Whether somebody seems to be at work in a directory, for tables that people read: nothing is decided by it."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from mmtrans.system.lease import LEASE, WATCH_SECONDS
from tfrecords.processes import Process


def is_at_work(directory: str | Path) -> bool:
    """Whether a process of this machine holds the directory, or one of another has renewed its lease a moment ago."""
    path = Path(directory) / LEASE
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(path.read_bytes()) if path.is_file() else None
        process = Process.parse(str(told.get("process"))) if isinstance(told, dict) else None
        if process is not None and process.is_local:
            return not process.is_gone
        return process is not None and time.time() - path.stat().st_mtime < WATCH_SECONDS
    return False
