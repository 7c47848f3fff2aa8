"""`manifest.json`: what a records directory holds, known without opening a shard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec

from tfrecords.precision import Dtype
from tfrecords.schema import FORMAT_VERSION, MODALITIES, SPLITS, LabelScale
from tfrecords.stored import Count, Finite, read_json, shaped, shown

MANIFEST_NAME = "manifest.json"

#: Metadata of a key that earlier versions did not have: `manifest_hash` knows it only where it is not at its default.
#: So records keep their hash, and what was trained on them goes on.
ADDED = {"added": True}

#: Metadata of a key that is no part of the content: `manifest_hash` does not know it.
ASIDE = {"aside": True}

#: Columns of a modality.
Dim = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]

#: A standard deviation to divide by.
Deviation = Annotated[float, msgspec.Meta(gt=0, le=1.7e308)]


@dataclass(frozen=True)
class SourceFile:
    """A file that the records were made from; `file` is relative, so that moved sources give the same manifest."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """Format name (as in `mmtrans convert --format`) and files."""

    format: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class Shard:
    """One file of records that agree in split, bucket, modalities present, and in having a label or not.

    So a recipe selects segments by selecting shards, and counts are known without reading.

    Attributes:
        file: Name inside the records directory.
        sha256: SHA-256 of the whole file.
        bytes: Size of the file.
        segments: number of records.
        bucket_steps: modality present → steps that each record is padded to.
        labelled: whether each record has a label.
    """

    file: str
    sha256: str
    bytes: Count
    segments: Count
    bucket_steps: Mapping[str, Count]
    labelled: bool


@dataclass(frozen=True)
class Split:
    """Counts of one fold, and its shards from short segments to long ones."""

    segments: Count
    videos: Count
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Steps:
    """Lengths of a stream's segments, as stored: mean, 95th percentile, longest."""

    mean: Finite
    p95: Finite
    max: Count


@dataclass(frozen=True)
class Summary:
    """What the segments of one fold are like; for people only, nothing is computed from it.

    Attributes:
        steps: `aligned` or a modality with its own steps → lengths.
        labels: label, rounded to one of seven values that span its range → segments.
        rows: modality → steps of all segments together.
        zero_rows: modality → steps of all segments together that are all zeros.
    """

    steps: Mapping[str, Steps]
    labels: Mapping[str, Count]
    rows: Mapping[str, Count]
    zero_rows: Mapping[str, Count]


@dataclass(frozen=True)
class ModalityInfo:
    """One modality.

    Attributes:
        dim: number of columns.
        aligned: whether the modality's steps are the words' steps.
        feature_names: column names, or `None` where the source has none.
        mean: Mean of each column over the valid steps of train; `None` where train lacks the modality.
        std: Standard deviation of each, which models divide by; `None` where train lacks the modality.
        dtype: the type that its values are stored in; what is read of them is float32.
    """

    dim: Dim
    aligned: bool
    feature_names: tuple[str, ...] | None = None
    mean: tuple[Finite, ...] | None = None
    std: tuple[Deviation, ...] | None = None
    dtype: Dtype = field(default="float32", metadata=ADDED)


class TextFields(TypedDict):
    """`TextColumns` in JSON."""

    encoder: str
    sha256: str
    layers: list[int]
    width: int
    pooling: str
    pieces: int
    glove: int
    glove_sha256: str | None


@dataclass(frozen=True)
class TextColumns:
    """What the columns of a text are that an encoder of words gave: `[pieces | layers, side by side | GloVe]`.

    Attributes:
        encoder: the encoder, as it was named; another name of the same gives the same records.
        sha256: SHA-256 of the encoder: its configuration, weights and tokenizer.
        layers: the layers whose vectors stand side by side, in this order; 0 is the embeddings.
        width: columns of each layer.
        pooling: how a word's vector comes from those of its pieces.
        pieces: columns of the numbers of a word's pieces, at the beginning; 0 where there are none.
        glove: columns of GloVe's vectors, at the end; 0 where there are none.
        glove_sha256: SHA-256 of the file of GloVe's vectors, if there are any.
    """

    encoder: str = field(metadata=ASIDE)
    sha256: str
    layers: tuple[Count, ...]
    width: Dim
    pooling: str = "mean of a word's pieces"
    pieces: Count = 0
    glove: Count = 0
    glove_sha256: str | None = None

    @property
    def dim(self) -> int:
        """Columns of the text."""
        return self.pieces + len(self.layers) * self.width + self.glove

    def to_json(self) -> TextFields:
        """The fields, ready for JSON."""
        return {
            "encoder": self.encoder,
            "sha256": self.sha256,
            "layers": list(self.layers),
            "width": self.width,
            "pooling": self.pooling,
            "pieces": self.pieces,
            "glove": self.glove,
            "glove_sha256": self.glove_sha256,
        }


