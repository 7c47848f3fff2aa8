"""What `metrics.json` and `robustness.json` must hold of a split to be shown, compared or exported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from mmtrans.evaluation.metrics import METRICS
from tfrecords.stored import Count, read_json, shaped

Shape = TypeVar("Shape")

#: What to do about a damaged file of an evaluation.
REMEDY = "Delete it, and evaluate each split again."

#: Every metric, `None` where it is undefined.
Figures = TypedDict("Figures", dict.fromkeys(METRICS, float | None))

Intervals = TypedDict("Intervals", {f"{name}_{end}": float | None for name in METRICS for end in ("low", "high")})


class Evaluated(Figures):
    """What is compared of a split: every metric, and those of the trivial baselines."""

    baselines: dict[str, Figures]
    collapsed: bool | None


class Shown(Evaluated, Intervals):
    """And what is shown of it."""

    segments: Count


class Curve(TypedDict):
    """How the metrics of a run fall as one modality is corrupted."""

    read: bool
    levels: list[float]
    metrics: dict[str, list[float | None]]
    area: dict[str, float | None]


class Curves(TypedDict):
    """The curves of a split: corruption → modality → curve."""

    curves: dict[str, dict[str, Curve]]


def read_splits(path: Path, shape: type[Shape]) -> dict[str, Shape]:
    """Split → its object in a file of results; empty where there is no file.

    Raises:
        ValueError: the file is damaged, or a split is not of the shape.
    """
    return read_json(path, dict[str, shape], REMEDY) if path.is_file() else {}


def read_split(path: Path, split: str, shape: type[Shape]) -> Shape | None:
    """One split's object, or `None` where there is none; the others may be of another shape.

    Raises:
        ValueError: the file is damaged, or the split is not of the shape.
    """
    content: Mapping[str, Any] = read_splits(path, dict)
    return shaped({split: content[split]}, dict[str, shape], path, REMEDY)[split] if split in content else None
