"""A tiny writer of computational sequences for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np


def write_csd(
    path: Path,
    root: str,
    entries: Mapping[str, tuple[object, object]],
    *,
    metadata: Mapping[str, object] | None = None,
    bare_metadata: bool = False,
    gzip: bool = False,
) -> Path:
    """Writes entry id → (features, intervals) as one .csd file; metadata as JSON, or bare as older files have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"compression": "gzip", "chunks": True} if gzip else {}
    with h5py.File(path, "w") as file:
        group = file.create_group(root)
        data = group.create_group("data")
        for entry, (features, intervals) in entries.items():
            target = data.create_group(entry)
            target.create_dataset("features", data=np.asarray(features), **options)
            target.create_dataset("intervals", data=np.asarray(intervals), **options)
        notes = group.create_group("metadata")
        for key, value in {"root name": root, **(metadata or {})}.items():
            text = str(value) if bare_metadata else json.dumps(value)
            notes.create_dataset(key, (1,), dtype=h5py.string_dtype())[0] = text
    return path


def words_of(*words: str) -> np.ndarray:
    """The features `(steps, 1)` of a sequence of words, as fixed-length bytes."""
    return np.array([[word.encode()] for word in words])
