"""Paths that people spell in several ways."""

from __future__ import annotations

import os
from pathlib import Path


def spelled(path: str) -> str:
    """One spelling of `P`, `./P` and `P/`; an empty path stays empty."""
    return str(Path(path)) if path else ""


def same_place(path: str, other: str) -> bool:
    """Whether two paths, however they are spelled, are of the same file or directory; empty is a place of its own."""
    return path == other or bool(path and other and os.path.realpath(path) == os.path.realpath(other))
