"""The least errors that a synthetic world allows, by reader."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from mmtrans.synthetic.truth import SentimentTruth
from tfrecords.stored import read_json


class _OfOtherWorlds(TypedDict, total=False):
    unions: dict[str, SentimentTruth]
    readers: dict[str, SentimentTruth]


class _Truth(_OfOtherWorlds):
    """What is read of `ground_truth.json`."""

    text: SentimentTruth
    audio: SentimentTruth
    video: SentimentTruth


def ceilings_of(corpus: Path, split: str) -> dict[str, float]:
    """Reader → the MAE that it reaches on the segments of a split.

    Args:
        corpus: directory of the world.
        split: its split; a reader that has none of its segments is left out.
    """
    truth = read_json(corpus / "ground_truth.json", _Truth, "Remove the directory, and make the world again.")
    readers = {name: truth[name] for name in ("text", "audio", "video")}
    readers |= {**truth.get("unions", {}), **truth.get("readers", {})}
    return {name: found["splits"][split]["mae"] for name, found in readers.items() if split in found["splits"]}