@dataclass(frozen=True)
class DroppedSegment:
    """A segment that is not in the records, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Folds:
    """Where the folds come from (one clause) and split → video ids."""

    origin: str
    videos: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Manifest:
    """The account of one conversion.

    Attributes:
        source: what was read.
        label: the label's name, range and neutral point.
        splits: split → counts and shards; a fold without segments is not listed.
        modalities: modality → dim, names and train statistics.
        folds: video ids of each fold, and the folds' origin.
        cleaning: what was treated → how often.
        dropped: every segment left out.
        max_steps: `aligned` or a modality → longest stream kept.
        truncated: `aligned` or a modality → number of segments that were cut.
        notes: sentences for the user.
        summary: split → what its segments are like; empty in records of the first releases.
        text: what the columns of text are, where an encoder of words gave them.
        extraction: `settings`, `packages` and `models` by which `mmtrans extract` measured clips, if it did.
        format_version: version of the record format.

    Raises:
        ValueError: parts that contradict each other.
    """

    source: Source
    label: LabelScale
    splits: Mapping[str, Split]
    modalities: Mapping[str, ModalityInfo]
    folds: Folds
    cleaning: Mapping[str, Count] = field(default_factory=dict)
    dropped: tuple[DroppedSegment, ...] = ()
    max_steps: Mapping[str, Count] = field(default_factory=dict)
    truncated: Mapping[str, Count] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Summary] = field(default_factory=dict)
    text: TextColumns | None = field(default=None, metadata=ADDED)
    extraction: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata=ADDED)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        _expect_known("splits", self.splits, SPLITS)
        _expect_known("modalities", self.modalities, MODALITIES)
        for name, info in self.modalities.items():
            for key in ("feature_names", "mean", "std"):
                values = getattr(info, key)
                if values is not None and len(values) != info.dim:
                    raise ValueError(
                        f"A modality must have one entry a column. Expected {info.dim}. "
                        f"Received: modalities.{name}.{key} of length {len(values)}."
                    )
        if self.text is not None and "text" in self.modalities and self.modalities["text"].dim != self.text.dim:
            raise ValueError(
                f"The columns of text must be those of the encoder and GloVe. Expected {self.text.dim}. "
                f"Received: modalities.text.dim={self.modalities['text'].dim}."
            )
        for split, info in self.splits.items():
            if info.segments != sum(shard.segments for shard in info.shards):
                raise ValueError(
                    f"The shards of a split must sum to its segments. "
                    f"Received: splits.{split}.segments={info.segments}."
                )
            for shard in info.shards:
                _expect_known(f"splits.{split}.shards[{shard.file}].bucket_steps", shard.bucket_steps, self.modalities)
                if not _is_plain_name(shard.file):
                    raise ValueError(
                        f"A shard must be a plain file name inside the records. Received: file={shown(shard.file)}."
                    )

    @classmethod
    def load(cls, directory: str | Path) -> Manifest:
        """Reads `directory/manifest.json`.

        Raises:
            FileNotFoundError: no directory, or no manifest in it.
            ValueError: another format version, or a manifest that is malformed.
        """
        directory = Path(directory)
        path = directory / MANIFEST_NAME
        if not path.is_file():
            found = "a directory without it" if directory.is_dir() else "no such directory"
            raise FileNotFoundError(
                f"No records here. Expected {MANIFEST_NAME} in the directory. Received: records={str(directory)!r} "
                f"({found}). Make records with `mmtrans convert SOURCE RECORDS`."
            )
        remedy = "Convert the source again."
        content = read_json(path, dict[str, Any], remedy)
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"The records have another format version. Expected {FORMAT_VERSION}. "
                f"Received: format_version={shown(version)} ({path}). {remedy}"
            )
        return shaped(content, cls, path, remedy)

    def save(self, directory: str | Path) -> None:
        """Writes `directory/manifest.json`."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False)
        # A file's name need not be Unicode: what is not becomes an escape, which in JSON says the same.
        (Path(directory) / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")

    @property
    def manifest_hash(self) -> str:
        """sha256 (hex) of the content; equal for equal records whatever the place that they lie in."""
        text = json.dumps(_hashed(self), sort_keys=True, ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def file_sha256(path: str | Path) -> str:
    """sha256 (hex) of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _hashed(value: Any) -> Any:
    """A manifest, or a part of one, as its hash is made of it: without keys that are `ASIDE`, or `ADDED` and say
    nothing."""
    if is_dataclass(value):
        keys = [key for key in fields(value) if not _says_nothing(key, getattr(value, key.name))]
        return {key.name: _hashed(getattr(value, key.name)) for key in keys}
    if isinstance(value, Mapping):
        return {key: _hashed(part) for key, part in value.items()}
    return [_hashed(part) for part in value] if isinstance(value, (tuple, list)) else value


def _says_nothing(key: Field, value: Any) -> bool:
    default = key.default if key.default_factory is MISSING else key.default_factory()
    return "aside" in key.metadata or ("added" in key.metadata and value == default)


def _is_plain_name(name: str) -> bool:
    """Whether a name is that of a file in the directory itself, on any file system."""
    return Path(name).name == name not in ("", ".", "..") and name.isprintable() and len(name.encode()) <= 255


def _expect_known(what: str, names: Mapping, known) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"Unknown names. Expected some of {list(known)}. Received: {what}={unknown}.")
