"""A tiny writer of computational sequences for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from tests.sources.format_files import SPLITS, Truth, truth


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


def words_of(*words: str | bytes) -> np.ndarray:
    """The features `(steps, 1)` of a sequence of words, as fixed-length bytes."""
    return np.array([[word if isinstance(word, bytes) else word.encode()] for word in words])


def write_truth(path: Path, segments: Sequence[Truth] | None = None) -> Path:
    """The corpus of the other formats as a folder of sequences, one entry a segment; a word takes a second."""
    segments = segments or truth()
    times = {s.id: np.stack([np.arange(len(s.words)), np.arange(1, len(s.words) + 1)], axis=1) for s in segments}
    words = {s.id: (words_of(*s.words), times[s.id]) for s in segments}
    write_csd(path / "words.csd", "words", words, metadata={"dimension names": ["word"]})
    labels = {s.id: (np.float32([[s.label]]), [[0, len(s.words)]]) for s in segments}
    write_csd(path / "labels.csd", "Opinion Segment Labels", labels)
    for name, root in (("text", "glove_vectors"), ("audio", "COVAREP"), ("video", "FACET 4.1")):
        entries = {s.id: (s.raw[name], times[s.id]) for s in segments if name in s.raw}
        write_csd(path / f"{name}.csd", root, entries)
    folds = {split: sorted({s.video for s in segments if s.split == split}) for split in SPLITS}
    (path / "folds.json").write_text(json.dumps(folds), encoding="utf-8")
    return path
