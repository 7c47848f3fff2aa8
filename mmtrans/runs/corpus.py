"""What a run says of the corpus that it was trained on: its format, its folds and how much of it there is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from tfrecords.manifest import Manifest
from tfrecords.schema import SPLITS
from tfrecords.stored import Count


class Amount(TypedDict):
    """How much a fold holds."""

    segments: Count
    videos: Count


class CorpusFacts(TypedDict):
    """A corpus as its records tell it: name of its format, a phrase on the origin of its folds, and split → amount."""

    format: str
    folds: str
    splits: dict[str, Amount]


def describe_corpus(manifest: Manifest) -> CorpusFacts:
    """The corpus that records were made of."""
    splits: dict[str, Amount] = {
        name: {"segments": manifest.splits[name].segments, "videos": manifest.splits[name].videos}
        for name in SPLITS
        if name in manifest.splits
    }
    return {"format": manifest.source.format, "folds": manifest.folds.origin, "splits": splits}


def corpus_of(data: Mapping[str, Any], records: str | Path, manifest_hash: str) -> CorpusFacts | None:
    """The corpus of a run; `None` where neither the run nor its records tell.

    Args:
        data: what `describe_data` gave when the run was made; earlier versions left the corpus out.
        records: path of the records when the run was made.
        manifest_hash: hash of their manifest.
    """
    if "corpus" in data:
        return data["corpus"]
    try:
        manifest = Manifest.load(records)
    except (OSError, ValueError):
        return None
    return describe_corpus(manifest) if manifest.manifest_hash == manifest_hash else None


def corpus_text(corpus: CorpusFacts | None) -> str:
    """A corpus in one line: `csd, official MOSI folds: train 52 videos (1,284 segments), …`."""
    if corpus is None:
        return "unknown: the records are gone, and the runs do not tell"
    amounts = ", ".join(
        f"{name} {amount['videos']:,} videos ({amount['segments']:,} segments)"
        for name, amount in corpus["splits"].items()
    )
    return f"{corpus['format']}, {corpus['folds']}: {amounts}"
