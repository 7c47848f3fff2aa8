"""Reader of CMU computational sequences (.csd): words, vectors, audio, video and labels with times, joined per segment.

Segment `k` of a video is row `k` of its label entry, wherever the row lies in time. A word belongs to **every** segment
that it overlaps by more than 1e-4 s, so it may belong to two. Pauses (`sp`) are no words. Audio, video and text vectors
become, for each word, the mean of the frames that overlap it. Without words the rows of the text vectors are the steps;
without either, each modality keeps its own steps: the frames whose midpoint lies in the segment.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from mmtrans.sources.alignment import clean, cut_words, has_length, midpoint_pairs
from mmtrans.sources.corpus import Corpus, Dropped, LabelScale
from mmtrans.sources.detect import MOSI_SCALE, choose_label, find_csd_files, read_folds, role_of, scale_of
from mmtrans.sources.glove import read_glove
from tfrecords.schema import MODALITIES, Segment

#: A dataset whose header announces more is refused before memory is asked for.
MAX_DATASET_BYTES = 4 << 30

#: What h5py raises on a damaged file.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError)


@dataclass(frozen=True)
class _Sequence:
    """One .csd file: what its rows are, and its entries (video id → entry ids in the order of their index)."""

    path: Path
    root: str
    holds_text: bool
    dim: int
    names: tuple[str, ...]
    entries: Mapping[str, tuple[str, ...]]

    def find(self, key: str) -> tuple[str, ...]:
        # `<video>[k]` is read from its own entry, or from the whole video's; a video from all its entries.
        entries = self.entries.get(_split_id(key)[0], ())
        return (
            (key,) if key in entries else tuple(e for e in entries if key == _split_id(e)[0] or e == _split_id(key)[0])
        )

    def load(self, file: h5py.File, key: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Reads `(steps, 2)` float64 seconds and `(steps, dim)` float32 or strings; `None` where there are no rows."""
        data = _child(_child(file, self.root, h5py.Group), "data", h5py.Group)
        parts = [_load_entry(data, entry, self) for entry in self.find(key)]
        parts = [part for part in parts if len(part[0])]
        if len(parts) < 2:
            return parts[0] if parts else None
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


@dataclass(frozen=True)
class _Unit:
    """What is read in one go: a video (or, where entries are per segment, one of those) and its segments."""

    key: str
    ids: tuple[str, ...]
    spans: np.ndarray
    labels: tuple[float | None, ...]


@dataclass(frozen=True)
class _Plan:
    """Everything that reading needs, and the account that it keeps."""

    sequences: Mapping[str, _Sequence]
    reference: str | None
    units: tuple[_Unit, ...]
    vectors: Mapping[str, np.ndarray]
    vector_dim: int
    dropped: list[Dropped] = field(default_factory=list)
    cleaning: Counter = field(default_factory=Counter)


