"""One computational sequence: a .csd file whose layout is known, and its entries read with their times."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources import hdf5
from mmtrans.sources.hdf5 import DAMAGE

LAYOUT = "a computational sequence, /<root>/data/<id> with features (steps, dim) and intervals (steps, 2)"

refusal = partial(hdf5.refusal, layout=LAYOUT)
open_file = partial(hdf5.open_hdf5, layout=LAYOUT)
_child = partial(hdf5.find_child, layout=LAYOUT)
_dataset = partial(hdf5.find_dataset, layout=LAYOUT)
_values = partial(hdf5.read_values, layout=LAYOUT)


@dataclass(frozen=True)
class Sequence:
    """What a .csd file holds.

    Args:
        path: the file.
        root: name of its one root group.
        holds_text: whether the rows are strings.
        dim: numbers a row.
        names: the columns' names, or none where the file does not tell.
        entries: video id → its entry ids, `<video>` or `<video>[k]`, in the order of their index.
    """

    path: Path
    root: str
    holds_text: bool
    dim: int
    names: tuple[str, ...]
    entries: Mapping[str, tuple[str, ...]]

    def find(self, key: str) -> tuple[str, ...]:
        """The entries that tell about `key`: `<video>[k]` its own, or the whole video's; a video all its entries."""
        video, _ = split_id(key)
        entries = self.entries.get(video, ())
        return (key,) if key in entries else tuple(e for e in entries if key == split_id(e)[0] or e == video)

    def load(self, file: h5py.File, key: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Reads what `find` finds.

        Returns:
            `(steps, 2)` float64 seconds and `(steps, dim)` float32, or `(steps,)` words as `read_words` takes them;
            `None` where there are no rows.

        Raises:
            ValueError: an entry that is damaged or does not fit the file's other entries.
        """
        data = _child(_child(file, self.root, h5py.Group), "data", h5py.Group)
        parts = [_load_entry(data, entry, self) for entry in self.find(key)]
        parts = [part for part in parts if len(part[0])]
        if len(parts) < 2:
            return parts[0] if parts else None
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def open_sequence(path: Path) -> Sequence:
    """Tells what a .csd file holds, from its first entry that has rows.

    Raises:
        ValueError: it is not a computational sequence, or a damaged or empty one.
    """
    with open_file(path) as file:
        try:
            root = next(iter(file), "<root>")
            group = _child(file, root, h5py.Group)
            data = _child(group, "data", h5py.Group)
            ids = sorted(data, key=split_id)
        except (OSError, RuntimeError, TypeError, KeyError) as error:
            raise refusal(path, "/", error) from error
        found = (_find_entry(data, entry) for entry in ids)
        first = next((entry for entry in found if entry[1].shape[0]), None)
        if first is None:
            raise refusal(path, data.name, "no entry has rows")
        _, features, holds_text = first
        dim = math.prod(features.shape[1:])
        names = _dimension_names(group) if not holds_text else ()
        # Some files number their columns, which names nothing.
        if len(names) != dim or names == tuple(map(str, range(dim))):
            names = ()
    entries: dict[str, list[str]] = {}
    for entry in ids:
        entries.setdefault(split_id(entry)[0], []).append(entry)
    frozen = {video: tuple(of_video) for video, of_video in entries.items()}
    return Sequence(path, root, holds_text, dim, names, frozen)


def split_id(entry: str) -> tuple[str, int]:
    """`v[3]` → `("v", 3)`; the id of a whole video has index -1, and so sorts before its segments."""
    match = re.fullmatch(r"(.+)\[(0|[1-9][0-9]{0,17})\]", entry, re.DOTALL)
    return (match[1], int(match[2])) if match else (entry, -1)


def _find_entry(data: h5py.Group, entry: str) -> tuple[h5py.Dataset, h5py.Dataset, bool]:
    group = _child(data, entry, h5py.Group)
    intervals, features = _dataset(group, "intervals"), _dataset(group, "features")
    shapes = f"features {features.dtype}{features.shape}, intervals {intervals.dtype}{intervals.shape}"
    holds_text = h5py.check_string_dtype(features.dtype) is not None
    fits = len(features.shape or ()) >= 2 and (intervals.shape or ())[:1] == features.shape[:1]
    if not fits or len(intervals.shape) != 2 or intervals.shape[1] != 2:
        raise refusal(data.file.filename, group.name, f"the shapes do not fit together, {shapes}")
    if intervals.dtype.kind not in "fiu" or not (holds_text or features.dtype.kind in "fiu"):
        raise refusal(data.file.filename, group.name, f"the values are neither numbers nor strings, {shapes}")
    return intervals, features, holds_text


def _load_entry(data: h5py.Group, entry: str, sequence: Sequence) -> tuple[np.ndarray, np.ndarray]:
    intervals, features, holds_text = _find_entry(data, entry)
    dim = math.prod(features.shape[1:])
    if holds_text != sequence.holds_text or dim != sequence.dim or (holds_text and dim != 1):
        problem = f"features {features.dtype}{features.shape} where the file has {sequence.dim} columns elsewhere"
        raise refusal(sequence.path, features.name, problem)
    times, content = _values(intervals).astype(np.float64), _values(features)
    if holds_text:
        return times, content.reshape(-1)
    # Doubles beyond the range of float32 become infinite here, and are masked with the infinities.
    with np.errstate(over="ignore"):
        return times, content.reshape(len(content), -1).astype(np.float32, copy=False)


def _dimension_names(group: h5py.Group) -> tuple[str, ...]:
    # Metadata is free text: JSON in files of the current SDK, anything in older ones. Names are a convenience, and
    # metadata that cannot be read is no reason to refuse the features.
    try:
        metadata = _child(group, "metadata", h5py.Group)
        names = json.loads(np.ravel(_dataset(metadata, "dimension names")[()])[0])
    except (*DAMAGE, IndexError, RecursionError):
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
