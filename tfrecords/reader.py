"""Records → tensors, a whole batch at a time; and records → `Segment`s, one at a time, for inspection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfrecords.encoding import HALF, unframed
from tfrecords.schema import MODALITIES, Segment


def parse_batch(
    serialized: tf.Tensor, dims: Mapping[str, int], tokens: bool = False, halves: Collection[str] = ()
) -> dict[str, tf.Tensor]:
    """Parses a batch of records in one op; they may come from shards of different buckets.

    Args:
        serialized: `(batch,)` string.
        dims: modality wanted → dim. A record that lacks it gets length 0.
        tokens: whether the words are wanted.
        halves: modalities that are stored in float16.

    Returns:
        `id` `(batch,)` string; if wanted, `tokens` `(batch, most words of the batch)` string, filled up with "";
        `label` `(batch,)` float32, NaN where there is none; for each modality `<modality>` `(batch, longest bucket of
        the batch, dim)` float32, zero beyond each record's length, and `<modality>/length` `(batch,)` int64.
    """
    features = {
        "id": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.float32, default_value=float("nan")),
    }
    if tokens:
        features["tokens"] = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="")
    for modality, dim in dims.items():
        features[modality] = tf.io.FixedLenSequenceFeature([dim], tf.float32, allow_missing=True)
        if modality in halves:
            features[modality] = tf.io.FixedLenFeature([], tf.string, default_value="")
        features[f"{modality}/length"] = tf.io.FixedLenFeature([], tf.int64, default_value=0)
    parsed = tf.io.parse_example(serialized, features)
    return {**parsed, **{name: _from_half(parsed[name], dim) for name, dim in dims.items() if name in halves}}


def _from_half(stored: tf.Tensor, dim: int) -> tf.Tensor:
    """Rows of numbers in float16 `(batch,)` string → `(batch, longest of the batch, dim)` float32, at least a step."""
    row_bytes = dim * np.dtype(HALF).itemsize
    longest = tf.reduce_max(tf.concat([tf.strings.length(stored), [row_bytes]], 0))
    # No version decodes float16 from bytes of different lengths.
    values = tf.bitcast(tf.io.decode_raw(stored, tf.uint16, fixed_length=longest), tf.float16)
    return tf.cast(tf.reshape(values, [-1, longest // row_bytes, dim]), tf.float32)


def read_examples(path: str | Path) -> Iterator[tf.train.Example]:
    """Yields the records of one shard.

    Raises:
        ValueError: a shard that is cut short or whose checksums fail, or a record that is no `tf.train.Example`.
    """
    count = 0
    try:
        # Without tf.data, whose pipeline takes longer to begin than a shard to be read.
        with open(path, "rb") as file:
            for serialized in unframed(file):
                yield tf.train.Example.FromString(serialized)
                count += 1
    except (ValueError, DecodeError) as error:
        raise ValueError(
            f"A shard is corrupt. Expected whole records with matching checksums. Received: record {count} ({path}). "
            "Convert the source again."
        ) from error


def read_segments(path: str | Path, dims: Mapping[str, int], split: str | None = None) -> Iterator[Segment]:
    """Yields the segments of one shard, without their padding.

    Args:
        path: the shard.
        dims: modality → dim, for every modality of the shard.
        split: the shard's split, which records do not store.

    Raises:
        ValueError: a corrupt shard, or a record whose values do not fit its length and dim.
    """
    for example in read_examples(path):
        yield segment_of_example(example, dims, path, split)


def segment_of_example(
    example: tf.train.Example, dims: Mapping[str, int], path: str | Path, split: str | None = None
) -> Segment:
    """One record as a `Segment`; see `read_segments`."""
    feature = example.features.feature
    if not (feature["id"].bytes_list.value and feature["video_id"].bytes_list.value):
        raise ValueError(
            f"A record lacks its names. Expected id and video_id. Received: {sorted(feature)} ({path}). "
            "Convert the source again."
        )
    segment_id = feature["id"].bytes_list.value[0].decode("utf-8")
    arrays = {}
    for modality in MODALITIES:
        if modality not in feature:
            continue
        values = values_of(feature[modality])
        lengths, dim = feature[f"{modality}/length"].int64_list.value, dims.get(modality, 0)
        length = lengths[0] if lengths else 0
        if dim < 1 or len(values) % dim or not 0 < length * dim <= len(values):
            raise ValueError(
                f"A record does not fit its shape. Expected rows of dim={dim}, and a length of 1 up to their number. "
                f"Received: {modality} with {len(values)} values, length={length} ({path}, {segment_id}). "
                "Convert the source again."
            )
        arrays[modality] = values.reshape(-1, dim)[:length]
    return Segment(
        id=segment_id,
        video_id=feature["video_id"].bytes_list.value[0].decode("utf-8"),
        features=arrays,
        label=feature["label"].float_list.value[0] if feature["label"].float_list.value else None,
        tokens=tuple(token.decode("utf-8") for token in feature["tokens"].bytes_list.value),
        split=split,
    )


def values_of(feature: tf.train.Feature) -> np.ndarray:
    """The numbers of one modality in a record, padding included, in a row of float32, whatever type they have there."""
    if not feature.HasField("bytes_list"):
        return np.array(feature.float_list.value, np.float32)
    stored = b"".join(feature.bytes_list.value)
    return np.frombuffer(stored[: len(stored) // 2 * 2], HALF).astype(np.float32)


def read_ids(path: str | Path) -> list[str]:
    """Names of the segments of one shard, in the order of the file.

    Raises:
        ValueError: a corrupt shard.
    """
    return [example.features.feature["id"].bytes_list.value[0].decode("utf-8") for example in read_examples(path)]


def read_lengths(path: str | Path, modalities: Sequence[str]) -> np.ndarray:
    """Steps of the segments of one shard, `(segments, modalities)` int64 in the order of the file; 0 for none.

    Raises:
        ValueError: a corrupt shard.
    """
    lengths = []
    for example in read_examples(path):
        stored = [example.features.feature[f"{name}/length"].int64_list.value for name in modalities]
        lengths.append([values[0] if values else 0 for values in stored])
    return np.array(lengths, np.int64)


def read_labels(path: str | Path) -> np.ndarray:
    """Labels of one shard, `(segments,)` float32 in the order of the file, NaN where there is none.

    Raises:
        ValueError: a corrupt shard.
    """
    labels = []
    for example in read_examples(path):
        values = example.features.feature["label"].float_list.value
        labels.append(values[0] if values else np.nan)
    return np.array(labels, np.float32)