def open_csd(
    path: str | Path, *, glove: str | Path | None = None, label: str | int | None = None, label_shift: float = 0.0
) -> Corpus:
    """Opens a folder of computational sequences (nested folders too), or a single one.

    What a sequence is follows from its content and names: strings are words; names such as COVAREP, FACET, glove or
    Opinion Segment Labels tell the others, and else the dimension does.

    Args:
        path: folder or .csd file. A `folds.json` in the folder (`{"train": [video ids], …}`) gives the folds.
        glove: GloVe text file; with it the words' vectors are looked up (lower-cased, zeros for unknown words)
            instead of read from a sequence of vectors.
        label: name or 0-based index of the label column. Needed only where the file has several and is not MOSEI's.
        label_shift: seconds added to the label intervals.

    Returns:
        A corpus of format `csd`. Its scale is MOSI's (-3 to 3, neutral 0) for sentiments that lie within it, and
        otherwise the observed range with its middle as neutral. `video_ids` are those with labels that can give a
        segment. Without labels each video is one segment `<video>[0]`.

    Raises:
        FileNotFoundError: there is nothing at `path` or `glove`.
        ValueError: no sequence or an unreadable one, two for one role, an unknown label column, vectors of none of
            the words.
    """
    path, notes = Path(path), []
    sequences = _find_sequences(path, notes)
    glove = _choose_text(sequences, glove, notes)
    modalities = [name for name in MODALITIES if name in sequences or (name == "text" and glove is not None)]
    reference = next((role for role in ("words", "text") if role in sequences), None)
    anchors = [sequences[role] for role in ([reference] if reference else modalities)]
    units, scale = _plan_units(sequences.get("labels"), anchors, label, label_shift)
    vectors, vector_dim = _read_vectors(sequences["words"], glove) if glove is not None else ({}, 0)
    plan = _Plan(sequences, reference, units, vectors, vector_dim)
    unlabelled = {video for anchor in anchors for video in anchor.entries} - {_split_id(unit.key)[0] for unit in units}
    if unlabelled:
        notes.append(f"{len(unlabelled)} videos have no labels and are left out: {', '.join(sorted(unlabelled)[:3])} …")
    extra = [Path(glove)] if glove is not None else []
    folds_path = path / "folds.json"
    extra += [folds_path] if folds_path.is_file() else []
    usable = [_split_id(unit.key)[0] for unit in units if any(anchor.find(unit.key) for anchor in anchors)]
    return Corpus(
        format="csd",
        files=[sequence.path for sequence in sequences.values()] + extra,
        label=scale,
        read=partial(_read, plan),
        video_ids=tuple(dict.fromkeys(usable)),
        feature_names={
            name: sequences[name].names for name in modalities if name in sequences and sequences[name].names
        },
        folds=read_folds(folds_path) if folds_path.is_file() else None,
        aligned=dict.fromkeys(modalities, reference is not None),
        dropped=plan.dropped,
        cleaning=plan.cleaning,
        notes=notes,
    )


def _find_sequences(path: Path, notes: list[str]) -> dict[str, _Sequence]:
    if not path.exists():
        raise FileNotFoundError(f"There is no source at {path}. Give the path of a .csd file or a folder of them.")
    found: dict[str, _Sequence] = {}
    for file in find_csd_files(path):
        sequence = _open_sequence(file)
        role = role_of(sequence.root, file.stem, holds_text=sequence.holds_text, dim=sequence.dim)
        if role is None or role == "phones":
            what = "phones are not used" if role else f"nothing tells what its {sequence.dim} columns are"
            notes.append(f"{file} is left aside: {what}.")
        elif role in found:
            raise ValueError(
                f"Two computational sequences hold {role}. Expected one per role. "
                f"Received: {found[role].path} and {file}. Move one of them out of the folder."
            )
        else:
            found[role] = sequence
    if not set(found) - {"labels"}:
        raise ValueError(
            f"There is no computational sequence of words, text vectors, audio or video. "
            f"Received: {path} with {sorted(found) or 'none'}. Give a folder with at least one of them."
        )
    return found


def _plan_units(
    labels: _Sequence | None, anchors: list[_Sequence], label: str | int | None, shift: float
) -> tuple[tuple[_Unit, ...], LabelScale]:
    if not math.isfinite(shift) or (labels is None and (shift or label is not None)):
        raise ValueError(
            f"The label options fit no label file. Expected a finite shift, and labels in the source. "
            f"Received: label={label!r}, label_shift={shift} (labels: {labels and labels.path}). Leave them out."
        )
    if labels is None:
        keys = dict.fromkeys(entry for anchor in anchors for ids in anchor.entries.values() for entry in ids)
        whole = np.array([[-np.inf, np.inf]])
        ids = [key if _split_id(key)[1] >= 0 else f"{key}[0]" for key in keys]
        return tuple(_Unit(key, (id,), whole, (None,)) for key, id in zip(keys, ids, strict=True)), MOSI_SCALE
    column, name = choose_label(labels.names, labels.dim, label, labels.path)
    units, seen = [], []
    with _open_file(labels.path) as file:
        for key in (entry for ids in labels.entries.values() for entry in ids):
            spans, values = labels.load(file, key) or (np.zeros((0, 2)), np.zeros((0, labels.dim), np.float32))
            single = _split_id(key)[1] >= 0
            if single and len(spans) != 1:
                raise _refusal(labels.path, key, f"an entry of one segment has {len(spans)} rows of labels")
            scores = tuple(float(value) if np.isfinite(value) else None for value in values[:, column])
            ids = (key,) if single else tuple(f"{key}[{row}]" for row in range(len(spans)))
            units.append(_Unit(key, ids, spans + shift, scores))
            seen += [score for score in scores if score is not None]
    return tuple(units), scale_of(name, np.array(seen))


