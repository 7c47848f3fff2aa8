"""The commands that come next, as a user can type them from where they stand."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from mmtrans.system.escape import for_shell


def program(name: str = "mmtrans") -> str:
    """The name of a program of this environment where the shell finds it, else its path, as in `.venv/bin/mmtrans`."""
    beside = Path(sys.argv[0]).parent / name
    found = shutil.which(name)
    if not beside.is_file() or (found is not None and beside.samefile(found)):
        return name
    return for_shell(beside)
