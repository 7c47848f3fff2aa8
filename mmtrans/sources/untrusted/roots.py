"""What lies at the root of HDF5 files, by which their format is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py

from mmtrans.sources.untrusted.hdf5 import DAMAGE, find_child, open_hdf5

#: Names that are looked at: files of the field have one.
MAX_NAMES = 1000

#: Stands for a root whose names cannot be read.
UNREADABLE: list[tuple[str, str | None]] = [("/", None)]


def look_at_roots(path: str, files: Sequence[str]) -> list[list[tuple[str, str | None]]]:
    """Tells for each file what lies at its root; to be called in a child process, which a file may kill.

    Args:
        path: path of the source.
        files: HDF5 files in it.

    Returns:
        For each file, in their order in it, names with the type and shape of a dataset, or with `None` for whatever
        else they name.

    Raises:
        ValueError: a file that cannot be opened. Damage tells no format: it is named, and not taken for a file of
            another one.
    """
    return [_look(Path(file)) for file in files]


def _look(path: Path) -> list[tuple[str, str | None]]:
    with open_hdf5(path) as file:
        try:
            names = [name for name, _ in zip(file, range(MAX_NAMES))]  # noqa: B905 - as many as there are
        except DAMAGE:
            return UNREADABLE
        return [(str(name), _describe(file, name)) for name in names]


def _describe(file: h5py.File, name: str) -> str | None:
    try:
        dataset = find_child(file, name, h5py.Dataset)
        return f"{dataset.dtype}{dataset.shape}"
    except DAMAGE:
        # A group, a link, or damage: the format's reader says what is wrong.
        return None