def _choose_text(sequences: dict[str, _Sequence], glove: str | Path | None, notes: list[str]) -> str | Path | None:
    if glove is not None and "words" not in sequences:
        notes.append(f"{glove} is not used: there is no sequence of words.")
        return None
    if glove is not None and "text" in sequences:
        notes.append(f"{sequences.pop('text').path} is left aside: the words get their vectors from {glove}.")
    return glove


def _read_vectors(words: _Sequence, glove: str | Path) -> tuple[dict[str, np.ndarray], int]:
    with _open_file(words.path) as file:
        loaded = [words.load(file, video) for video in words.entries]
    vectors, dim = read_glove(glove, {token.lower() for part in loaded if part for token in part[1].tolist()})
    if not vectors:
        raise ValueError(
            f"The word vectors have none of the words. Expected words in lower case. "
            f"Received: glove={glove} ({words.path}). Give vectors of the corpus's language."
        )
    return vectors, dim


def _read(plan: _Plan) -> Iterator[Segment]:
    plan.dropped.clear()
    plan.cleaning.clear()
    unknown: set[str] = set()
    with ExitStack() as stack:
        files = {
            role: stack.enter_context(_open_file(s.path)) for role, s in plan.sequences.items() if role != "labels"
        }
        for unit in plan.units:
            if "labels" in plan.sequences and None in unit.labels:
                plan.cleaning["labels: not finite, kept without a label"] += unit.labels.count(None)
            loaded = {role: plan.sequences[role].load(file, unit.key) for role, file in files.items()}
            loaded = {role: part for role, part in loaded.items() if part is not None}
            yield from (
                _cut_by_words(plan, unit, loaded, unknown) if plan.reference else _cut_by_time(plan, unit, loaded)
            )


def _cut_by_words(plan: _Plan, unit: _Unit, loaded: dict, unknown: set[str]) -> Iterator[Segment]:
    times, content = loaded.pop(plan.reference, (np.zeros((0, 2)), None))
    if content is None:
        reason = f"{plan.sequences[plan.reference].path.name} has no rows for its video"
        plan.dropped.extend(Dropped(id, reason) for id in unit.ids)
        return
    if plan.reference == "words":
        pauses, short = np.isin(content, ("sp", "")), ~has_length(times)
        plan.cleaning.update({"words: pauses (sp) removed": int(pauses.sum())} if pauses.any() else {})
        plan.cleaning.update({"words: of no length removed": int((short & ~pauses).sum())} if short.any() else {})
        times, content = times[~(pauses | short)], content[~(pauses | short)]
    used, steps, features, counts = cut_words(unit.spans, times, loaded)
    tokens = content[used] if plan.reference == "words" else None
    if tokens is None:
        features["text"], found = clean(content[used])
        counts.update({f"text: {name}": count for name, count in found.items()})
    elif plan.vector_dim:
        features["text"] = _look_up(tokens, plan, unknown)
    plan.cleaning.update(counts)
    for row, positions in enumerate(steps):
        chosen = {modality: features[modality][positions] for modality in MODALITIES if modality in features}
        words = tuple(tokens[positions].tolist()) if tokens is not None else ()
        yield from _segment(plan, unit, row, chosen if len(positions) else None, words)


