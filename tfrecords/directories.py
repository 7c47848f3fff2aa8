"""Directories that appear whole or not at all, and what processes that were killed leave of them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tfrecords.processes import Process

#: What a rename onto a directory that holds something, or onto a file, fails with.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)

#: What writing fails with, without telling of which file.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


#: Of one process, several threads may make the same.
_numbers = itertools.count()


def partial_path(path: Path) -> Path:
    """A new place beside `path` where this process makes what is to be renamed to it."""
    return _beside(path, "partial")


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}-{Process.this()}-{next(_numbers)}")


def is_leftover(name: str) -> bool:
    """Whether a file or directory has the name of one that was being made, or replaced, when a kill came."""
    return re.fullmatch(r"\..*\.(partial|old)(-[0-9a-f-]+)?", name) is not None


def recover(path: Path) -> None:
    """Clears away what processes that no longer run have left beside `path`.

    A kill between the two renames of a replacement leaves what was replaced, and nothing at `path`: it is put back.
    """
    if not path.parent.is_dir():
        return
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(partial|old)(?:-([0-9a-f-]+))?")
    found = [(match[1], match[2], left) for left in path.parent.iterdir() if (match := pattern.fullmatch(left.name))]
    # First those that were replaced.
    for kind, maker, left in sorted(found, key=lambda item: item[0]):
        if not _is_left(maker):
            continue
        # Another command may be doing the same.
        with contextlib.suppress(FileNotFoundError):
            if kind == "old" and not path.exists():
                left.rename(path)
            else:
                remove(left)


def _is_left(maker: str | None) -> bool:
    """Whether the maker of a leftover, as its name tells, runs no more. Older versions wrote its number, or nothing."""
    if maker is None:
        return True
    process = Process.parse(maker.rpartition("-")[0])
    if maker.isdigit():
        process = Process(int(maker), Process.this().machine, 0)
    if process is None:
        return False
    # What has the number of this process, which has begun nothing yet, is of one that had it before.
    return process.is_gone or (process.started == 0 and process.pid == os.getpid() and process.is_local)


@contextlib.contextmanager
def named(partial: Path, path: Path) -> Iterator[None]:
    """Context that makes what is to be `path` under the name `partial`: the system's errors tell of `path`."""
    try:
        yield
    except OSError as error:
        names = [name for name in (error.filename, error.filename2) if name is not None]
        if any(str(name).startswith(str(partial)) for name in names) or (not names and error.errno in _NO_ROOM):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def remove(path: Path) -> None:
    """Removes a directory or a file; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        # A read-only place would refuse to remove even what is not there.
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(
    directory: str | Path,
    check: Callable[[Path], None] | None = None,
    *,
    overwrite: bool = False,
    partial: Path | None = None,
) -> Iterator[Path]:
    """A directory that appears whole or not at all.

    The body fills the directory that it is given, `.<name>.partial-<process>` beside `directory`, which is renamed at
    the end, or removed after an error or Ctrl-C. With `overwrite` what is there is renamed to `.<name>.old-<process>`
    just before. A kill leaves the old or the new directory in place; in the moment between both renames it leaves the
    old one under that name, and the next call puts it back. Each call clears away what processes that no longer run
    have left.

    Args:
        directory: the directory to make. It may exist empty.
        check: `check(target)` raises a ValueError where something is in the way. It is called before the body, and
            again where something has come in the way by then.
        overwrite: replace what is there.
        partial: where the new one is made, in place of a directory beside it.

    Raises:
        ValueError: `check` raises one.
        OSError: something is in the way, and there is no `check`, or the system refuses.
    """
    target = Path(os.path.realpath(directory))
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    if check is not None:
        check(target)
    partial = partial or partial_path(target)
    try:
        with named(partial, target):
            partial.mkdir()
            yield partial
            if overwrite and check is not None:
                check(target)
            _put_in_place(partial, target, check, overwrite)
    finally:
        # Gone already after the rename.
        remove(partial)


def _put_in_place(partial: Path, target: Path, check: Callable[[Path], None] | None, overwrite: bool) -> None:
    while True:
        try:
            return _rename(partial, target, overwrite)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            # Another command was faster.
            if check is not None:
                check(target)
            if not overwrite:
                raise


def _rename(partial: Path, target: Path, overwrite: bool) -> None:
    old, is_put = _beside(target, "old"), False
    try:
        if overwrite:
            with contextlib.suppress(FileNotFoundError):
                target.rename(old)
        with contextlib.suppress(OSError):
            # Only an empty directory goes; not every system renames onto one.
            target.rmdir()
        # Onto one that holds something the rename fails: nobody's work is lost.
        partial.rename(target)
        is_put = True
    finally:
        if is_put:
            remove(old)
        else:
            _put_back(old, target)


def _put_back(old: Path, target: Path) -> None:
    """Puts back what was there, unless another command was faster; what cannot be put back is left to `recover`."""
    try:
        old.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            remove(old)
