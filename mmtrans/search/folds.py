"""Cross-validation: which videos of train and valid each fold holds out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import GroupKFold

from mmtrans.data.records import Records
from tfrecords.reader import read_segments
from tfrecords.schema import Segment

_SPLITS = ("train", "valid")


def fold_videos(records: Records, number: int) -> list[set[str]]:
    """The videos that each fold holds out: each video with labels once, in folds of about as many labelled segments.

    Args:
        records: the records, opened without the test split.
        number: number of folds.

    Raises:
        ValueError: fewer videos with labels than folds, or corrupt records.
    """
    groups = [segment.video_id for segment in _segments(records) if segment.label is not None]
    if len(set(groups)) < number:
        raise ValueError(
            f"Too few videos to fold. Expected at least --folds-cv {number} with labels in train and valid. "
            f"Received: videos={len(set(groups))} ({records.directory}). Choose fewer folds."
        )
    splits = GroupKFold(number).split(np.zeros(len(groups)), groups=groups)
    return [{groups[i] for i in held_out} for _, held_out in splits]


def _segments(records: Records) -> Iterator[Segment]:
    for split in _SPLITS:
        for shard in records.shards(split):
            dims = {name: records.dim(name) for name in shard.bucket_steps}
            yield from read_segments(records.directory / shard.file, dims)
