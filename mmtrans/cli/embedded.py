"""Where the embedded corpus of `mmtrans-train` is kept."""

from __future__ import annotations

import os
from pathlib import Path

#: Part of the cache's directory name; raised when the generator changes.
CORPUS_VERSION = 1


def embedded_corpus_dir() -> Path:
    """Directory of the embedded corpus in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "mmtrans" / f"synthetic-{CORPUS_VERSION}"
