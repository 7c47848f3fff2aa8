"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfrecords.directories import named, partial_path, recover


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file under a temporary name, then renames it."""
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file that appears whole or not at all, in place of one that is there.

    The body writes the file that it is given, which lies beside `path` and is renamed at the end, or removed after an
    error or Ctrl-C. Its name is this process' own, so that several may write at a time: the last one wins.
    """
    recover(path)
    partial = partial_path(path)
    try:
        with named(partial, path):
            yield partial
            os.replace(partial, path)
    finally:
        # Gone already after the rename.
        partial.unlink(missing_ok=True)
