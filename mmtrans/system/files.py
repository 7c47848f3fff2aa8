"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmtrans.system.lease import fence_of
from tfrecords.directories import named, new_directory, partial_path, recover


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file under a temporary name, then renames it."""
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file that appears whole or not at all, in place of one that is there.

    The body writes the file that it is given, which lies beside `path` and is renamed at the end, or removed after an
    error or Ctrl-C. Its name is this process' own, so that several may write at a time: the last one wins. In a
    directory that this process holds it lies behind the fence, and only the latest holder can rename it.

    Raises:
        LeaseLostError: another process holds the directory by now.
    """
    recover(path)
    fence = fence_of(path)
    partial = fence.staged(path) if fence else partial_path(path)
    try:
        with named(partial, path):
            yield partial
            (fence.replace if fence else os.replace)(partial, path)
    finally:
        # Gone already after the rename.
        partial.unlink(missing_ok=True)


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """A directory that appears whole or not at all, in place of one that is there; behind the fence as `new_file`.

    Raises:
        LeaseLostError: another process holds the directory around it by now.
    """
    fence = fence_of(path)
    if fence is None:
        with new_directory(path, overwrite=True) as partial:
            yield partial
        return
    try:
        with new_directory(path, lambda _: fence.check(), overwrite=True, partial=fence.staged(path)) as partial:
            yield partial
    except FileNotFoundError:
        fence.check()
        raise


def link_tree(source: Path, target: Path, without: str = "") -> None:
    """Copies a directory by hard links; nothing where there is none. Files in a run are replaced, never written to."""
    if source.is_dir():
        ignore = shutil.ignore_patterns(without)
        shutil.copytree(source, target, copy_function=link_file, ignore=ignore, dirs_exist_ok=True)


def link_file(source: str | Path, target: str | Path) -> None:
    """Copies a file by a hard link."""
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def check_new_file(path: str | Path, flag: str) -> None:
    """Raises a ValueError where no file can be put, before the work whose result it is to hold.

    Args:
        path: the file; it may be there, and neither need its folder be.
        flag: name of the flag that named the file, for the message.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        problem = "it is a folder" if path.is_dir() else "it is no regular file"
    else:
        problem = _problem_of(path.absolute().parent)
    if problem:
        raise ValueError(
            f"No file can be written there. Expected the name of a new file, or of one to replace. "
            f"Received: {flag.removeprefix('--')}={path} ({problem}). Give another name with {flag}."
        )
    # A name that is too long for the file system is an OSError, which names it.
    with suppress(FileNotFoundError), named(partial_path(path), path):
        partial_path(path).lstat()


def check_directory(path: str | Path, flag: str) -> None:
    """Raises a ValueError where no files can be put into a directory, before the work whose results they are.

    Args:
        path: the directory, which need not be there.
        flag: name of the flag that names the directory, or may name another, for the message.
    """
    if problem := _problem_of(Path(path).absolute()):
        raise ValueError(
            f"Nothing can be written there. Expected a directory that may be written to. "
            f"Received: {path} ({problem}). Name another place with {flag} DIR."
        )


def may_write(folder: Path) -> bool:
    """Whether files can be put into a folder, which is made if there is none."""
    return _problem_of(folder.absolute()) is None


def _problem_of(folder: Path) -> str | None:
    """Why no file can be put into a folder, which is made if there is none; `None` where it can."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} may not be written to"
