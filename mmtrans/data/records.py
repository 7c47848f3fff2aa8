"""A records directory as training sees it: only the splits that it may read, and the statistics of train."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrecords.manifest import Manifest, ModalityInfo, Shard, file_sha256
from tfrecords.reader import read_ids, read_labels
from tfrecords.schema import SPLITS

_REMEDIES = {
    "text": "Convert the source again with --glove FILE",
    "audio": "Convert a source that holds it, or choose another recipe",
    "video": "Convert a source that holds it, or choose another recipe",
}


@dataclass(frozen=True)
class Records:
    """An opened records directory. Make it with `Records.open`.

    Args:
        directory: where the shards are.
        manifest: what they hold.
        splits: those that may be read; asking for another is an error, so that test cannot leak into training.
        kept_rows: where only some train labels are there: shard file → `(segments,)` bool, the rows that keep theirs.
        hidden_ids: of the segments whose labels are not there.
    """

    directory: Path
    manifest: Manifest
    splits: tuple[str, ...] = SPLITS
    kept_rows: Mapping[str, np.ndarray] | None = None
    hidden_ids: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | Path, splits: Sequence[str] = SPLITS) -> Records:
        """Reads the manifest and checks that the shards of `splits` are there, by their sizes.

        Raises:
            FileNotFoundError: no records, or a shard is missing.
            ValueError: an unknown split, a bad manifest, or a shard of another size.
        """
        unknown = sorted(set(splits) - set(SPLITS))
        if unknown:
            raise ValueError(f"Unknown split. Expected some of {list(SPLITS)}. Received: splits={unknown}.")
        records = cls(Path(path), Manifest.load(path), tuple(splits))
        for split in splits:
            for shard in records.shards(split):
                _check_size(records.directory / shard.file, shard.bytes)
        return records

    def has(self, modality: str) -> bool:
        """Whether some segment of some split has the modality."""
        return modality in self.manifest.modalities

    def info(self, modality: str) -> ModalityInfo:
        """What the manifest says of a modality.

        Raises:
            ValueError: no segment has it; the message says how to get it.
        """
        if not self.has(modality):
            raise ValueError(
                f"The records have no {modality}. Expected one of {sorted(self.manifest.modalities)}. "
                f"Received: modality={modality!r} ({self.directory}). {_REMEDIES.get(modality, 'Choose another')}."
            )
        return self.manifest.modalities[modality]

    @property
    def unaligned(self) -> frozenset[str]:
        """Modalities whose steps are not the words'."""
        return frozenset(name for name, info in self.manifest.modalities.items() if not info.aligned)

    def dim(self, modality: str) -> int:
        """Number of columns; raises as `info` does."""
        return self.info(modality).dim

    def statistics(self, modality: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation over train, `(dim,)` float32 each.

        Raises:
            ValueError: the modality is absent, from all splits or from train.
        """
        info = self.info(modality)
        if info.mean is None or info.std is None:
            raise ValueError(
                f"The records have no statistics of {modality}. Expected a train split with {modality}. "
                f"Received: mean=None ({self.directory}). Convert the training data with this modality."
            )
        return np.array(info.mean, np.float32), np.array(info.std, np.float32)

    def shards(self, split: str, modalities: Sequence[str] = (), labelled: bool = False) -> tuple[Shard, ...]:
        """Shards of a split whose segments have all `modalities`, and a label if `labelled`; short ones first.

        Raises:
            ValueError: a split that this view may not read, or a modality that is absent everywhere.
        """
        if split not in self.splits:
            raise ValueError(
                f"This split may not be read here. Expected one of {list(self.splits)}. "
                f"Received: split={split!r} ({self.directory}). Open the records with it in `splits`."
            )
        for modality in modalities:
            self.info(modality)
        if split not in self.manifest.splits:
            return ()
        found = (
            shard
            for shard in self.manifest.splits[split].shards
            if set(modalities) <= set(shard.bucket_steps) and (shard.labelled or not labelled)
        )
        return tuple(self._narrowed(found)) if split == "train" and labelled and self.kept_rows else tuple(found)

    def _narrowed(self, shards: Iterator[Shard]) -> Iterator[Shard]:
        """Shards with their count of kept segments; not those that keep none."""
        for shard in shards:
            if kept := int(self.kept_rows[shard.file].sum()):
                yield replace(shard, segments=kept)

    def with_label_fraction(self, fraction: float, seed: int) -> Records:
        """The view in which only a share of the labelled train segments is there, where labels are asked for.

        Where they are not, the others are there too, without their labels. The share is of all labelled segments,
        whatever modalities they have. For one seed a smaller share is a part of a larger.

        Args:
            fraction: between 0 and 1, which keeps all. At least one segment is kept.
            seed: chooses the segments.
        """
        shards = self.shards("train", labelled=True)
        if fraction == 1.0 or not shards:
            return self
        ids = {shard.file: read_ids(self.directory / shard.file) for shard in shards}
        ranks = {id_: _rank(seed, id_) for id_ in itertools.chain.from_iterable(ids.values())}
        ordered = sorted(ranks.values())
        last = ordered[max(1, round(fraction * len(ordered))) - 1]
        kept_rows = {file: np.array([ranks[id_] <= last for id_ in file_ids]) for file, file_ids in ids.items()}
        hidden_ids = tuple(id_ for id_, rank in ranks.items() if rank > last)
        return replace(self, kept_rows=kept_rows, hidden_ids=hidden_ids)

    def count(self, split: str, modalities: Sequence[str] = (), labelled: bool = False) -> int:
        """Number of segments in `shards` of the same arguments."""
        return sum(shard.segments for shard in self.shards(split, modalities, labelled))

    def labels(self, split: str) -> np.ndarray:
        """Labels of the segments that have one, `(segments,)` float32, in the order of the shards."""
        arrays = [self._labels_of(shard) for shard in self.shards(split, labelled=True)]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)

    def _labels_of(self, shard: Shard) -> np.ndarray:
        labels = read_labels(self.directory / shard.file)
        return labels if self.kept_rows is None else labels[self.kept_rows.get(shard.file, ...)]


def _rank(seed: int, segment_id: str) -> bytes:
    """What a segment's place in the order of a seed is made from: the same on every machine."""
    return hashlib.sha256(f"{seed} {segment_id}".encode()).digest()


@contextlib.contextmanager
def corruption_named(records: Records) -> Iterator[None]:
    """Context in which batches of `records` are read: a checksum that fails in the middle of a graph gets a file name.

    Raises:
        ValueError: a shard is corrupt; the message names those that differ from the manifest.
    """
    try:
        yield
    except tf.errors.DataLossError as error:
        shards = [shard for split in records.splits for shard in records.shards(split)]
        damaged = [shard.file for shard in shards if file_sha256(records.directory / shard.file) != shard.sha256]
        raise ValueError(
            f"The records are corrupt. Expected shards with the checksums of manifest.json. "
            f"Received: shards={damaged} ({records.directory}, {error.message}). "
            f"Convert the source again, or copy the directory whole."
        ) from error


def _check_size(path: Path, size: int) -> None:
    remedy = "Convert the source again, or copy the directory whole."
    if not path.is_file():
        raise FileNotFoundError(f"A shard is missing. Expected {size} bytes. Received: no file ({path}). {remedy}")
    if path.stat().st_size != size:
        raise ValueError(
            f"A shard has another size. Expected {size} bytes. Received: bytes={path.stat().st_size} ({path}). {remedy}"
        )
