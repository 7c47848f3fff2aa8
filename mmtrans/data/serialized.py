"""The serialised records of an epoch, in its order: held in memory where they are few, streamed where they are many."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrecords.manifest import Shard

#: Shards with more bytes than these, together, are streamed anew at every epoch. MOSI's aligned features take 30 MB.
HELD_BYTES = 1 << 27

#: Size of the shuffle buffer of a streamed pool, which is some 400 MOSI segments; but at least so many.
SHUFFLE_BYTES, LEAST_SHUFFLED = 1 << 23, 64

_READ_BUFFER_BYTES = 1 << 18


def serialized_batches(
    directory: Path,
    pools: Sequence[Sequence[Shard]],
    batch_size: int,
    rng: np.random.Generator | None = None,
    kept_rows: Mapping[str, np.ndarray] | None = None,
) -> tf.data.Dataset:
    """Batches `(batch,)` string, each of records of one pool or of two adjacent ones.

    Every record occurs once; at most one batch is short.

    Args:
        directory: the directory of the shards.
        pools: shards of similar segments.
        batch_size: records in a batch.
        rng: draws the order of the batches and of the records within a pool; `None` keeps that of the shards.
        kept_rows: shard file → `(segments,)` bool, where only some of its records are wanted.
    """
    counts = [sum(shard.segments for shard in pool) for pool in pools]
    # One choice a segment, in whole batches: batches straddle neighbouring pools, so there is one short batch at
    # most, however small the pools are.
    plan = _batch_plan(counts, batch_size, rng)
    files = [[_file(directory, shard, kept_rows) for shard in pool] for pool in pools]
    if sum(shard.bytes for pool in pools for shard in pool) <= HELD_BYTES:
        rows = tf.data.Dataset.from_tensor_slices(_rows(counts, plan, rng)).batch(batch_size)
        return rows.map(_held(tuple(file for pool in files for file in pool)))
    streams = [_streamed(pool, _buffer_size(shards), rng) for pool, shards in zip(files, pools, strict=True)]
    chosen = tf.data.Dataset.choose_from_datasets(streams, tf.data.Dataset.from_tensor_slices(plan))
    return chosen.batch(batch_size)


def serialized_videos(
    directory: Path,
    shards: Sequence[Shard],
    batches: Sequence[Sequence[int]],
    kept_rows: Mapping[str, np.ndarray] | None = None,
) -> tf.data.Dataset:
    """Batches `(batch,)` string of given records. All are held in memory: those of a video lie in different shards.

    Args:
        directory: the directory of the shards.
        shards: the shards.
        batches: the records of each batch, counted through all shards.
        kept_rows: as of `serialized_batches`.
    """
    rows = np.array([row for batch in batches for row in batch], np.int64)
    lengths = np.array([len(batch) for batch in batches], np.int64)
    parts = tf.data.Dataset.from_tensor_slices(tf.RaggedTensor.from_row_lengths(rows, lengths))
    return parts.map(_held(tuple(_file(directory, shard, kept_rows) for shard in shards)))


def _batch_plan(counts: list[int], batch_size: int, rng: np.random.Generator | None) -> np.ndarray:
    """The pool that each segment of the epoch is taken from, `(segments,)` int64."""
    pool_of = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    if rng is None:
        return pool_of
    full, short = divmod(len(pool_of), batch_size)
    # The short batch comes last, but is cut out anywhere: else it would always be of the longest segments.
    start = batch_size * rng.integers(full + 1)
    rest = np.delete(pool_of, slice(start, start + short)).reshape(full, batch_size)
    return np.concatenate([rest[rng.permutation(full)].ravel(), pool_of[start : start + short]])


def _rows(counts: list[int], plan: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """The record that each segment of the epoch is, `(segments,)` int64, counted through all pools."""
    starts = np.cumsum([0, *counts])[:-1]
    orders = [np.arange(count) if rng is None else rng.permutation(count) for count in counts]
    rows = np.empty_like(plan)
    # A stable sort of the plan lists the places of the first pool, then those of the second, …
    rows[np.argsort(plan, kind="stable")] = np.concatenate([s + o for s, o in zip(starts, orders, strict=True)])
    return rows


def _file(directory: Path, shard: Shard, kept_rows: Mapping[str, np.ndarray] | None) -> tuple:
    """What a shard is read by: path, checksum, which tells it from a later one, and the rows wanted, empty for all."""
    return str(directory / shard.file), shard.sha256, tuple((kept_rows or {}).get(shard.file, ()))


@functools.lru_cache(maxsize=4)
def _held(files: tuple[tuple, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Holds the records of some shards in memory, and gives the records `(batch,)` string of rows `(batch,)` int64.

    Few are kept, as they may be large: a run's train and valid.
    """
    if any(rows for _, _, rows in files):
        records = tf.concat([_records((path,), rows) for path, _, rows in files], 0)
    else:
        # By one reader: making one takes longer than a small shard's reading.
        records = _records(tuple(path for path, _, _ in files))

    # A batch is copied when it is asked for: an epoch in its order, at once, would take the records' memory again.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)
    def records_of(rows: tf.Tensor) -> tf.Tensor:
        return tf.gather(records, rows)

    return records_of


def _records(paths: tuple[str, ...], rows: tuple[bool, ...] = ()) -> tf.Tensor:
    """The records of some shards, of one those in `rows` alone where there are any, `(records,)` string."""
    # One batch of all. The rows are chosen after it: tf.data fuses a map with the batch after it, and with a batch of
    # this size the fused operation never ends.
    records = next(iter(_whole_reader(paths).batch(1 << 31)))
    return tf.boolean_mask(records, np.array(rows)) if rows else records


def _buffer_size(pool: Sequence[Shard]) -> int:
    """Segments in the shuffle buffer of a pool."""
    size = SHUFFLE_BYTES * sum(shard.segments for shard in pool) // sum(shard.bytes for shard in pool)
    return max(size, LEAST_SHUFFLED)


def _streamed(files: list[tuple], buffer_size: int, rng: np.random.Generator | None) -> tf.data.Dataset:
    """The records of a pool, one at a time, shuffled in a buffer of so many."""
    # Shards first, then segments: the buffer alone would not mix the ends of a large pool.
    order = files if rng is None else [files[i] for i in rng.permutation(len(files))]
    if any(rows for _, _, rows in order):
        reader = functools.reduce(tf.data.Dataset.concatenate, [_reader(path, rows) for path, _, rows in order])
    else:
        reader = _whole_reader(tuple(path for path, _, _ in order))
    if rng is None:
        return reader
    return reader.shuffle(buffer_size, seed=int(rng.integers(1 << 31)), reshuffle_each_iteration=False)


@functools.lru_cache(maxsize=256)
def _whole_reader(paths: tuple[str, ...]) -> tf.data.Dataset:
    # It opens nothing until iterated, and making one takes 5 ms: a dozen of them each epoch are worth keeping.
    return tf.data.TFRecordDataset(list(map(os.fsencode, paths)), buffer_size=_READ_BUFFER_BYTES)


@functools.lru_cache(maxsize=256)
def _reader(path: str, rows: tuple[bool, ...]) -> tf.data.Dataset:
    """The wanted records of one shard."""
    reader = _whole_reader((path,))
    if not rows:
        return reader
    # Kept too: its two functions take 20 ms to trace.
    both = tf.data.Dataset.zip((reader, tf.data.Dataset.from_tensor_slices(np.array(rows))))
    return both.filter(lambda _, kept: kept).map(lambda record, _: record)
