"""A records directory as training sees it: only the splits that it may read, and the statistics of train."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrecords.manifest import MANIFEST_NAME, Manifest, ModalityInfo, Shard, file_sha256
from tfrecords.precision import halves
from tfrecords.reader import read_ids, read_labels, read_lengths
from tfrecords.schema import SPLITS

_REMEDIES = {
    "text": "Convert the source again with --glove FILE",
    "audio": "Convert a source that holds it, or choose another recipe",
    "video": "Convert a source that holds it, or choose another recipe",
}


@dataclass(frozen=True)
class Records:
    """An opened records directory. Make it with `Records.open`.

    Attributes:
        directory: the directory of the shards.
        manifest: the manifest of the records.
        splits: the splits that may be read; asking for another is an error, so that test cannot leak into training.
        kept_rows: shard file → `(segments,)` bool, the rows that keep their label, where only some of a split do.
        hidden_ids: ids of the segments whose labels are not there.
        present_rows: shard file → `(segments,)` bool, the rows that are still there, where segments were left out.
        stamp: tells a later file of the manifest from the one that was read; `None` where it was read from no file.
        text_encoder: folder or name of the encoder of pieces of words; empty for the name that the manifest has.

    Example:
        ```pycon
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> {name: modality.dim for name, modality in records.manifest.modalities.items()}
        {'text': 300, 'audio': 74, 'video': 47}
        ```
    """

    directory: Path
    manifest: Manifest
    splits: tuple[str, ...] = SPLITS
    kept_rows: Mapping[str, np.ndarray] | None = None
    hidden_ids: tuple[str, ...] = ()
    present_rows: Mapping[str, np.ndarray] | None = None
    stamp: tuple[int, ...] | None = None
    text_encoder: str = ""

    def __repr__(self) -> str:
        splits = ", ".join(
            f"{name} {self.manifest.splits[name].segments}" for name in self.splits if name in self.manifest.splits
        )
        columns = ", ".join(f"{name} {info.dim}" for name, info in self.manifest.modalities.items())
        return f"Records({str(self.directory)!r}, segments: {splits}; columns: {columns})"

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
        # Before it is read: what comes after is seen.
        stamp = _stamp_of(Path(path))
        records = cls(Path(path), Manifest.load(path), tuple(splits), stamp=stamp)
        for split in splits:
            for shard in records.shards(split):
                _check_size(records.directory / shard.file, shard.bytes)
        return records

    def check_unchanged(self) -> None:
        """Raises a ValueError where the directory holds other records by now, whose shards may have the same names."""
        if self.stamp is None or _stamp_of(self.directory) == self.stamp:
            return
        try:
            now = Manifest.load(self.directory).manifest_hash
        except (ValueError, FileNotFoundError):
            now = "none"
        if now != self.manifest.manifest_hash:
            raise ValueError(
                f"The records were replaced while they were read. Expected the same ones to the end, of manifest "
                f"{self.manifest.manifest_hash[:12]}. Received: {now[:12]} ({self.directory}). Put the old ones back, "
                f"or begin anew with the new ones."
            )

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

    @property
    def halves(self) -> frozenset[str]:
        """Modalities that are stored in float16."""
        return halves({name: info.dtype for name, info in self.manifest.modalities.items()})

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

    def shards(
        self, split: str, modalities: Sequence[str] = (), labelled: bool = False, lacking: Sequence[str] = ()
    ) -> tuple[Shard, ...]:
        """Shards of a split whose segments have all `modalities`, a label if `labelled`, and not all of `lacking`, if
        any are named; short ones first.

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
            if set(modalities) <= set(shard.bucket_steps)
            and (shard.labelled or not labelled)
            and not (lacking and set(lacking) <= set(shard.bucket_steps))
        )
        return tuple(self._narrowed(found, self.rows(labelled)))

    def _narrowed(self, shards: Iterator[Shard], rows: Mapping[str, np.ndarray]) -> Iterator[Shard]:
        """Shards with their count of segments that are there; not those that keep none."""
        for shard in shards:
            kept = int(rows[shard.file].sum()) if shard.file in rows else shard.segments
            if kept:
                yield replace(shard, segments=kept)

    def rows(self, labelled: bool) -> dict[str, np.ndarray]:
        """Shard file → `(segments,)` bool, the rows that are there; files that are not named have all of theirs."""
        rows = dict(self.present_rows or {})
        for file, kept in (self.kept_rows or {}).items() if labelled else ():
            rows[file] = kept & rows[file] if file in rows else kept
        return rows

    def ids(self, split: str) -> list[str]:
        """Names of the segments of a split, in the order of the shards."""
        return self.ids_in(self.shards(split))

    def ids_in(self, shards: Iterable[Shard], labelled: bool = False) -> list[str]:
        """Names of the segments of some shards, in their order; `labelled` as of `shards`."""
        rows = self.rows(labelled)
        ids: list[str] = []
        for shard in shards:
            all_ids = self._ids_of(shard)
            ids += itertools.compress(all_ids, rows[shard.file]) if shard.file in rows else all_ids
        return ids

    def _ids_of(self, shard: Shard) -> tuple[str, ...]:
        return _read_ids(self.directory / shard.file, shard.sha256)

    def without(self, ids: Collection[str], split: str) -> Records:
        """The view in which a split lacks some segments.

        Args:
            ids: ids of segments, which need not be there.
            split: the split; the others keep theirs.
        """
        present = {shard.file: [id_ not in ids for id_ in self._ids_of(shard)] for shard in self.shards(split)}
        rows = {file: np.array(kept) for file, kept in present.items() if not all(kept)}
        return replace(self, present_rows={**(self.present_rows or {}), **rows}) if rows else self

    def with_label_fraction(self, fraction: float, seed: int, split: str = "train") -> Records:
        """The view in which only a share of a split's labelled segments is there, where labels are asked for.

        Where they are not, the others are there too, without their labels. The share is of all labelled segments,
        whatever modalities they have. For one seed a smaller share is a part of a larger.

        Args:
            fraction: share between 0 and 1, which keeps all. At least one segment is kept.
            seed: chooses the segments.
            split: the split; the others keep their labels.
        """
        shards = self.shards(split, labelled=True)
        if fraction == 1.0 or not shards:
            return self
        ids = {shard.file: self._ids_of(shard) for shard in shards}
        ranks = {id_: _rank(seed, id_) for id_ in itertools.chain.from_iterable(ids.values())}
        ordered = sorted(ranks.values())
        last = ordered[max(1, round(fraction * len(ordered))) - 1]
        kept_rows = {file: np.array([ranks[id_] <= last for id_ in file_ids]) for file, file_ids in ids.items()}
        hidden_ids = (*self.hidden_ids, *(id_ for id_, rank in ranks.items() if rank > last))
        return replace(self, kept_rows={**(self.kept_rows or {}), **kept_rows}, hidden_ids=hidden_ids)

    def count(self, split: str, modalities: Sequence[str] = (), labelled: bool = False) -> int:
        """Number of segments in `shards` of the same arguments."""
        return sum(shard.segments for shard in self.shards(split, modalities, labelled))

    def lengths(self, split: str, modalities: Sequence[str]) -> np.ndarray:
        """Steps of the segments that have all `modalities`, `(segments, modalities)` int64."""
        arrays = [read_lengths(self.directory / shard.file, modalities) for shard in self.shards(split, modalities)]
        return np.concatenate([np.zeros((0, len(modalities)), np.int64), *arrays])

    def labels(self, split: str) -> np.ndarray:
        """Labels of the segments that have one, `(segments,)` float32, in the order of the shards."""
        arrays = [self._labels_of(shard) for shard in self.shards(split, labelled=True)]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)

    def _labels_of(self, shard: Shard) -> np.ndarray:
        labels = read_labels(self.directory / shard.file)
        rows = self.rows(labelled=True)
        return labels[rows[shard.file]] if shard.file in rows else labels


