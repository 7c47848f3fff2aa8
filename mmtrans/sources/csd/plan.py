"""What a folder of computational sequences holds, and which units (videos) and segments it is to be read in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Account, Note, Noted, list_some, note
from mmtrans.sources.csd.label_times import measure_label_times
from mmtrans.sources.csd.roles import role_of
from mmtrans.sources.csd.sequence import MAX_LOOKED_AT, Sequence, open_file, open_sequence, refusal, split_id
from mmtrans.sources.labels import ANY_LABEL, Labels, by_video, choose_label
from mmtrans.sources.listing import find_hdf5_files
from mmtrans.sources.modalities import MAX_PARTS, holds_ids
from mmtrans.sources.words import read_words
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.user_files import check_file
from tfrecords.schema import MODALITIES

#: Label times are compared with the words of so many videos, evenly chosen: more would tell the same.
MAX_MEASURED_VIDEOS = 200

#: Modalities that come as frames.
FRAMED = ("audio", "video")


@dataclass(frozen=True)
class Unit:
    """What is read in one go: a video (or, where entries are per segment, one of those) and its segments.

    Labels are as the file has them, NaN included, or `None` where there is no label file.
    """

    key: str
    ids: tuple[str, ...]
    spans: np.ndarray
    labels: tuple[float | None, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that reading needs, and the account that it keeps.

    Attributes:
        sequences: role → its sequence.
        modalities: the modalities that segments can have.
        reference: role whose rows are the steps, `words` or `text`, or `None` where each modality has its own.
        compat: the argument of `open_csd` with this name.
        units: the units to read, in the order of reading.
        labels: what tells the scale of the labels.
        window: seconds of which a step of audio or of video is the mean, where these have no step a word; else `None`.
        account: the account of what is treated and left out.
    """

    sequences: Mapping[str, Sequence]
    modalities: tuple[str, ...]
    reference: str | None
    compat: str | None
    units: tuple[Unit, ...]
    labels: Labels
    window: float | None = None
    account: Account = field(default_factory=Account)

    def has_windows(self, modality: str) -> bool:
        """Whether a modality's steps are windows of time."""
        return self.window is not None and modality in FRAMED

    def anchors(self) -> list[Sequence]:
        """The sequences without whose rows there is no segment."""
        return [self.sequences[role] for role in ([self.reference] if self.reference else self.modalities)]


def plan_reading(
    path: Path,
    *,
    vectors_from: str | None,
    label: str | int | None,
    label_shift: float,
    compat: str | None,
    window: float | None = None,
) -> tuple[Plan, list[Note]]:
    """Opens all sequences at `path` and decides how they are read.

    Returns:
        The plan, and notes.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: no sequence or an unreadable one, two for one role, an unknown label column, options that do not
            fit.
    """
    notes: list[Note] = []
    sequences = _find_sequences(path, notes)
    _choose_text(sequences, vectors_from, notes)
    modalities = tuple(name for name in MODALITIES if name in sequences)
    order = ("text", "words") if compat else ("words", "text")
    reference = next((role for role in order if role in sequences), None)
    if compat and reference is None:
        raise ValueError(
            f"The official SDK's recipe needs words. Expected a sequence of word vectors or words. "
            f"Received: compat={compat!r}, {path} with {sorted(sequences)}. Leave --compat out."
        )
    if window is not None and (compat or reference is None):
        raise ValueError(
            f"Windows are cut of the time in which words are spoken. Expected --window with words or word vectors, and "
            f"without --compat. Received: window={window}, compat={compat!r}, {path} with {sorted(sequences)}. Leave "
            f"--window out."
        )
    anchors = [sequences[role] for role in ([reference] if reference else modalities)]
    units, told = _plan_units(sequences.get("labels"), anchors, label, label_shift, notes)
    plan = Plan(sequences, modalities, reference, compat, units, told, window)
    unlabelled = {video for anchor in anchors for video in anchor.entries} - {split_id(unit.key)[0] for unit in units}
    if unlabelled:
        listed = list_some(sorted(unlabelled))
        notes.append(note(Noted.VIDEOS_WITHOUT_LABELS, count=len(unlabelled), listed=listed))
    if "labels" in sequences and reference is not None:
        notes += filter(None, [_compare_times(plan)])
    return plan, notes


def read_vocabulary(words: Sequence) -> tuple[str, ...]:
    """All words of a sequence in lower case, sorted.

    Raises:
        ValueError: an entry is damaged.
    """
    found: set[str] = set()
    with open_file(words.path) as file:
        for video in words.entries:
            loaded = words.load(file, video)
            found.update(map(str.lower, read_words(loaded[1].tolist(), Account())[0]) if loaded else ())
    return tuple(sorted(found))


