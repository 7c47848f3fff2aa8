"""Copies of the runs that the runs of a grid start from (`init`): a grid goes on when those are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmtrans.grid.description import read_description
from mmtrans.runs.run import Run
from mmtrans.system.paths import same_place
from mmtrans.training.init import open_init

#: In a grid's directory, a directory for each, named by the first 16 digits of the hash of its translations.
INITS = "inits"


def copy_path(path: Path, init_hash: str) -> Path:
    """Where a grid keeps a copy."""
    return path / INITS / init_hash[:16]


def open_inits(path: Path, inits: Iterable[str]) -> dict[str, Run]:
    """Opens runs to start from: a grid's copies, where `grid.json` names them.

    Args:
        path: the grid's directory, which may not be there yet.
        inits: the runs' directories, as `Config.init` has them.

    Raises:
        FileNotFoundError: there is neither a copy nor a run.
    """
    known = (read_description(path) or {}).get("inits", {})
    return {init: open_init(init, copy_path(path, known[init]) if init in known else None) for init in inits}


def spelled_as_known(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a configuration, of which `init` is spelled as in a grid's `grid.json` where that names the place."""
    known = (read_description(path) or {}).get("inits", {})
    init = next((name for name in known if same_place(name, fields.get("init", ""))), None)
    return {**fields, "init": init} if init else dict(fields)


def keep_inits(path: Path, inits: Mapping[str, Run]) -> dict[str, str]:
    """Copies runs into a grid's directory, unless they are there, and returns their hashes."""
    for init in inits.values():
        target = copy_path(path, init.translations_hash)
        if not target.is_dir():
            init.copy_translations(target)
    return {name: init.translations_hash for name, init in inits.items()}