def _look_up(tokens: np.ndarray, plan: _Plan, unknown: set[str]) -> np.ndarray:
    vectors = np.zeros((len(tokens), plan.vector_dim), np.float32)
    for row, token in enumerate(map(str.lower, tokens.tolist())):
        if token in plan.vectors:
            vectors[row] = plan.vectors[token]
            continue
        plan.cleaning["text: words without a vector set to 0"] += 1
        if token not in unknown:
            unknown.add(token)
            plan.cleaning["text: different words without a vector"] += 1
    return vectors


def _cut_by_time(plan: _Plan, unit: _Unit, loaded: dict) -> Iterator[Segment]:
    steps = {}
    for modality, (times, _) in loaded.items():
        owners, rows = midpoint_pairs(unit.spans, times)
        steps[modality] = np.split(rows, np.searchsorted(owners, np.arange(1, len(unit.spans))))
    for row in range(len(unit.ids)):
        chosen = {}
        for modality in (name for name in MODALITIES if name in loaded and len(steps[name][row])):
            chosen[modality], found = clean(loaded[modality][1][steps[modality][row]])
            plan.cleaning.update({f"{modality}: {name}": count for name, count in found.items()})
        yield from _segment(plan, unit, row, chosen or None, ())


def _segment(
    plan: _Plan, unit: _Unit, row: int, features: dict[str, np.ndarray] | None, tokens: tuple[str, ...]
) -> Iterator[Segment]:
    if features is None:
        inside = f"no {'word' if plan.reference else 'frame'} lies in its interval"
        reason = inside if has_length(unit.spans[row : row + 1])[0] else "its interval has no length"
        plan.dropped.append(Dropped(unit.ids[row], reason))
        return
    for modality in set(MODALITIES) & set(plan.sequences) - set(features):
        plan.cleaning[f"{modality}: segments without it"] += 1
    yield Segment(unit.ids[row], _split_id(unit.key)[0], features, unit.labels[row], tokens)


def _split_id(entry: str) -> tuple[str, int]:
    # -1 stands for an entry that is a whole video, and sorts before its segments.
    match = re.fullmatch(r"(.+)\[(0|[1-9][0-9]*)\]", entry, re.DOTALL)
    return (match[1], int(match[2])) if match else (entry, -1)


def _refusal(path: Path | str, where: str, problem: object, remedy: str = "Download the file again") -> ValueError:
    return ValueError(
        f"The computational sequence cannot be read: {' '.join(str(problem).split())}. "
        f"Expected /<root>/data/<id> with features (steps, dim) and intervals (steps, 2). "
        f"Received: {path}, {where}. {remedy}."
    )


