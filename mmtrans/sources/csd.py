"""Reader of CMU computational sequences (.csd): words, vectors, audio, video and labels with times, joined per segment.

Segment `k` of a video is row `k` of its label entry, wherever the row lies in time. A word belongs to **every** segment
that it overlaps by more than 1e-4 s, so it may belong to two. Pauses (`sp`) are no words. Audio, video and text vectors
become, for each word, the mean of the frames that overlap it. Without words the rows of the text vectors are the steps;
without either, each modality keeps its own steps: the frames whose midpoint lies in the segment.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from mmtrans.sources.alignment import clean, cut_words, has_length, midpoint_pairs
from mmtrans.sources.corpus import Corpus, Dropped, LabelScale
from mmtrans.sources.csd_sequence import Sequence, open_file, open_sequence, refusal, split_id
from mmtrans.sources.detect import MOSI_SCALE, choose_label, find_csd_files, read_folds, role_of, scale_of
from mmtrans.sources.glove import read_glove
from tfrecords.schema import MODALITIES, Segment


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

    sequences: Mapping[str, Sequence]
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
    unlabelled = {video for anchor in anchors for video in anchor.entries} - {split_id(unit.key)[0] for unit in units}
    if unlabelled:
        notes.append(f"{len(unlabelled)} videos have no labels and are left out: {', '.join(sorted(unlabelled)[:3])} …")
    extra = [Path(glove)] if glove is not None else []
    folds_path = path / "folds.json"
    extra += [folds_path] if folds_path.is_file() else []
    usable = [split_id(unit.key)[0] for unit in units if any(anchor.find(unit.key) for anchor in anchors)]
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


def _find_sequences(path: Path, notes: list[str]) -> dict[str, Sequence]:
    if not path.exists():
        raise FileNotFoundError(f"There is no source at {path}. Give the path of a .csd file or a folder of them.")
    found: dict[str, Sequence] = {}
    for file in find_csd_files(path):
        sequence = open_sequence(file)
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
    labels: Sequence | None, anchors: list[Sequence], label: str | int | None, shift: float
) -> tuple[tuple[_Unit, ...], LabelScale]:
    if not math.isfinite(shift) or (labels is None and (shift or label is not None)):
        raise ValueError(
            f"The label options fit no label file. Expected a finite shift, and labels in the source. "
            f"Received: label={label!r}, label_shift={shift} (labels: {labels and labels.path}). Leave them out."
        )
    if labels is None:
        keys = dict.fromkeys(entry for anchor in anchors for ids in anchor.entries.values() for entry in ids)
        whole = np.array([[-np.inf, np.inf]])
        ids = [key if split_id(key)[1] >= 0 else f"{key}[0]" for key in keys]
        return tuple(_Unit(key, (id,), whole, (None,)) for key, id in zip(keys, ids, strict=True)), MOSI_SCALE
    column, name = choose_label(labels.names, labels.dim, label, labels.path)
    units, seen = [], []
    with open_file(labels.path) as file:
        for key in (entry for ids in labels.entries.values() for entry in ids):
            spans, values = labels.load(file, key) or (np.zeros((0, 2)), np.zeros((0, labels.dim), np.float32))
            single = split_id(key)[1] >= 0
            if single and len(spans) != 1:
                raise refusal(labels.path, key, f"an entry of one segment has {len(spans)} rows of labels")
            scores = tuple(float(value) if np.isfinite(value) else None for value in values[:, column])
            ids = (key,) if single else tuple(f"{key}[{row}]" for row in range(len(spans)))
            units.append(_Unit(key, ids, spans + shift, scores))
            seen += [score for score in scores if score is not None]
    return tuple(units), scale_of(name, np.array(seen))


def _choose_text(sequences: dict[str, Sequence], glove: str | Path | None, notes: list[str]) -> str | Path | None:
    if glove is not None and "words" not in sequences:
        notes.append(f"{glove} is not used: there is no sequence of words.")
        return None
    if glove is not None and "text" in sequences:
        notes.append(f"{sequences.pop('text').path} is left aside: the words get their vectors from {glove}.")
    return glove


def _read_vectors(words: Sequence, glove: str | Path) -> tuple[dict[str, np.ndarray], int]:
    with open_file(words.path) as file:
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
        files = {role: stack.enter_context(open_file(s.path)) for role, s in plan.sequences.items() if role != "labels"}
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
    yield Segment(unit.ids[row], split_id(unit.key)[0], features, unit.labels[row], tokens)
