"""Files that mean something only together: all of them are replaced or none, also where the process is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

#: In the directory of the files: new ones that are being written, and new ones that are all there.
_PARTIAL, _WHOLE = ".new.partial", ".new"


def write_together(directory: Path, texts: Mapping[str, str]) -> None:
    """Replaces text files of a directory, which it makes. One process at a time writes there.

    Args:
        directory: the directory of the files.
        texts: file name → content.
    """
    finish(directory)
    partial = directory / _PARTIAL
    partial.mkdir(parents=True)
    for name, text in texts.items():
        (partial / name).write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, directory / _WHOLE)
    finish(directory)


def finish(directory: Path) -> None:
    """Ends what a killed process began, so that the files go together again."""
    whole = directory / _WHOLE
    if whole.is_dir():
        for file in sorted(whole.iterdir()):
            os.replace(file, directory / file.name)
        whole.rmdir()
    shutil.rmtree(directory / _PARTIAL, ignore_errors=True)
