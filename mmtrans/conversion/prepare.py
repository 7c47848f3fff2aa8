"""What is done of each segment alone: it is cut, its label is brought onto the scale, and it is encoded and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mmtrans.conversion.statistics import Moments
from mmtrans.conversion.summary import Lengths
from tfrecords.precision import rounded
from tfrecords.schema import LabelScale, Segment
from tfrecords.writer import Record, record_of


@dataclass(frozen=True)
class Prepared:
    """All that records, and what is told of them, need to know of a segment.

    Attributes:
        id: the segment's id.
        video_id: its video.
        columns: modality → columns.
        lengths: its lengths in the source.
        stored: its lengths as it is stored.
        zero_rows: modality → rows that are all zeros, as it is stored.
        label: its label on the scale, or `None`.
        is_clipped: whether the label was beyond the scale.
        moments: modality → moments, of a segment of train.
        record: the record, or `None` where its video is in no fold.
    """

    id: str
    video_id: str
    columns: Mapping[str, int]
    lengths: Lengths
    stored: Lengths
    zero_rows: Mapping[str, int]
    label: float | None
    is_clipped: bool
    moments: Mapping[str, Moments]
    record: Record | None


@dataclass(frozen=True)
class Preparation:
    """Prepares segments, each by itself, in whatever process.

    Attributes:
        max_steps: limits as `mmtrans.conversion.convert.parse_max_steps` gives them.
        split_of: video → split.
        label: the label's scale.
        aligned: modality → whether its steps are the words' steps; those that are not named are.
        halves: modalities that are stored in float16.

    Raises:
        ValueError: a value is larger than any of the stored type.
    """

    max_steps: Mapping[str, int]
    split_of: Mapping[str, str]
    label: LabelScale
    aligned: Mapping[str, bool]
    halves: frozenset[str] = frozenset()

    def __call__(self, segment: Segment) -> Prepared:
        label = self._clip(segment.label)
        split = self.split_of.get(segment.video_id)
        stored = replace(self._cut(segment), split=split, label=label)
        moments = {name: Moments.of(array) for name, array in stored.features.items()} if split == "train" else {}
        return Prepared(
            id=segment.id,
            video_id=segment.video_id,
            columns={name: array.shape[1] for name, array in segment.features.items()},
            lengths=Lengths.of(segment),
            stored=Lengths.of(stored),
            zero_rows={name: int((~array.any(axis=1)).sum()) for name, array in stored.features.items()},
            label=label,
            is_clipped=label != segment.label,
            moments=moments,
            record=None if split is None else record_of(stored, self.halves),
        )

    def is_aligned(self, modality: str) -> bool:
        """Whether a modality's steps are the words' steps."""
        return self.aligned.get(modality, True)

    def _clip(self, label: float | None) -> float | None:
        low, high = self.label.low, self.label.high
        # Labels are float32 in most files: a rounding over the end is no outlier.
        if label is None or low - 1e-6 <= label <= high + 1e-6:
            return label
        return min(max(label, low), high)

    def _cut(self, segment: Segment) -> Segment:
        limit = self.max_steps["aligned"]
        features: dict[str, np.ndarray] = {}
        for name, array in segment.features.items():
            stream = "aligned" if self.is_aligned(name) else name
            kept = array[: self.max_steps.get(stream, len(array))]
            features[name] = rounded(kept, name, segment.id) if name in self.halves else kept
        return replace(segment, features=features, tokens=segment.tokens[:limit])
