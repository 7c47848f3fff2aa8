"""Where a run may be made or go on: a new directory, what an interruption left, or a run of the same."""

from __future__ import annotations

from pathlib import Path

from mmtrans.config import FIELDS, Config
from mmtrans.runs.seen import SEEN
from mmtrans.system.fence import TOKENS
from mmtrans.system.lease import LEASE
from mmtrans.system.paths import same_place
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
    left = ("config.yaml", "statistics.npz", SEEN, INIT, LEASE, TOKENS)
    return all(entry.name in left or is_leftover(entry.name) for entry in path.iterdir())


def check_unchanged(path: Path, made_for: tuple[Config, str], wanted: tuple[Config, str]) -> None:
    """Raises a ValueError where a configuration or records differ from those that a directory was made with.

    Args:
        path: the directory.
        made_for: configuration, and hash of the records' manifest, that it was made with.
        wanted: configuration, and hash of the records' manifest, that a command is to go on with.
    """
    (made_config, made_hash), (config, manifest_hash) = made_for, wanted
    before, after = made_config.to_dict(), config.to_dict()
    if same_place(made_config.plan.init, config.plan.init):
        after["init"] = before["init"]
    changed = sorted(name for name in before if before[name] != after[name] and not FIELDS[name].grows)
    if changed:
        listed = ", ".join(f"{name}: {before[name]!r} → {after[name]!r}" for name in changed)
        raise ValueError(
            f"The directory was made with another configuration. Expected the same fields (--epochs may grow). "
            f"Received: {listed} ({path}). Choose another directory, or repeat the old flags."
        )
    if config.optimisation.epochs < made_config.optimisation.epochs:
        raise ValueError(
            f"--epochs may only grow. Expected at least {made_config.optimisation.epochs}. "
            f"Received: epochs={config.optimisation.epochs} ({path})."
        )
    if manifest_hash != made_hash:
        raise ValueError(
            f"The directory was made with other records. Expected manifest {made_hash[:12]}. "
            f"Received: {manifest_hash[:12]} ({path}). Choose another directory."
        )
