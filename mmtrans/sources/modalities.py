"""What tells a modality, one rule for all readers: its names, the width that most of it has, and what is no vector."""

from __future__ import annotations

import re
from collections import Counter
from typing import TypeVar

import numpy as np

from mmtrans.sources.numerals import to_numbers

Width = TypeVar("Width")

#: modality → what files call it, without case and punctuation.
NAMES = {
    "text": ("text", "language", "linguistic", "glove", "wordvector", "word2vec", "bert"),
    "audio": ("audio", "acoustic", "covarep", "coavarep", "opensmile", "speech", "voice"),
    "video": ("video", "vision", "visual", "facet", "openface", "facial", "face"),
}

#: What may follow a modality's name without a change of what it is.
ENDINGS = r"features?|feats?|emb|embeddings?|vectors?|s"

#: A version or a size after the name: `OpenFace_2`, `FACET 4.1`, `glove.6B.300d`.
_VERSIONS = r"(?:v?[0-9]+[bd]?)+"

_SPELLINGS = {
    modality: re.compile(rf"(?:{'|'.join(names)})(?:{ENDINGS}|{_VERSIONS})*") for modality, names in NAMES.items()
}

#: Numbers of tokens go beyond this; counts and flags of words seldom do.
_LARGEST_COUNT = 20

#: What stands for no token after the last one, besides 0.
_NO_TOKEN = (-1, -100)

#: The numbers of tokens, their mask and their kinds.
MAX_PARTS = 3

#: Segments whose text is looked at to tell whether it is ids.
_LOOKED_AT = 200


def modality_of(name: str) -> str | None:
    """The modality that a part, a file or a word of its name is called by (`visual`, `OpenFace_2`), or `None`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((modality for modality, spelling in _SPELLINGS.items() if spelling.fullmatch(letters)), None)


def usual_width(widths: Counter[Width]) -> Width:
    """The width that most have; of equals the one that was counted first."""
    return max(widths, key=widths.__getitem__)


def has_several_widths(value: object) -> bool:
    """Whether a segment's steps, stored one by one, are vectors of numbers of different lengths."""
    if not isinstance(value, (list, tuple)) and not (isinstance(value, np.ndarray) and value.ndim == 1):
        return False
    lengths = {len(step) if isinstance(step, (list, tuple)) or np.ndim(step) else None for step in value}
    if len(lengths) < 2 or None in lengths:
        return False
    try:
        return all(to_numbers(step).ndim == 1 for step in value)
    except (TypeError, ValueError, OverflowError):
        return False


def holds_ids(array: np.ndarray) -> bool:
    """Whether a text's array `(segments, steps, dim)` holds the numbers of tokens, as BERT reads them, and no vectors.

    They are numbers that may be tokens', one a step, or all of a segment in one step. The mask of the tokens, and their
    kinds, may follow as steps or columns of their own.
    """
    _, steps, dim = array.shape
    seen = array[:: max(1, len(array) // _LOOKED_AT)]
    if not seen.size or min(steps, dim) > MAX_PARTS or not may_be_ids(seen) or seen.max() <= _LARGEST_COUNT:
        return False
    flags = [seen[:, 1:] if steps <= MAX_PARTS else None, seen[:, :, 1:] if dim <= MAX_PARTS else None]
    return 1 in (steps, dim) or any(part is not None and bool((part <= 1).all()) for part in flags)


def may_be_ids(array: np.ndarray) -> bool:
    """Whether an array of any shape holds nothing but whole numbers from 0, and what stands for no token."""
    return bool((((array >= 0) & (array == np.floor(array))) | np.isin(array, _NO_TOKEN)).all())
