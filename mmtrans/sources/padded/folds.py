"""One split of a file of padded arrays in our names, and which of its modalities can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Note, Noted, note
from mmtrans.sources.modalities import holds_ids, usual_width
from tfrecords.schema import MODALITIES


@dataclass(frozen=True)
class Fold:
    """One split of a file, in our names.

    Attributes:
        split: `train`, `valid` or `test`.
        arrays: modality → `(n, steps, dim)` numbers, padded, as the file has them.
        labels: `(n, num_labels)` float64 with NaN for none, or `None`.
        ids: n ids as the file spells them, or `None`.
        lengths: modality → `(n,)` steps as the file claims them; such a modality is not aligned.
        masks: modality → `(n, steps)` bool, the steps that the file says are real.
        exact: modality → `(n,)` steps, where the file holds each segment's own; the padding, on the right, is ours.
        deviants: modality → `(n,)` bool, segments that have it with other columns than most, and thus lack it.
        transcripts: n transcripts as the file has them; their words are tokens where nothing is aligned.
        words_are_text: whether the words of the transcripts are the steps of a text whose vectors come from elsewhere.
    """

    split: str
    arrays: Mapping[str, np.ndarray]
    labels: np.ndarray | None = None
    ids: Sequence | np.ndarray | None = None
    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    exact: Mapping[str, np.ndarray] = field(default_factory=dict)
    deviants: Mapping[str, np.ndarray] = field(default_factory=dict)
    transcripts: Sequence[object] | None = None
    words_are_text: bool = False

    @property
    def size(self) -> int:
        return len(next(iter(self.arrays.values()), self.transcripts or ()))


def with_words_as_text(folds: Sequence[Fold]) -> list[Fold]:
    """The folds without their own text, in whose place the words of the transcripts are to get vectors."""
    return [replace(_without(fold, {"text"}), words_are_text=True) for fold in folds]


def without_ids(folds: Sequence[Fold], path: Path, notes: list[Note]) -> list[Fold]:
    """The folds without a text that is the numbers of tokens, which is noted.

    Raises:
        ValueError: there is nothing else.
    """
    texts = [fold.arrays["text"] for fold in folds if "text" in fold.arrays and len(fold.arrays["text"])]
    if not texts or not all(map(holds_ids, texts)):
        return list(folds)
    if any(len(fold.arrays) == 1 for fold in folds):
        raise ValueError(
            f"The text holds the numbers of tokens, and there is nothing else. Expected features: word vectors, audio "
            f"or video. Received: text {texts[0].shape} ({path}). Store the vectors that a model makes of the tokens."
        )
    notes.append(note(Noted.TOKENS_AS_TEXT, text=f"text {texts[0].shape}"))
    return [_without(fold, {"text"}) for fold in folds]


def without_deviants(folds: Sequence[Fold], path: Path) -> tuple[list[Fold], dict[str, int]]:
    """The folds, each without the modalities whose columns are others than most segments', and modality → width.

    Raises:
        ValueError: parts of a split differ in their rows, a split has no modality left, or there are no segments.
    """
    widths: dict[str, Counter[int]] = {}
    for fold in folds:
        sizes = {name: len(array) for name, array in fold.arrays.items()}
        claims = {"labels": fold.labels, "ids": fold.ids, "transcripts": fold.transcripts}
        claims |= {f"lengths of {name}": lengths for name, lengths in fold.lengths.items()}
        sizes |= {name: len(claim) for name, claim in claims.items() if claim is not None}
        if not (fold.arrays or fold.words_are_text) or len(set(sizes.values())) > 1:
            raise ValueError(
                f"The parts of a split do not fit together. Expected features, and as many rows in every part. "
                f"Received: {fold.split} with rows={sizes} ({path}). Get the file from another mirror."
            )
        for name, array in fold.arrays.items():
            widths.setdefault(name, Counter())[array.shape[2]] += len(array)
    if not any(fold.size for fold in folds):
        raise ValueError(f"There are no segments. Expected at least one. Received: {path}. Check where it comes from.")
    dims = {name: usual_width(widths[name]) for name in MODALITIES if name in widths}
    return [_without_odd(fold, dims, path) for fold in folds], dims


def _without_odd(fold: Fold, dims: Mapping[str, int], path: Path) -> Fold:
    odd = {name: array.shape[2] for name, array in fold.arrays.items() if array.shape[2] != dims[name]}
    if len(odd) == len(fold.arrays) and not fold.words_are_text:
        raise ValueError(
            f"A split must have some modality with the columns of the others. Expected {dims}. "
            f"Received: {fold.split} with {odd} ({path}). Give files of one data set."
        )
    kept = _without(fold, odd)
    return replace(kept, deviants={**kept.deviants, **{name: np.ones(fold.size, bool) for name in odd}})


def _without(fold: Fold, modalities: Collection[str]) -> Fold:
    """A fold without all that it says of some modalities."""
    parts = ("arrays", "lengths", "masks", "exact", "deviants")
    told = {part: {k: v for k, v in getattr(fold, part).items() if k not in modalities} for part in parts}
    return replace(fold, **told)
