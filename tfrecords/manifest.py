"""`manifest.json`: what a records directory holds, known without opening a shard."""

from __future__ import annotations

import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path

from tfrecords.schema import FORMAT_VERSION, MODALITIES, SPLITS, LabelScale

MANIFEST_NAME = "manifest.json"


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

    Args:
        file: name inside the records directory.
        sha256: of the whole file.
        bytes: size of the file.
        segments: number of records.
        bucket_steps: modality present → steps that each record is padded to.
        labelled: whether each record has a label.
    """

    file: str
    sha256: str
    bytes: int
    segments: int
    bucket_steps: Mapping[str, int]
    labelled: bool


@dataclass(frozen=True)
class Split:
    """Counts of one fold, and its shards from short segments to long ones."""

    segments: int
    videos: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Steps:
    """Lengths of a stream's segments, as stored: mean, 95th percentile, longest."""

    mean: float
    p95: float
    max: int


@dataclass(frozen=True)
class Summary:
    """What the segments of one fold are like; for people only, nothing is computed from it.

    Args:
        steps: `aligned` or a modality with its own steps → lengths.
        labels: label, rounded to one of seven values that span its range → segments.
        rows: modality → steps of all segments together.
        zero_rows: modality → those of them that are all zeros.
    """

    steps: Mapping[str, Steps]
    labels: Mapping[str, int]
    rows: Mapping[str, int]
    zero_rows: Mapping[str, int]


@dataclass(frozen=True)
class ModalityInfo:
    """One modality.

    Args:
        dim: number of columns.
        aligned: whether its steps are the words' steps.
        feature_names: column names, or `None` where the source has none.
        mean, std: one float a column over the valid steps of train; `None` where train lacks the modality.
    """

    dim: int
    aligned: bool
    feature_names: tuple[str, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


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

    Args:
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
        format_version: version of the record format.

    Raises:
        ValueError: parts that contradict each other.
    """

    source: Source
    label: LabelScale
    splits: Mapping[str, Split]
    modalities: Mapping[str, ModalityInfo]
    folds: Folds
    cleaning: Mapping[str, int] = field(default_factory=dict)
    dropped: tuple[DroppedSegment, ...] = ()
    max_steps: Mapping[str, int] = field(default_factory=dict)
    truncated: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Summary] = field(default_factory=dict)
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
        for split, info in self.splits.items():
            if info.segments != sum(shard.segments for shard in info.shards):
                raise ValueError(
                    f"The shards of a split must sum to its segments. "
                    f"Received: splits.{split}.segments={info.segments}."
                )
            for shard in info.shards:
                _expect_known(f"splits.{split}.shards[{shard.file}].bucket_steps", shard.bucket_steps, self.modalities)
                if Path(shard.file).name != shard.file or shard.file in ("", ".", ".."):
                    raise ValueError(
                        f"A shard must be a plain file name inside the records. Received: file={shard.file!r}."
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
        remedy = f"({path}). Convert the source again."
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"The manifest is not JSON. Received: {error} {remedy}") from error
        version = data.get("format_version") if isinstance(data, dict) else None
        if version != FORMAT_VERSION:
            raise ValueError(
                f"The records have another format version. Expected {FORMAT_VERSION}. "
                f"Received: format_version={version!r} {remedy}"
            )
        try:
            return _decode(cls, data, "manifest")
        except ValueError as error:
            raise ValueError(f"The manifest is malformed. {error} {remedy}") from error

    def save(self, directory: str | Path) -> None:
        """Writes `directory/manifest.json`."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False)
        (Path(directory) / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")

    @property
    def manifest_hash(self) -> str:
        """sha256 (hex) of the content; equal for equal records whatever the place that they lie in."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def file_sha256(path: str | Path) -> str:
    """sha256 (hex) of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _expect_known(what: str, names: Mapping, known) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"Unknown names. Expected some of {list(known)}. Received: {what}={unknown}.")


def _decode(hint, value, where: str):
    """JSON value → the annotated type; `where` is the path for the message."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _decode(arguments[0], value, where)
    if is_dataclass(hint):
        return _decode_dataclass(hint, value, where)
    if origin is tuple:
        items = _expect_type(list, value, where)
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is Mapping:
        items = _expect_type(dict, value, where)
        return {name: _decode(arguments[1], item, f"{where}.{name}") for name, item in items.items()}
    if hint is float:
        number = _expect_type((float, int), value, where)
        if not math.isfinite(number):
            raise ValueError(f"Expected a finite number. Received: {where}={value!r}.")
        return float(number)
    return _expect_type(hint, value, where)


def _decode_dataclass(cls, value, where: str):
    value = _expect_type(dict, value, where)
    hints = typing.get_type_hints(cls)
    names = [f.name for f in fields(cls)]
    # What has come to the format since its first release may be missing.
    missing, extra = sorted(set(names) - set(value) - {"summary"}), sorted(set(value) - set(names))
    if missing or extra:
        raise ValueError(f"Expected the names {names}. Received: {where} with missing={missing}, extra={extra}.")
    return cls(**{name: _decode(hints[name], value[name], f"{where}.{name}") for name in names if name in value})


def _expect_type(expected, value, where: str):
    # bool is an int to isinstance, and a count of `true` is malformed.
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        name = "a number" if isinstance(expected, tuple) else f"a JSON {expected.__name__}"
        raise ValueError(f"Expected {name}. Received: {where}={value!r}.")
    return value
