"""Where the embedded corpus of `mmtrans-train` is kept."""

from __future__ import annotations

from pathlib import Path

from mmtrans.system.cache import cache_folder

#: Part of the cache's directory name; raised when the generator changes.
CORPUS_VERSION = 1


def embedded_corpus_dir() -> Path:
    """Directory of the embedded corpus in the user's cache."""
    return cache_folder(f"synthetic-{CORPUS_VERSION}")
