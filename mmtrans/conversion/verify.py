"""Whether records still hold what their manifest says: reads every one of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrecords.manifest import Manifest, Shard, file_sha256
from tfrecords.reader import read_examples, segment_of_example, values_of
from tfrecords.schema import Segment


def verify_records(records_dir: str | Path) -> list[str]:
    """Reads every shard and returns a sentence for each problem; an empty list says that the records are whole.

    Checked are the sizes, checksums and counts of the shards; that each record parses, is finite, has its bucket's
    padding and the shard's modalities, a label inside the range or none as the shard says, and an id of its own; the
    number of videos; that no video is in two splits.

    Raises:
        FileNotFoundError: no records.
        ValueError: a bad manifest.
    """
    manifest = Manifest.load(records_dir)
    problems: list[str] = []
    splits_of: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()
    for split, info in manifest.splits.items():
        videos: set[str] = set()
        for shard in info.shards:
            segments = _verify_shard(Path(records_dir) / shard.file, shard, manifest, problems)
            for segment_id, video_id in segments:
                if segment_id in seen:
                    problems.append(f"A segment is stored twice: {segment_id} ({shard.file}).")
                seen.add(segment_id)
                videos.add(video_id)
                splits_of[video_id].add(split)
        if len(videos) != info.videos:
            problems.append(f"The manifest counts {info.videos} videos in {split}, the records hold {len(videos)}.")
    for video_id, splits in sorted(splits_of.items()):
        if len(splits) > 1:
            problems.append(f"A video is in several splits: {video_id} in {sorted(splits)}.")
    return problems


def _verify_shard(path: Path, shard: Shard, manifest: Manifest, problems: list[str]) -> list[tuple[str, str]]:
    """Adds the shard's problems; returns `(id, video id)` of the records that could be read."""
    if not path.is_file():
        problems.append(f"A shard is missing: {shard.file}.")
        return []
    if path.stat().st_size != shard.bytes or file_sha256(path) != shard.sha256:
        problems.append(f"A shard is not the one that the manifest names, its checksum differs: {shard.file}.")
    names = []
    records = 0
    try:
        for example in read_examples(path):
            records += 1
            segment = _verify_record(example, path, shard, manifest, problems)
            if segment is not None:
                names.append((segment.id, segment.video_id))
    except ValueError as error:
        problems.append(str(error))
    if records != shard.segments:
        problems.append(f"The manifest counts {shard.segments} segments in {shard.file}, it holds {records}.")
    return names


def _verify_record(
    example: tf.train.Example, path: Path, shard: Shard, manifest: Manifest, problems: list[str]
) -> Segment | None:
    dims = {name: info.dim for name, info in manifest.modalities.items()}
    try:
        segment = segment_of_example(example, dims, path)
    except ValueError as error:
        problems.append(str(error))
        return None
    where = f"{segment.id} ({shard.file})"
    if set(segment.features) != set(shard.bucket_steps):
        problems.append(f"A record has {sorted(segment.features)}, its shard {sorted(shard.bucket_steps)}: {where}.")
    for name, steps in shard.bucket_steps.items():
        feature, dtype = example.features.feature[name], manifest.modalities[name].dtype
        if feature.HasField("bytes_list") != (dtype == "float16"):
            problems.append(f"A record does not hold {name} in {dtype}, as the manifest says: {where}.")
        values = values_of(feature)
        length = len(segment.features.get(name, ()))
        if len(values) != steps * dims[name] or values[length * dims[name] :].any():
            problems.append(f"A record is not padded with zeros to {steps} steps of {name}: {where}.")
    if (segment.label is not None) != shard.labelled:
        problems.append(f"A record's label is {segment.label}, its shard says labelled={shard.labelled}: {where}.")
    # In float32, as the label is stored.
    low, high = (float(np.float32(end)) for end in (manifest.label.low, manifest.label.high))
    if segment.label is not None and not low - 1e-6 <= segment.label <= high + 1e-6:
        problems.append(f"A label is outside {low} to {high}: {segment.label} in {where}.")
    return segment
