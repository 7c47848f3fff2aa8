"""The user's cache: files that can be made anew at any time, in a folder for each kind of them."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder of a kind of files, below `XDG_CACHE_HOME` or else `~/.cache`; it need not be there.

    Raises:
        RuntimeError: nothing tells where the user's home is.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative path says nothing, by the rules of XDG.
    return (root if root.is_absolute() else Path.home() / ".cache") / "mmtrans" / name
