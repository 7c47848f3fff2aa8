"""What a records directory holds, and whether it still holds it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TypedDict

from mmtrans.sources.account import Cleaned, Treated, treated_of
from tfrecords.manifest import Manifest, Split, Steps, Summary, TextFields
from tfrecords.schema import SPLITS, ScaleFields


class LengthFields(TypedDict):
    """Mean, 95th percentile and maximum of the steps of a stream's segments."""

    mean: float
    p95: float
    max: int


class SplitDescription(TypedDict):
    """Counts of a split.

    `modalities` is modality → segments; `steps`, bucket of the longest stream → segments; `lengths`, stream → lengths;
    `labels`, label rounded to one of seven values → segments.
    """

    segments: int
    videos: int
    labelled: int
    shards: int
    bytes: int
    modalities: dict[str, int]
    steps: dict[str, int]
    lengths: dict[str, LengthFields]
    labels: dict[str, int]


class RowCounts(TypedDict):
    """The rows of a modality, and the shares of them that are all zeros or cleaned, `None` where they are not known."""

    rows: int
    zero_rows: float | None
    cleaned_rows: float | None


class ModalityDescription(RowCounts):
    """A modality: its columns, whether they have names, whether there are train statistics, and the stored type."""

    dim: int
    aligned: bool
    named: bool
    statistics: bool
    dtype: str


class Description(TypedDict):
    """What `describe` says of records.

    `source` is the name of the format; `folds`, where the folds come from; `text`, what its columns are, `None` unless
    an encoder of words gave them; `max_steps`, stream → longest kept; `truncated`, stream → segments that were cut;
    `cleaning`, what was treated → how often; `dropped`, reason → number.
    """

    format_version: int
    manifest_hash: str
    source: str
    label: ScaleFields
    folds: str
    splits: dict[str, SplitDescription]
    modalities: dict[str, ModalityDescription]
    text: TextFields | None
    max_steps: dict[str, int]
    truncated: dict[str, int]
    cleaning: dict[str, int]
    dropped: dict[str, int]
    notes: list[str]


def describe(records_dir: str | Path) -> Description:
    """Summary of the manifest, without reading a shard; ready for JSON.

    Raises:
        FileNotFoundError: no records.
        ValueError: a bad manifest.
    """
    manifest = Manifest.load(records_dir)
    return {
        "format_version": manifest.format_version,
        "manifest_hash": manifest.manifest_hash,
        "source": manifest.source.format,
        "label": manifest.label.to_json(),
        "folds": manifest.folds.origin,
        "splits": {
            name: _describe_split(manifest.splits[name], manifest.summary.get(name))
            for name in SPLITS
            if name in manifest.splits
        },
        "modalities": {
            name: {
                "dim": info.dim,
                "aligned": info.aligned,
                "named": info.feature_names is not None,
                "statistics": info.mean is not None,
                "dtype": info.dtype,
                **_describe_rows(name, manifest),
            }
            for name, info in manifest.modalities.items()
        },
        "text": None if manifest.text is None else manifest.text.to_json(),
        "max_steps": dict(manifest.max_steps),
        "truncated": dict(manifest.truncated),
        "cleaning": dict(manifest.cleaning),
        "dropped": dict(Counter(segment.reason for segment in manifest.dropped).most_common()),
        "notes": list(manifest.notes),
    }


def verify(records_dir: str | Path) -> list[str]:
    """Reads every shard and returns a sentence for each problem; see `mmtrans.conversion.verify.verify_records`.

    Raises:
        FileNotFoundError: no records.
        ValueError: a bad manifest.
    """
    # A description must not wait for TensorFlow, which reading records needs.
    from mmtrans.conversion.verify import verify_records

    return verify_records(records_dir)


def _describe_rows(modality: str, manifest: Manifest) -> RowCounts:
    rows = sum(summary.rows.get(modality, 0) for summary in manifest.summary.values())
    zero_rows = sum(summary.zero_rows.get(modality, 0) for summary in manifest.summary.values())
    # A row is a word where streams are aligned to words, and a window or a frame elsewhere.
    treated = {treated_of(words): count for words, count in manifest.cleaning.items()}
    means = (Cleaned.WORDS_WITH_CLEANED_FRAMES, Cleaned.WINDOWS_WITH_CLEANED_FRAMES)
    of_means = sum(treated.get(Treated(modality, what), 0) for what in means)
    of_frames = (Cleaned.FRAMES_WITH_NAN, Cleaned.FRAMES_WITH_INFINITY)
    cleaned = of_means or sum(treated.get(Treated(modality, what), 0) for what in of_frames)
    return {
        "rows": rows,
        "zero_rows": zero_rows / rows if rows else None,
        "cleaned_rows": min(cleaned / rows, 1.0) if rows else None,
    }


def _describe_split(split: Split, summary: Summary | None) -> SplitDescription:
    modalities: Counter[str] = Counter()
    steps: Counter[int] = Counter()
    for shard in split.shards:
        modalities.update(dict.fromkeys(shard.bucket_steps, shard.segments))
        steps[max(shard.bucket_steps.values(), default=0)] += shard.segments
    return {
        "segments": split.segments,
        "videos": split.videos,
        "labelled": sum(shard.segments for shard in split.shards if shard.labelled),
        "shards": len(split.shards),
        "bytes": sum(shard.bytes for shard in split.shards),
        "modalities": dict(modalities),
        "steps": {str(bucket): steps[bucket] for bucket in sorted(steps)},
        "lengths": {stream: _lengths(steps) for stream, steps in summary.steps.items()} if summary else {},
        "labels": dict(summary.labels) if summary else {},
    }


def _lengths(steps: Steps) -> LengthFields:
    return {"mean": steps.mean, "p95": steps.p95, "max": steps.max}