def _compare_times(plan: Plan) -> Note | None:
    words, videos = plan.sequences["words" if "words" in plan.sequences else "text"], []
    step = ceil_div(len(plan.units), MAX_MEASURED_VIDEOS)
    with open_file(words.path) as file:
        for unit in plan.units[::step]:
            loaded = words.load(file, unit.key)
            if loaded is not None:
                times, content = loaded
                is_spoken = read_words(content.tolist(), Account())[1] if words.holds_text else slice(None)
                videos.append((unit.spans, times[is_spoken]))
    return measure_label_times(videos).note


def _find_sequences(path: Path, notes: list[Note]) -> dict[str, Sequence]:
    if not path.is_dir():
        check_file(path, "source", "a .csd file or a folder of them")
    found: dict[str, Sequence] = {}
    aside: list[Path] = []
    for file in find_hdf5_files(path, aside):
        sequence = open_sequence(file)
        role = role_of(sequence.root, file.stem, holds_text=sequence.holds_text, dim=sequence.dim)
        if role is None:
            notes.append(note(Noted.UNKNOWN_COLUMNS_ASIDE, file=str(file), columns=sequence.dim))
        elif role == "phones":
            notes.append(note(Noted.PHONES_ASIDE, file=str(file)))
        elif role == "text" and sequence.dim <= MAX_PARTS and _holds_tokens(sequence):
            notes.append(note(Noted.TOKENS_AS_TEXT, text=str(file)))
        elif role in found:
            raise ValueError(
                f"Two computational sequences hold {role}. Expected one per role. "
                f"Received: {found[role].path} and {file}. Move one of them out of the folder."
            )
        else:
            found[role] = sequence
    if aside:
        listed = ", ".join(str(link) for link in sorted(aside)[:3])
        notes.append(note(Noted.LINKS_ASIDE, count=len(aside), listed=listed))
    if not set(found) - {"labels"}:
        raise ValueError(
            f"There is no computational sequence of words, text vectors, audio or video. "
            f"Received: {path} with {sorted(found) or 'none'}. Give a folder with at least one of them."
        )
    return found


def _holds_tokens(sequence: Sequence) -> bool:
    """Whether rows of few numbers each are numbers of tokens, as the first entries tell."""
    with open_file(sequence.path) as file:
        loaded = [sequence.load(file, video) for video in islice(sequence.entries, MAX_LOOKED_AT)]
    rows = [content for _, content in filter(None, loaded)]
    return bool(rows) and holds_ids(np.concatenate(rows)[None])


def _plan_units(
    labels: Sequence | None, anchors: list[Sequence], label: str | int | None, shift: float, notes: list[Note]
) -> tuple[tuple[Unit, ...], Labels]:
    if not math.isfinite(shift) or (labels is None and (shift or label not in (None, ANY_LABEL))):
        raise ValueError(
            f"The label options fit no label file. Expected a finite shift, and labels in the source. "
            f"Received: label={label!r}, label_shift={shift} (labels: {labels and labels.path}). Leave them out."
        )
    if labels is None:
        keys = dict.fromkeys(entry for anchor in anchors for ids in anchor.entries.values() for entry in ids)
        whole = np.array([[-np.inf, np.inf]])
        ids = [key if split_id(key)[1] >= 0 else f"{key}[0]" for key in keys]
        return tuple(Unit(key, (id,), whole, (None,)) for key, id in zip(keys, ids, strict=True)), Labels()
    column, name = choose_label(labels.names, labels.dim, label, labels.path, notes)
    units, odd = [], []
    with open_file(labels.path) as file:
        for key in (entry for ids in labels.entries.values() for entry in ids):
            spans, values = labels.load(file, key, odd) or (np.zeros((0, 2)), np.zeros((0, labels.dim), np.float32))
            single = split_id(key)[1] >= 0
            if key in odd:
                continue
            if single and len(spans) != 1:
                raise refusal(labels.path, key, f"an entry of one segment has {len(spans)} rows of labels")
            ids = (key,) if single else tuple(f"{key}[{row}]" for row in range(len(spans)))
            units.append(Unit(key, ids, spans + shift, tuple(values[:, column].tolist())))
    if odd:
        details = {"file": str(labels.path), "count": len(odd), "example": odd[0]}
        notes.append(note(Noted.LABELS_OF_OTHER_COLUMNS, **details))
    videos = [split_id(unit.key)[0] for unit in units for _ in unit.labels]
    values = by_video(videos, [value for unit in units for value in unit.labels])
    return tuple(units), Labels(name, values, is_sentiment=name == "sentiment")


def _choose_text(sequences: dict[str, Sequence], vectors_from: str | None, notes: list[Note]) -> None:
    if vectors_from is not None and "words" not in sequences:
        notes.append(note(Noted.VECTORS_WITHOUT_SEQUENCE, vectors=vectors_from))
    elif vectors_from is not None and "text" in sequences:
        notes.append(note(Noted.SEQUENCE_REPLACED, file=str(sequences.pop("text").path), vectors=vectors_from))
