"""Numpy's .npz archives from elsewhere: no Python objects, no sizes on trust, and damage is one sentence."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from mmtrans.system.errors import refusal_of
from mmtrans.system.user_files import PLAIN_ZIP, check_file, unreadable, what_is

#: An array whose header announces more is refused before memory is asked for.
MAX_ARRAY_BYTES = 4 << 30

_LAYOUT = "arrays (steps, dim) of numbers, written by numpy.savez"

#: What zipfile and numpy raise on a damaged file.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    RuntimeError,
    OverflowError,
    RecursionError,
    MemoryError,
)


def open_npz(path: Path) -> zipfile.ZipFile:
    """Opens an archive; the caller closes it.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the file is no whole .npz archive.
    """
    check_file(path, ".npz archive", _LAYOUT)
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        kind = what_is(path)
        if kind is not None:
            raise unreadable(path, ".npz archive", _LAYOUT, kind) from error
        raise _refusal(path, "the archive", error) from error
    if not all(name.endswith(".npy") for name in archive.namelist()):
        archive.close()
        raise unreadable(path, ".npz archive", _LAYOUT, what_is(path) or PLAIN_ZIP)
    return archive


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays, as `numpy.savez` was given them."""
    return [name.removesuffix(".npy") for name in archive.namelist()]


def array_shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """The shape that an array's header announces, after a check that the archive holds so many numbers.

    Raises:
        ValueError: no array of numbers, a damaged or dishonest header, or more than `MAX_ARRAY_BYTES`.
    """
    path = Path(str(archive.filename))
    try:
        with archive.open(_member(archive, name)) as stream:
            version = np.lib.format.read_magic(stream)
            reads = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in reads:
                raise ValueError(f"version {version} of the .npy format")
            shape, _, dtype = reads[version](stream)
            size, announced = math.prod(shape) * dtype.itemsize, archive.getinfo(_member(archive, name)).file_size
    except _DAMAGE as error:
        raise _refusal(path, name, error) from error
    if dtype.kind not in "fiub":
        raise _refusal(path, name, f"values of dtype {dtype} are no numbers")
    if size > MAX_ARRAY_BYTES or size > announced:
        raise _refusal(path, name, f"a header that announces {size} bytes in a member of {announced}")
    return shape


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads one array of numbers.

    Raises:
        ValueError: `array_shape` raises one, or the values cannot be read.
    """
    array_shape(archive, name)
    try:
        with archive.open(_member(archive, name)) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except _DAMAGE as error:
        raise _refusal(Path(str(archive.filename)), name, error) from error


def _member(archive: zipfile.ZipFile, name: str) -> str:
    return f"{name}.npy" if f"{name}.npy" in archive.NameToInfo else name


def _refusal(path: Path, name: str, problem: object) -> ValueError:
    return refusal_of(problem, path) or ValueError(
        f"The .npz archive cannot be read: {type(problem).__name__ + ' ' if isinstance(problem, Exception) else ''}"
        f"{' '.join(str(problem).split())[:200]}. Expected {_LAYOUT}. "
        f"Received: {path}, {name}. Write the file again."
    )
