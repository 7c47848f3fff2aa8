"""Copies a run directory in which another process, believed dead, may still be training."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mmtrans.system.files import link_file
from tfrecords.directories import new_directory


def copy_run(source: Path, target: Path) -> None:
    """Copies what is safe in a run directory, so that training goes on there as it would have in the first place.

    What a run holds is replaced and never written to, so a link is a copy; only TensorBoard's events grow. What is
    being made has a hidden name. What is dropped meanwhile is left out: of a checkpoint, whose checksums then tell, or
    an older one.

    Args:
        source: the run directory.
        target: the directory to make, which appears whole or not at all; none where there is no `source`.
    """
    if source.is_dir():
        with new_directory(target) as partial:
            _copy_files(source, partial)


def _copy_files(source: Path, target: Path) -> None:
    # Before the weights: where it tells that a phase is finished, they are the last ones.
    for path in source.glob("phases/*/phase.json"):
        _copy(path, source, target)
    for path in _files(source):
        if path.name != "phase.json":
            _copy(path, source, target)


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def _copy(path: Path, source: Path, target: Path) -> None:
    name = path.relative_to(source)
    copied = target / name
    copied.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if name.parts[0] == "logs":
            shutil.copyfile(path, copied)
        else:
            link_file(path, copied)
