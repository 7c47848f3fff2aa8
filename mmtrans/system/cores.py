"""The cores that this process may use, which a batch system or a container makes fewer than the machine has."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Number of cores that the process' affinity names; where the system has none, all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
