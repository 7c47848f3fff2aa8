"""What a records directory holds, and whether it still holds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from mmtrans.sources.account import Cleaned, Treated, treated_of
from tfrecords.manifest import Manifest, Split, Summary
from tfrecords.schema import SPLITS


def describe(records_dir: str | Path) -> dict:
    """Summary of the manifest, without reading a shard; ready for JSON.

    Returns:
        `format_version`, `manifest_hash`, `source` (format name), `label` (name, low, high, neutral), `folds` (origin),
        `splits` (split → segments, videos, labelled, shards, bytes, modality → segments, the `steps` histogram:
        bucket of the longest stream → segments, `lengths`: stream → mean, p95 and max of its steps, and `labels`: the
        labels rounded to seven values → segments), `modalities` (dim, aligned, named, statistics, rows; `zero_rows` and
        `cleaned_rows` are shares of the rows, null where they are not known), `text` (what its columns are; null unless
        an encoder of words gave them), `max_steps`, `truncated`, `cleaning`, `dropped` (reason → number) and `notes`.

    Raises:
        FileNotFoundError: no records.
        ValueError: a bad manifest.
    """
    manifest = Manifest.load(records_dir)
    label = manifest.label
    return {
        "format_version": manifest.format_version,
        "manifest_hash": manifest.manifest_hash,
        "source": manifest.source.format,
        "label": {"name": label.name, "low": label.low, "high": label.high, "neutral": label.neutral},
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
                **_describe_rows(name, manifest),
            }
            for name, info in manifest.modalities.items()
        },
        "text": None if manifest.text is None else asdict(manifest.text),
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


def _describe_rows(modality: str, manifest: Manifest) -> dict:
    rows = sum(summary.rows.get(modality, 0) for summary in manifest.summary.values())
    zero_rows = sum(summary.zero_rows.get(modality, 0) for summary in manifest.summary.values())
    # A row is a word where streams are aligned to words, and a frame elsewhere.
    treated = {treated_of(words): count for words, count in manifest.cleaning.items()}
    of_words = treated.get(Treated(modality, Cleaned.WORDS_WITH_CLEANED_FRAMES))
    of_frames = (Cleaned.FRAMES_WITH_NAN, Cleaned.FRAMES_WITH_INFINITY)
    cleaned = of_words or sum(treated.get(Treated(modality, what), 0) for what in of_frames)
    return {
        "rows": rows,
        "zero_rows": zero_rows / rows if rows else None,
        "cleaned_rows": min(cleaned / rows, 1.0) if rows else None,
    }


def _describe_split(split: Split, summary: Summary | None) -> dict:
    modalities: Counter = Counter()
    steps: Counter = Counter()
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
        "lengths": {stream: asdict(lengths) for stream, lengths in summary.steps.items()} if summary else {},
        "labels": dict(summary.labels) if summary else {},
    }
