"""Segments → shards of padded `tf.train.Example` records, in a directory that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfrecords.directories import new_directory
from tfrecords.encoding import frame, serialize
from tfrecords.manifest import MANIFEST_NAME, Shard
from tfrecords.schema import MODALITIES, SPLITS, Segment

#: Close together where words are (MOSI: 12.5 a segment, 50 kept), so that a batch of one bucket carries little padding.
WORD_BUCKETS = (4, 6, 8, 10, 12, 15, 18, 22, 27, 33, 41, 50)

#: Rolling over keeps shards small enough for their order to be shuffled.
MAX_SEGMENTS = 512

#: Unaligned streams make many combinations of buckets; file handles are few.
MAX_OPEN_SHARDS = 128


def bucket_length(steps: int) -> int:
    """Smallest bucket that holds `steps`: `WORD_BUCKETS`, then 64, 96, 128, 192, 256, 384, …."""
    if steps <= WORD_BUCKETS[-1]:
        return WORD_BUCKETS[bisect_left(WORD_BUCKETS, steps)]
    bucket = 64
    while bucket < steps:
        # 2^k → 1.5·2^k → 2^(k+1): two buckets a doubling.
        bucket = bucket * 3 // 2 if bucket & (bucket - 1) == 0 else bucket * 4 // 3
    return bucket


@dataclass(frozen=True)
class Record:
    """A segment as a shard holds it; records of one shard agree in all but the content.

    Attributes:
        split: the split.
        bucket_steps: modality present → steps that it is padded to.
        labelled: whether it has a label.
        content: the framed `tf.train.Example`.
    """

    split: str
    bucket_steps: Mapping[str, int]
    labelled: bool
    content: bytes


def record_of(segment: Segment, halves: Collection[str] = ()) -> Record:
    """The record of a segment.

    Args:
        segment: the segment.
        halves: modalities that are stored in float16.

    Raises:
        ValueError: a segment without a split.
    """
    if segment.split is None:
        raise ValueError(f"A segment must have a split to be written. Received: split=None ({segment.id}).")
    steps = {m: bucket_length(len(segment.features[m])) for m in MODALITIES if m in segment.features}
    return Record(segment.split, steps, segment.label is not None, frame(serialize(segment, steps, halves)))


def write_shards(
    records: Iterable[Record], directory: str | Path, *, max_segments: int = MAX_SEGMENTS
) -> dict[str, tuple[Shard, ...]]:
    """Writes every record once, one in memory at a time.

    Args:
        records: the records.
        directory: an existing directory.
        max_segments: records in a shard before the next one is begun.

    Returns:
        Split → its shards, from short segments to long ones; a split without segments is absent.
    """
    open_shards: dict[tuple, _OpenShard] = {}
    numbers: dict[str, int] = dict.fromkeys(SPLITS, 0)
    closed: dict[str, list[Shard]] = {split: [] for split in SPLITS}
    try:
        for record in records:
            key = record.split, tuple(record.bucket_steps.items()), record.labelled
            # Popped and put back, the mapping is in the order of the last use.
            shard = open_shards.pop(key, None)
            if shard is None:
                if len(open_shards) >= MAX_OPEN_SHARDS:
                    oldest = next(iter(open_shards))
                    closed[oldest[0]].append(open_shards.pop(oldest).close())
                shard = _OpenShard(Path(directory), record, numbers[record.split])
                numbers[record.split] += 1
            shard.write(record)
            if shard.segments == max_segments:
                closed[record.split].append(shard.close())
            else:
                open_shards[key] = shard
    finally:
        # On an error too: what is half written is the caller's to delete, the handles are ours.
        for key, shard in open_shards.items():
            closed[key[0]].append(shard.close())
    return {split: tuple(sorted(shards, key=lambda s: s.file)) for split, shards in closed.items() if shards}


@contextmanager
def new_records(records_dir: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A records directory that appears whole or not at all.

    The body writes shards and then the manifest into the directory that it is given; see `new_directory`.

    Args:
        records_dir: the directory to make. It may exist empty.
        overwrite: replace records that exist.

    Raises:
        ValueError: `records_dir` holds something else than records, or records and not `overwrite`.
    """
    with new_directory(records_dir, partial(_check_target, overwrite=overwrite), overwrite=overwrite) as directory:
        yield directory


class _OpenShard:
    """A shard being written; all its records are like the first one."""

    def __init__(self, directory: Path, first: Record, number: int) -> None:
        self._labelled = first.labelled
        self._bucket_steps = dict(first.bucket_steps)
        longest = max(self._bucket_steps.values(), default=0)
        self._path = directory / f"{first.split}-{longest:06d}-{number:05d}.tfrecord"
        self._file = self._path.open("wb")
        # Hashed on the way: reading the shards again would cost more than writing them.
        self._digest = hashlib.sha256()
        self._bytes = 0
        self.segments = 0

    def write(self, record: Record) -> None:
        self._file.write(record.content)
        self._digest.update(record.content)
        self._bytes += len(record.content)
        self.segments += 1

    def close(self) -> Shard:
        self._file.close()
        return Shard(
            file=self._path.name,
            sha256=self._digest.hexdigest(),
            bytes=self._bytes,
            segments=self.segments,
            bucket_steps=self._bucket_steps,
            labelled=self._labelled,
        )


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    received = f"Received: records={str(target)!r}"
    if not target.is_dir():
        raise ValueError(f"Records are a directory. Expected a new name. {received}, a file. Give another name.")
    names = sorted(path.name for path in target.iterdir())
    if not names:
        return
    foreign = [name for name in names if name != MANIFEST_NAME and not name.endswith(".tfrecord")]
    if foreign or not _has_manifest(target):
        raise ValueError(
            f"The directory holds other things than records and is left alone. Expected a new or empty directory, or "
            f"records. {received} with {(foreign or names)[:5]}. Give another name."
        )
    if not overwrite:
        raise ValueError(
            f"Records exist already. Expected a new directory. {received}. Replace them with --overwrite, or give "
            "another name."
        )


def _has_manifest(directory: Path) -> bool:
    path = directory / MANIFEST_NAME
    if not path.is_file():
        return False
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (RecursionError, ValueError):
        return False
    return isinstance(data, dict) and "format_version" in data
