"""What tells a modality, one rule for all readers: its names, the width that most of it has, and what is no vector."""

from __future__ import annotations

import re
from collections import Counter
from typing import TypeVar

import numpy as np

Width = TypeVar("Width")

#: modality → what files call it, without case and punctuation.
NAMES = {
    "text": ("text", "language", "linguistic", "glove", "wordvector", "word2vec", "bert"),
    "audio": ("audio", "acoustic", "covarep", "coavarep", "opensmile", "speech", "voice"),
    "video": ("video", "vision", "visual", "facet", "openface", "facial", "face"),
}

#: What may follow a modality's name without a change of what it is.
ENDINGS = r"features?|feats?|emb|embeddings?|vectors?|s"
_ENDING = re.compile(rf"(?:{ENDINGS})$")

#: Numbers of tokens go beyond this; counts and flags of words seldom do.
_LARGEST_COUNT = 20

#: What stands for no token after the last one, besides 0.
_NO_TOKEN = (-1, -100)

#: Segments whose text is looked at to tell whether it is ids.
_LOOKED_AT = 200


def modality_of(name: str) -> str | None:
    """The modality that a part, a file or a word of its name is called by (`visual`, `audio_features`), or `None`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    for spelling in (letters, _ENDING.sub("", letters)):
        for modality, names in NAMES.items():
            if spelling in names:
                return modality
    return None


def usual_width(widths: Counter[Width]) -> Width:
    """The width that most have; of equals the one that was counted first."""
    return max(widths, key=widths.__getitem__)


def holds_ids(array: np.ndarray) -> bool:
    """Whether a text's array `(segments, steps, dim)` holds the numbers of tokens, as BERT reads them, and no vectors.

    They are numbers that may be tokens', one a step, or all of a segment in one step, or in three steps of which the
    second is the mask and the third the kind of each token.
    """
    _, steps, dim = array.shape
    seen = array[:: max(1, len(array) // _LOOKED_AT)]
    if not seen.size or (steps not in (1, 3) and dim != 1):
        return False
    may_be = may_be_ids(seen) and bool(seen.max() > _LARGEST_COUNT)
    return may_be and (steps != 3 or dim == 1 or bool((seen[:, 1:] <= 1).all()))


def may_be_ids(array: np.ndarray) -> bool:
    """Whether an array of any shape holds nothing but whole numbers from 0, and what stands for no token."""
    return bool((((array >= 0) & (array == np.floor(array))) | np.isin(array, _NO_TOKEN)).all())


def other_columns(modality: str) -> str:
    """How the account calls segments whose modality is of another width than the source's."""
    return f"{modality}: segments with other columns than most, taken as without it"
