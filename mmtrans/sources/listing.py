"""Which files of a source are HDF5 files and which are pickles, by their names and first bytes."""

from __future__ import annotations

from pathlib import Path

from mmtrans.sources.folders import files_within
from mmtrans.system.user_files import HDF5_SIGNATURE, has_file, starts_with

PICKLE_SUFFIXES = (".pkl", ".pickle", ".p")
_HDF5_SUFFIXES = (".csd", ".h5", ".hdf5", ".hdf")


def find_hdf5_files(path: Path, aside: list[Path] | None = None) -> list[Path]:
    """Lists the HDF5 files at `path`, sorted: the file itself, or all within the folder.

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
        if is_hdf5(file):
            found.append(file)
        elif aside is not None and not file.exists():
            aside.append(file)
    return sorted(found)


def is_hdf5(path: Path) -> bool:
    """Whether a file has the HDF5 signature, or the name of an HDF5 file."""
    if path.suffix.lower() in _HDF5_SUFFIXES:
        return has_file(path, "HDF5 file")
    return path.is_file() and starts_with(path, HDF5_SIGNATURE)


def find_pickles(folder: Path) -> list[Path]:
    """Lists the pickles that lie in a folder, sorted; hidden ones are left aside.

    Raises:
        ValueError: a file of such a name is no regular file.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICKLE_SUFFIXES and not file.is_dir())
    return [file for file in files if not file.name.startswith(".") and has_file(file, "pickle")]


def is_pickle(path: Path) -> bool:
    """Whether a file has the name of a pickle, or begins as those of protocol 2 and later do."""
    return path.suffix.lower() in PICKLE_SUFFIXES or starts_with(path, b"\x80")


def only_pickle(path: Path) -> Path:
    """The file itself, or the one pickle of the folder.

    Raises:
        ValueError: the folder holds none or several.
    """
    if path.is_file():
        return path
    files = find_pickles(path)
    if len(files) != 1:
        raise ValueError(
            f"The folder must hold one pickle. Expected one. Received: {[file.name for file in files][:6]} ({path}). "
            f"Give the path of the file."
        )
    return files[0]
