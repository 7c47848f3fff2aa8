"""Where a run may be made: a new directory, or what making a run left when it was interrupted."""

from __future__ import annotations

from pathlib import Path

from mmtrans.runs.seen import SEEN
from mmtrans.system.lease import LEASE
from tfrecords.directories import is_leftover

#: In a run directory, the trained translations that the run started from.
INIT = "init"


def check_place(path: Path) -> None:
    """Raises a ValueError where there is something else than a run."""
    is_run = (path / "config.yaml").is_file() and (path / "environment.json").is_file()
    if path.exists() and not is_run and not (path.is_dir() and _is_unstarted(path)):
        raise ValueError(
            f"No run there, and not empty. Expected a new directory. Received: run={path}. Choose another --run."
        )


def _is_unstarted(path: Path) -> bool:
    """Whether a directory is empty, or holds only what making a run leaves when it is interrupted."""
    left = ("config.yaml", "statistics.npz", SEEN, INIT, LEASE)
    return all(entry.name in left or is_leftover(entry.name) for entry in path.iterdir())
