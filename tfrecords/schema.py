"""What one record holds: the `Segment`, its invariants, the scale of its label, and the version of the format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from tfrecords.stored import Finite

FORMAT_VERSION = 1

#: The modalities of the field, in the order of the recipe letters T, A, V.
MODALITIES = ("text", "audio", "video")

#: The fixed names of the three folds. Sources that say "dev" or "val" are renamed at the edge.
SPLITS = ("train", "valid", "test")

#: In the columns of a word's pieces: there is no further piece.
NO_PIECE = -1.0

#: A segment's id: the video, and in brackets the row in the label file, which counts from 0.
SEGMENT_ID = re.compile(r"(.+)\[([0-9]{1,18})\]", re.DOTALL)


def segment_id(video_id: str, index: int) -> str:
    """`<video_id>[<index>]`, the one id that records carry; `index` counts from 0 in the label file.

    Raises:
        ValueError: the video id is empty or the index negative.
    """
    if not video_id or index < 0:
        raise ValueError(
            f"A segment needs a video and a row. Expected a non-empty video id and an index from 0. "
            f"Received: video_id={video_id!r}, index={index}. Check the ids of the source."
        )
    return f"{video_id}[{index}]"


def video_of(id: str) -> str:
    """The video of a segment's id; raises as `parts_of` does."""
    return parts_of(id)[0]


def parts_of(id: str) -> tuple[str, int]:
    """The video of a segment's id, and the segment's number.

    Raises:
        ValueError: the id is not `<video_id>[<index>]`.
    """
    match = SEGMENT_ID.fullmatch(id)
    if match is None:
        raise ValueError(f"No segment id. Expected <video_id>[<index>]. Received: id={id!r}. Convert the source anew.")
    return match[1], int(match[2])


class ScaleFields(TypedDict):
    """A `LabelScale` in JSON."""

    name: str
    low: float
    high: float
    neutral: float


@dataclass(frozen=True)
class LabelScale:
    """Name of the label and its range; `neutral` splits the binary classes.

    MOSI's sentiment is `LabelScale("sentiment", -3.0, 3.0, 0.0)`.
    """

    name: str
    low: Finite
    high: Finite
    neutral: Finite

    def to_json(self) -> ScaleFields:
        """The scale, ready for JSON."""
        return {"name": self.name, "low": self.low, "high": self.high, "neutral": self.neutral}


@dataclass(frozen=True, eq=False)
class Segment:
    """One opinion segment: a stretch of one video, in up to three modalities.

    Attributes:
        id: `<video_id>[<index>]`, the index counting from 0 in the label file.
        video_id: the video that the segment is cut from; folds and intervals are by video.
        features: modality name → `(steps, dim)` float32, cleaned and un-normalised. Aligned modalities
            share `steps` (one step a word); unaligned ones have their own. A modality that is absent has no key.
        label: sentiment, or `None` where the segment has none.
        tokens: the words, one a step of the aligned modalities; empty where the source has no words.
        split: `train`, `valid` or `test`, or `None` before folds are assigned.

    Raises:
        ValueError: an unknown modality or split, an array that is not a non-empty `(steps, dim)` of finite
            float32, a label that is not finite.
    """

    id: str
    video_id: str
    features: Mapping[str, np.ndarray]
    label: float | None = None
    tokens: tuple[str, ...] = field(default=())
    split: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.features) - set(MODALITIES))
        if unknown:
            raise ValueError(f"Unknown modality. Expected some of {list(MODALITIES)}. Received: {unknown} ({self.id}).")
        if self.split is not None and self.split not in SPLITS:
            raise ValueError(
                f"Unknown split. Expected one of {list(SPLITS)}. Received: split={self.split!r} ({self.id})."
            )
        if self.label is not None and not np.isfinite(self.label):
            raise ValueError(f"A label must be finite. Received: label={self.label} ({self.id}).")
        for name, array in self.features.items():
            if array.ndim != 2 or array.dtype != np.float32 or 0 in array.shape:
                raise ValueError(
                    f"A modality must be a non-empty (steps, dim) float32 array. "
                    f"Received: {name} {array.dtype}{array.shape} ({self.id})."
                )
            if not np.isfinite(array).all():
                raise ValueError(f"Features must be finite: clean them first. Received: {name} ({self.id}).")
