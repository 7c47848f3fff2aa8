"""Cross-validation: train and valid of some records, folded anew by video."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import GroupKFold

from mmtrans.data.convert import convert
from mmtrans.data.records import Records
from mmtrans.search.plan import Search
from mmtrans.sources.corpus import Corpus
from tfrecords.manifest import MANIFEST_NAME
from tfrecords.reader import read_segments
from tfrecords.schema import Segment

_SPLITS = ("train", "valid")


def make_folds(search: Search, records: Records) -> None:
    """Writes the records of each fold of a search's cross-validation, unless they are there.

    They are records like any other: their train statistics are those of the fold's own train videos, and they hold no
    test split. Folds are of about the same number of labelled segments; a video is in one of them.

    Args:
        search: with folds.
        records: opened without the test split.

    Raises:
        ValueError: fewer videos with labels than folds, or corrupt records.
    """
    groups = [segment.video_id for segment in _segments(records) if segment.label is not None]
    if len(set(groups)) < search.num_folds:
        raise ValueError(
            f"Too few videos to fold. Expected at least --folds-cv {search.num_folds} with labels in train and valid. "
            f"Received: videos={len(set(groups))} ({records.directory}). Choose fewer folds."
        )
    videos = {segment.video_id for segment in _segments(records)}
    splitter = GroupKFold(search.num_folds)
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(groups)), groups=groups)):
        path = search.fold_path(fold)
        if not (path / MANIFEST_NAME).is_file():
            valid = {groups[i] for i in held_out}
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
