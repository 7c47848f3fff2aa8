"""Which files are computational sequences."""

from __future__ import annotations

from pathlib import Path

from mmtrans.sources.folders import files_within
from mmtrans.system.user_files import HDF5_SIGNATURE, has_file, starts_with

_HDF5_SUFFIXES = (".csd", ".h5", ".hdf5", ".hdf")


def find_csd_files(path: Path, aside: list[Path] | None = None) -> list[Path]:
    """Lists the computational sequences at `path`, sorted: the file itself, or all within the folder.

    They are the files with the HDF5 signature, and those named .csd or .h5 even without it, so that a truncated
    download is reported instead of overlooked; see `files_within` for links and hidden files. `aside` gets the links
    that are left aside, those to nothing too.

    Raises:
        ValueError: a file of such a name is no regular file.
    """
    if not path.is_dir():
        return [path]
    found = []
    for file in files_within(path, aside):
        if is_csd(file):
            found.append(file)
        elif aside is not None and not file.exists():
            aside.append(file)
    return sorted(found)


def is_csd(path: Path) -> bool:
    """Whether a file has the HDF5 signature, or the name of an HDF5 file."""
    if path.suffix.lower() in _HDF5_SUFFIXES:
        return has_file(path, "HDF5 file")
    return path.is_file() and starts_with(path, HDF5_SIGNATURE)
