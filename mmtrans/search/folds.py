"""Cross-validation: train and valid of some records, folded anew by video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.model_selection import GroupKFold

from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.search.plan import Search
from mmtrans.sources.corpus import Corpus
from tfrecords.manifest import MANIFEST_NAME
from tfrecords.reader import read_segments
from tfrecords.schema import Segment

_SPLITS = ("train", "valid")


def fold_videos(records: Records, number: int) -> list[set[str]]:
    """The videos that each fold holds out: each video with labels once, in folds of about as many labelled segments.

    Args:
        records: opened without the test split.
        number: of folds.

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


def make_folds(search: Search, records: Records, folds: Sequence[set[str]]) -> None:
    """Writes the records of each fold of a search, unless they are there.

    They are records like any other: their train statistics are those of the fold's own train videos, and they hold no
    test split.

    Args:
        search: with as many folds.
        records: opened without the test split.
        folds: as `fold_videos` gives them.
    """
    videos = {segment.video_id for segment in _segments(records)}
    for fold, valid in enumerate(folds):
        path = search.fold_path(fold)
        if not (path / MANIFEST_NAME).is_file():
            convert(_corpus(records, videos - valid, valid), path, max_steps=records.manifest.max_steps)


def _segments(records: Records) -> Iterator[Segment]:
    for split in _SPLITS:
        for shard in records.shards(split):
            dims = {name: records.dim(name) for name in shard.bucket_steps}
            yield from read_segments(records.directory / shard.file, dims)


def _corpus(records: Records, train: set[str], valid: set[str]) -> Corpus:
    manifest = records.manifest
    names = {name: info.feature_names for name, info in manifest.modalities.items() if info.feature_names is not None}
    return Corpus(
        format=manifest.source.format,
        files=[records.directory / MANIFEST_NAME],
        label=manifest.label,
        read=lambda: _segments(records),
        video_ids=sorted(train | valid),
        feature_names=names,
        folds={"train": sorted(train), "valid": sorted(valid)},
        aligned={name: info.aligned for name, info in manifest.modalities.items()},
    )
