"""One computational sequence: a .csd file whose layout is known, and its entries read with their times."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources.cleaning import to_float32
from mmtrans.sources.modalities import usual_width
from mmtrans.sources.untrusted import hdf5
from mmtrans.sources.untrusted.hdf5 import DAMAGE
from mmtrans.sources.words import storable_text
from mmtrans.system.arithmetic import ceil_div

LAYOUT = "a computational sequence, /<root>/data/<id> with features (steps, dim) and intervals (steps, 2)"

#: Entries that are looked at to tell what a file holds.
MAX_LOOKED_AT = 100

#: Whole numbers beyond this lose their differences in float64.
MAX_WHOLE_SECONDS = float(1 << 53)

refusal = partial(hdf5.refusal, layout=LAYOUT)
open_file = partial(hdf5.open_hdf5, layout=LAYOUT)
_child = partial(hdf5.find_child, layout=LAYOUT)
_dataset = partial(hdf5.find_dataset, layout=LAYOUT)
_values = partial(hdf5.read_values, layout=LAYOUT)


@dataclass(frozen=True)
class Sequence:
    """What a .csd file holds.

    Attributes:
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

    def load(
        self, file: h5py.File, key: str, odd: list[str] | None = None, counts: Counter | None = None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Reads what `find` finds, without entries of other columns than the file's.

        Args:
            file: the opened file.
            key: id of a video or segment.
            odd: receives the names of entries of other columns.
            counts: receives the counts of what float32 may have rounded.

        Returns:
            `(steps, 2)` float64 seconds and `(steps, dim)` float32, or `(steps,)` words as `read_words` takes them;
            `None` where there are no rows.

        Raises:
            ValueError: an entry that is damaged.
        """
        data = _child(_child(file, self.root, h5py.Group), "data", h5py.Group)
        parts = []
        for entry in self.find(key):
            part = _load_entry(data, entry, self)
            if part is None and odd is not None:
                odd.append(entry)
            if part is not None and len(part[0]):
                times, content = part
                if not self.holds_text:
                    content, rounded = to_float32(content)
                    if counts is not None:
                        counts.update(rounded)
                parts.append((times, content))
        if len(parts) < 2:
            return parts[0] if parts else None
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def open_sequence(path: Path) -> Sequence:
    """Tells what a .csd file holds, from its entries that have rows: all, or `MAX_LOOKED_AT` of many.

    Raises:
        ValueError: the file is not a computational sequence, or a damaged or empty one.
    """
    with open_file(path) as file:
        try:
            root = next(iter(file), "<root>")
            group = _child(file, root, h5py.Group)
            data = _child(group, "data", h5py.Group)
            ids = list(data)
            # h5py gives the bytes of a name that is no UTF-8.
            odd = next((entry for entry in ids if not isinstance(entry, str)), None)
            if odd is not None:
                raise refusal(path, data.name, f"an id is not UTF-8, {odd!r}", "Name the entries in UTF-8")
            ids.sort(key=split_id)
        except (OSError, RuntimeError, TypeError, KeyError) as error:
            raise refusal(path, "/", error) from error
        holds_text, dim = _usual_kind(data, ids)
        names = _dimension_names(group) if not holds_text else ()
        # Some files number their columns, which names nothing.
        if len(names) != dim or names == tuple(map(str, range(dim))):
            names = ()
    entries: dict[str, list[str]] = {}
    for entry in ids:
        entries.setdefault(split_id(entry)[0], []).append(entry)
    frozen = {video: tuple(of_video) for video, of_video in entries.items()}
    return Sequence(path, root, holds_text, dim, names, frozen)


def _usual_kind(data: h5py.Group, ids: list[str]) -> tuple[bool, int]:
    """Whether most entries with rows hold text, and how many columns they have."""
    step = max(1, ceil_div(len(ids), MAX_LOOKED_AT))
    kinds: Counter[tuple[bool, int]] = Counter()
    for chosen in (ids[::step], ids):
        for entry in chosen if not kinds else ():
            _, features, holds_text = _find_entry(data, entry)
            if features.shape[0]:
                kinds[holds_text, math.prod(features.shape[1:])] += 1
    if not kinds:
        raise refusal(data.file.filename, data.name, "no entry has rows")
    holds_text, dim = usual_width(kinds)
    if holds_text and dim != 1:
        raise refusal(data.file.filename, data.name, f"its rows are {dim} strings each, and a row is one word")
    return holds_text, dim


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


def _load_entry(data: h5py.Group, entry: str, sequence: Sequence) -> tuple[np.ndarray, np.ndarray] | None:
    """Times and content of an entry, or `None` where its columns are not the file's."""
    intervals, features, holds_text = _find_entry(data, entry)
    dim = math.prod(features.shape[1:])
    if (holds_text, dim) != (sequence.holds_text, sequence.dim):
        # Of an entry without rows nothing is lost.
        return None if features.shape[0] else (np.zeros((0, 2)), np.zeros((0, sequence.dim), np.float32))
    seconds, content = _values(intervals), _values(features)
    times = seconds.astype(np.float64)
    if seconds.dtype.kind in "iu" and (abs(times) > MAX_WHOLE_SECONDS).any():
        raise refusal(sequence.path, intervals.name, f"times beyond {MAX_WHOLE_SECONDS:.0f} are no seconds")
    if holds_text:
        return times, content.reshape(-1)
    return times, content.reshape(len(content), dim)


def _dimension_names(group: h5py.Group) -> tuple[str, ...]:
    # Metadata is free text: JSON in files of the current SDK, anything in older ones. Names are a convenience, and
    # metadata that cannot be read is no reason to refuse the features.
    try:
        metadata = _child(group, "metadata", h5py.Group)
        names = json.loads(np.ravel(_dataset(metadata, "dimension names")[()])[0])
    except (*DAMAGE, IndexError, RecursionError):
        return ()
    return tuple(map(storable_text, names)) if isinstance(names, list) else ()