def _open_file(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except _DAMAGE as error:
        raise _refusal(path, "not a whole HDF5 file", error, "Download it again: it may be truncated") from error


def _child(parent: h5py.Group, name: str, kind: type) -> h5py.Group | h5py.Dataset:
    path, where = parent.file.filename, f"{parent.name.rstrip('/')}/{name}"
    try:
        link = parent.get(name, getlink=True)
        child = parent[name] if isinstance(link, h5py.HardLink) else None
    except _DAMAGE as error:
        raise _refusal(path, where, error) from error
    if link is not None and child is None:
        raise _refusal(path, where, "links are not followed", "Store the data in the file itself")
    if not isinstance(child, kind):
        raise _refusal(path, where, f"there is no {kind.__name__.lower()} {name!r}", "Give a .csd file")
    return child


def _dataset(parent: h5py.Group, name: str) -> h5py.Dataset:
    dataset, path = _child(parent, name, h5py.Dataset), parent.file.filename
    try:
        shapes, itemsize = (dataset.shape or (), dataset.chunks or ()), dataset.dtype.itemsize
        elsewhere = dataset.is_virtual or dataset.external
    except _DAMAGE as error:
        raise _refusal(path, dataset.name, error) from error
    announced = max(math.prod(shape) * itemsize for shape in shapes)
    if announced > MAX_DATASET_BYTES:
        raise _refusal(path, dataset.name, f"{announced} bytes are more than {MAX_DATASET_BYTES}", "Split the entry")
    if elsewhere:
        raise _refusal(path, dataset.name, "data in other files is not read", "Store the data in the file itself")
    return dataset


def _find_entry(data: h5py.Group, entry: str) -> tuple[h5py.Dataset, h5py.Dataset, bool]:
    group = _child(data, entry, h5py.Group)
    intervals, features = _dataset(group, "intervals"), _dataset(group, "features")
    shapes = f"features {features.dtype}{features.shape}, intervals {intervals.dtype}{intervals.shape}"
    holds_text = h5py.check_string_dtype(features.dtype) is not None
    fits = len(features.shape or ()) >= 2 and (intervals.shape or ())[:1] == features.shape[:1]
    if not fits or len(intervals.shape) != 2 or intervals.shape[1] != 2:
        raise _refusal(data.file.filename, group.name, f"the shapes do not fit together, {shapes}")
    if intervals.dtype.kind not in "fiu" or not (holds_text or features.dtype.kind in "fiu"):
        raise _refusal(data.file.filename, group.name, f"the values are neither numbers nor strings, {shapes}")
    return intervals, features, holds_text


def _load_entry(data: h5py.Group, entry: str, sequence: _Sequence) -> tuple[np.ndarray, np.ndarray]:
    intervals, features, holds_text = _find_entry(data, entry)
    dim = math.prod(features.shape[1:])
    if holds_text != sequence.holds_text or dim != sequence.dim or (holds_text and dim != 1):
        problem = f"features {features.dtype}{features.shape} where the file has {sequence.dim} columns elsewhere"
        raise _refusal(sequence.path, features.name, problem)
    try:
        times = intervals[()].astype(np.float64)
        content = features.asstr(errors="replace")[()] if holds_text else features[()]
    except _DAMAGE as error:
        raise _refusal(sequence.path, features.name, error) from error
    if holds_text:
        return times, np.char.strip(content.astype(str).reshape(-1))
    # Doubles beyond the range of float32 become infinite here, and are masked with the infinities.
    with np.errstate(over="ignore"):
        return times, content.reshape(len(content), -1).astype(np.float32, copy=False)


def _open_sequence(path: Path) -> _Sequence:
    with _open_file(path) as file:
        try:
            root = next(iter(file), "<root>")
            group = _child(file, root, h5py.Group)
            data = _child(group, "data", h5py.Group)
            ids = sorted(data, key=_split_id)
        except (OSError, RuntimeError, TypeError, KeyError) as error:
            raise _refusal(path, "/", error) from error
        found = (_find_entry(data, entry) for entry in ids)
        first = next((entry for entry in found if entry[1].shape[0]), None)
        if first is None:
            raise _refusal(path, data.name, "no entry has rows")
        _, features, holds_text = first
        dim = math.prod(features.shape[1:])
        names = _dimension_names(group) if not holds_text else ()
    entries: dict[str, list[str]] = {}
    for entry in ids:
        entries.setdefault(_split_id(entry)[0], []).append(entry)
    frozen = {video: tuple(of_video) for video, of_video in entries.items()}
    return _Sequence(path, root, holds_text, dim, names if len(names) == dim else (), frozen)


def _dimension_names(group: h5py.Group) -> tuple[str, ...]:
    # Metadata is free text: JSON in files of the current SDK, anything in older ones. Names are a convenience, and
    # metadata that cannot be read is no reason to refuse the features.
    try:
        metadata = _child(group, "metadata", h5py.Group)
        names = json.loads(np.ravel(_dataset(metadata, "dimension names")[()])[0])
    except (*_DAMAGE, IndexError, RecursionError):
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
