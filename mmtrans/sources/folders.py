"""What lies within a folder: links to folders are followed, each file is listed once, and loops end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn


def files_within(folder: Path, aside: list[Path] | None = None) -> Iterator[Path]:
    """All files within a folder and its sub-folders, also what is no regular file.

    Hidden files and folders are left aside, and so are links to the folder itself or to one above it: what lies beside
    it is no part of it. Of several paths to one file the first is taken, a link after all others.

    Args:
        folder: the folder to look in.
        aside: gets the links to folders that are not followed.

    Raises:
        OSError: a folder cannot be read.
    """
    root, aside = os.path.realpath(folder), [] if aside is None else aside
    seen = {root}
    for top, names, files in os.walk(folder, onerror=_fail, followlinks=True):
        found = []
        for name in sorted(names, key=lambda name: (os.path.islink(os.path.join(top, name)), name)):
            path = os.path.join(top, name)
            real = os.path.realpath(path)
            if name.startswith(".") or (real in seen and real != root):
                continue
            if Path(root).is_relative_to(real):
                aside.append(Path(path))
            else:
                seen.add(real)
                found.append(name)
        names[:] = found
        for name in sorted(files, key=lambda name: (os.path.islink(os.path.join(top, name)), name)):
            path = Path(top, name)
            real = os.path.realpath(path)
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                yield path


def _fail(error: OSError) -> NoReturn:
    raise error
