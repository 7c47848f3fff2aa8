"""Folds records anew: train and valid of some records become the splits of others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from mmtrans.conversion.convert import convert
from mmtrans.sources.corpus import Corpus
from tfrecords.manifest import MANIFEST_NAME, Manifest
from tfrecords.reader import read_segments
from tfrecords.schema import Segment

_SPLITS = ("train", "valid")


def refold(directory: Path, valid: Collection[str], target: Path, test: Collection[str] = ()) -> None:
    """Writes records with other splits, unless they are there; the test split of the old ones is never read.

    They are records like any other: their train statistics are those of their own train videos.

    Args:
        directory: directory of the records.
        valid: video ids of train and valid that the new valid split holds.
        target: directory of the new records.
        test: those that the new test split holds, if there is to be one; all others are train.

    Raises:
        FileNotFoundError: there are no records.
        ValueError: the records are corrupt.
    """
    if (target / MANIFEST_NAME).is_file():
        return
    manifest = Manifest.load(directory)
    videos = {segment.video_id for segment in _segments(directory, manifest)}
    named = {name: info.feature_names for name, info in manifest.modalities.items()}
    corpus = Corpus(
        format=manifest.source.format,
        files=[directory / MANIFEST_NAME],
        label=manifest.label,
        read=lambda: _segments(directory, manifest),
        video_ids=sorted(videos),
        feature_names={name: names for name, names in named.items() if names is not None},
        folds={"train": sorted(videos - set(valid) - set(test)), "valid": sorted(valid), "test": sorted(test)},
        aligned={name: info.aligned for name, info in manifest.modalities.items()},
        text=manifest.text,
        extraction=manifest.extraction,
        text_dtype=manifest.modalities["text"].dtype if "text" in manifest.modalities else "float32",
    )
    convert(corpus, target, max_steps=manifest.max_steps)


def _segments(directory: Path, manifest: Manifest) -> Iterator[Segment]:
    dims = {name: info.dim for name, info in manifest.modalities.items()}
    for split in _SPLITS:
        for shard in manifest.splits[split].shards if split in manifest.splits else ():
            yield from read_segments(directory / shard.file, {name: dims[name] for name in shard.bucket_steps})
