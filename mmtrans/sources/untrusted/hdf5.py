"""HDF5 files from elsewhere: every object is looked at before it is read, and damage is one sentence.

No link is followed and no other file is opened, a dataset whose header announces too much is refused before memory is
asked for, and whatever h5py raises on a damaged file becomes a ValueError. What kills or hangs the C library itself is
the business of `mmtrans.sources.untrusted.parent`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mmtrans.system.errors import refusal_of
from mmtrans.system.user_files import HDF5, check_file, unreadable, what_is

#: A dataset whose header announces more is refused before memory is asked for.
MAX_DATASET_BYTES = 4 << 30

#: What h5py raises on a damaged file.
DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError)

#: What a refusal says it expected, where the format's own reader does not say more.
LAYOUT = "an HDF5 file that holds its data itself"

_watchers: list[Callable[[str, str], None]] = []


def watch(note: Callable[[str, str], None]) -> None:
    """Has `note(file, object)` called before each access, for the case that the C library does not come back."""
    _watchers.append(note)


def _touch(path: object, where: str) -> None:
    for note in _watchers:
        note(str(path), where)


def refusal(
    path: Path | str, where: str, problem: object, remedy: str = "Download the file again", *, layout: str = LAYOUT
) -> ValueError:
    """The one sentence about a file that cannot be read; to be raised by the caller.

    It is the system's own where `problem` is a refusal of the system's.

    Args:
        path: the file.
        where: the object inside it.
        problem: a clause without a full stop, or an exception.
        remedy: what to do, without a full stop.
        layout: what the format's reader expects, e.g. `/data (segments, steps, dim)`.
    """
    return refusal_of(problem, path) or ValueError(
        f"The HDF5 file cannot be read: {' '.join(str(problem).split())}. Expected {layout}. "
        f"Received: {path}, {where}. {remedy}."
    )


def open_hdf5(path: Path | str, *, layout: str = LAYOUT) -> h5py.File:
    """Opens a file for reading; the caller closes it.

    Nothing is locked: nobody writes the file, and some network drives have no locks.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: `path` is no regular file, no HDF5 file, a damaged one, or the system refuses to open it.
    """
    _touch(path, "/")
    check_file(path, "HDF5 file", layout)
    try:
        return h5py.File(path, "r", locking=False)
    except DAMAGE as error:
        kind = what_is(path)
        if kind not in (None, HDF5):
            raise unreadable(path, "HDF5 file", layout, kind) from error
        remedy = "Download it again: it may be truncated"
        raise refusal(path, "not a whole HDF5 file", error, remedy, layout=layout) from error


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new file to write to, which is on the disk at the end.

    It is made in memory: a file that HDF5 cannot write when it closes it, as the disk is full, ends the process by a
    signal.

    Raises:
        OSError: the file cannot be written.
    """
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


def find_child(parent: h5py.Group, name: str, kind: type, *, layout: str = LAYOUT) -> h5py.Group | h5py.Dataset:
    """The group or dataset `name` of `parent`, stored in the file itself.

    Args:
        parent: a group, or the file.
        name: a single name, no path.
        kind: `h5py.Group` or `h5py.Dataset`.
        layout: what the format's reader expects, see `refusal`.

    Raises:
        ValueError: there is none, it is of the other kind, it is a soft or external link, or its header is damaged.
    """
    path, where = parent.file.filename, f"{(parent.name or '').rstrip('/')}/{name}"
    _touch(path, where)
    try:
        link = parent.get(name, getlink=True)
        child = parent[name] if isinstance(link, h5py.HardLink) else None
    except DAMAGE as error:
        raise refusal(path, where, error, layout=layout) from error
    if link is not None and child is None:
        raise refusal(path, where, "links are not followed", "Store the data in the file itself", layout=layout)
    if not isinstance(child, kind):
        problem = f"there is no {kind.__name__.lower()} {name!r}"
        raise refusal(path, where, problem, "Give a file of the expected layout", layout=layout)
    return child


def find_dataset(parent: h5py.Group, name: str, *, layout: str = LAYOUT) -> h5py.Dataset:
    """The dataset `name` of `parent`: of a size that may be read, with its values in the file itself.

    Raises:
        ValueError: `find_child` raises one, its header announces more than `MAX_DATASET_BYTES`, or its values lie in
            other files.
    """
    dataset, path = find_child(parent, name, h5py.Dataset, layout=layout), parent.file.filename
    try:
        shapes, itemsize = (dataset.shape or (), dataset.chunks or ()), dataset.dtype.itemsize
        elsewhere = dataset.is_virtual or dataset.external
    except DAMAGE as error:
        raise refusal(path, dataset.name, error, layout=layout) from error
    announced = max(math.prod(shape) * itemsize for shape in shapes)
    if announced > MAX_DATASET_BYTES:
        problem = f"{announced} bytes are more than {MAX_DATASET_BYTES}"
        raise refusal(path, dataset.name, problem, "Split the entry", layout=layout)
    if elsewhere:
        problem = "data in other files is not read"
        raise refusal(path, dataset.name, problem, "Store the data in the file itself", layout=layout)
    return dataset


def read_values(dataset: h5py.Dataset, *, layout: str = LAYOUT) -> np.ndarray:
    """All values of a dataset that `find_dataset` gave, in its shape and dtype; strings as the bytes that are stored.

    Raises:
        ValueError: the values cannot be read.
    """
    try:
        return dataset[()]
    except DAMAGE as error:
        raise refusal(dataset.file.filename, dataset.name, error, layout=layout) from error
