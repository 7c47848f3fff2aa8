"""Whole videos: which rows of an epoch are of one batch, and what tells a model the segments of a video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mmtrans.system.arithmetic import ceil_div
from tfrecords.schema import parts_of

#: The parts of a segment's id, as TensorFlow reads it; see `tfrecords.schema`.
_PATTERN = r"(?s)(.+)\[([0-9]{1,18})\]"


def video_rows(ids: Sequence[str]) -> dict[str, list[int]]:
    """Video → the rows of its segments in their order; videos are sorted by name.

    Args:
        ids: ids of segments, `<video_id>[<index>]`, one a row.

    Raises:
        ValueError: an id of another form.
    """
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, id_ in enumerate(ids):
        video, number = parts_of(id_)
        found[video].append((number, row))
    return {video: [row for _, row in sorted(found[video])] for video in sorted(found)}


def videos_per_batch(num_videos: int, num_segments: int, batch_size: int) -> int:
    """How many videos have about `batch_size` segments, at the mean of a split; at least one."""
    return max(1, round(batch_size * num_videos / max(1, num_segments)))


def num_video_batches(ids: Sequence[str], batch_size: int) -> int:
    """Batches of an epoch of whole videos."""
    videos = video_rows(ids)
    return ceil_div(len(videos), videos_per_batch(len(videos), len(ids), batch_size))


def video_batches(
    ids: Sequence[str], batch_size: int, rng: np.random.Generator | None = None, index: int = 0, num_workers: int = 1
) -> list[list[int]]:
    """The rows of each batch: whole videos, equally many in every batch but the last.

    Args:
        ids: ids of segments, one a row.
        batch_size: segments in a batch, about.
        rng: draws the order of the videos; `None` for that of their names.
        index: this worker's place among the workers, from 0. It reads every `num_workers`-th video of each batch.
        num_workers: processes that train together.
    """
    videos = list(video_rows(ids).values())
    count = videos_per_batch(len(videos), len(ids), batch_size)
    if rng is not None:
        videos = [videos[i] for i in rng.permutation(len(videos))]
    batches = [videos[start : start + count] for start in range(0, len(videos), count)]
    return [[row for video in batch[index::num_workers] for row in video] for batch in batches]


def numbers_of(ids: tf.Tensor) -> dict[str, tf.Tensor]:
    """What tells a model which segments are of one video, and their order.

    Args:
        ids: `(batch,)` string, ids of segments.

    Returns:
        `video_number` `(batch,)` int64, which counts the videos of the batch as they come, from 0; `segment_number`
        `(batch,)` int64, the number in the segment's id.
    """
    videos, numbers = (tf.strings.regex_replace(ids, _PATTERN, group) for group in (r"\1", r"\2"))
    return {
        "video_number": tf.unique(videos, out_idx=tf.int64).idx,
        "segment_number": tf.strings.to_number(numbers, tf.int64),
    }