@functools.lru_cache(maxsize=1024)
def _read_ids(path: Path, sha256: str) -> tuple[str, ...]:
    """Names of the segments of a shard; its checksum tells it from a later one. Kept, as many runs ask."""
    return tuple(read_ids(path))


def _rank(seed: int, segment_id: str) -> bytes:
    """Sort key of a segment for one seed; equal on every machine."""
    return hashlib.sha256(f"{seed} {segment_id}".encode()).digest()


@contextlib.contextmanager
def reporting_corruption(records: Records) -> Iterator[None]:
    """Context in which batches of `records` are read: a checksum that fails in the middle of a graph gets a file name.

    Raises:
        ValueError: a shard is corrupt, and the message names those that differ from the manifest; or the records were
            replaced meanwhile.
        FileNotFoundError: a shard has gone.
    """
    try:
        yield
        records.check_unchanged()
    except (tf.errors.NotFoundError, FileNotFoundError):
        records.check_unchanged()
        for shard in _all_shards(records):
            _check_size(records.directory / shard.file, shard.bytes)
        raise
    except tf.errors.DataLossError as error:
        records.check_unchanged()
        shards = _all_shards(records)
        damaged = [shard.file for shard in shards if file_sha256(records.directory / shard.file) != shard.sha256]
        raise ValueError(
            f"The records are corrupt. Expected shards with the checksums of manifest.json. "
            f"Received: shards={damaged} ({records.directory}, {error.message}). "
            f"Convert the source again, or copy the directory whole."
        ) from error


def _all_shards(records: Records) -> list[Shard]:
    return [shard for split in records.splits for shard in records.shards(split)]


def _stamp_of(directory: Path) -> tuple[int, ...] | None:
    """What changes where another file takes the place of the manifest; `None` where there is none."""
    try:
        found = (directory / MANIFEST_NAME).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_size(path: Path, size: int) -> None:
    remedy = "Convert the source again, or copy the directory whole."
    if not path.is_file():
        raise FileNotFoundError(f"A shard is missing. Expected {size} bytes. Received: no file ({path}). {remedy}")
    if path.stat().st_size != size:
        raise ValueError(
            f"A shard has another size. Expected {size} bytes. Received: bytes={path.stat().st_size} ({path}). {remedy}"
        )
