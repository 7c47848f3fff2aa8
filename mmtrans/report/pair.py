"""Two sets of runs held against each other, segment by segment: what differs in their configurations and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmtrans.evaluation.metrics import (
    FIELD_METRICS,
    METRICS,
    has_seven_classes,
    mean_of,
    sentiment_metrics,
    to_classes,
    to_sides,
)
from mmtrans.evaluation.shapes import COLUMNS
from mmtrans.evaluation.shapes import REMEDY as RESULTS_REMEDY
from mmtrans.evaluation.uncertainty.seeds import Difference, compare_seeds
from mmtrans.report.listing import ListedRun, read_listed
from mmtrans.runs.environment import REMEDY, Environment, label_of
from tfrecords.schema import LabelScale
from tfrecords.stored import read_csv, read_json

#: What a run rests on besides its configuration, as `environment.json` names it.
_GROUNDS = ("records", "manifest_hash", "run_format", "mmtrans", "tensorflow", "keras", "git_commit")


@dataclass(frozen=True)
class Side:
    """Runs that differ in nothing but their seed.

    Attributes:
        runs: the runs, one a seed.
        environment: what the first of them rests on.
    """

    runs: tuple[ListedRun, ...]
    environment: Environment

    @property
    def title(self) -> str:
        """The recipe, and the seeds."""
        seeds = ", ".join(str(run.config.plan.seed) for run in self.runs)
        return f"{self.runs[0].config.plan.recipe}, seed{'s' if len(self.runs) > 1 else ''} {seeds}"


@dataclass(frozen=True)
class MetricPair:
    """A metric of two sides, means over their seeds, and the difference A minus B.

    Attributes:
        name: key of the metric.
        a, b: the means; `None` where the metric is undefined for a run.
        difference: with its interval and p-value; `None` of metrics that are no means over segments.
    """

    name: str
    a: float | None
    b: float | None
    difference: Difference | None


@dataclass(frozen=True)
class Pair:
    """Two sides in comparison.

    Attributes:
        split: the split that both were evaluated on.
        segments, videos: how much both scored.
        fields: field of the configuration → its values on both sides, where they differ.
        grounds: what else they rest on → its values, where they differ.
        metrics: a line a metric.
    """

    split: str
    segments: int
    videos: int
    fields: dict[str, tuple[Any, Any]]
    grounds: dict[str, tuple[Any, Any]]
    metrics: list[MetricPair]


def sides_of(paths: Sequence[str | Path]) -> tuple[Side, Side]:
    """Two runs as two sides; of more runs those that differ in nothing but their seed are one side.

    Raises:
        FileNotFoundError: a path is no run.
        ValueError: a run is damaged or given twice; the runs do not make two sides.
    """
    runs = [_listed(Path(path)) for path in paths]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise ValueError(
            f"A run is given twice. Expected different ones. Received: {', '.join(map(str, paths))}. Give each once."
        )
    sides: dict[object, list[ListedRun]] = {}
    for number, run in enumerate(runs):
        key = number if len(runs) == 2 else (replace(run.config, seed=0), run.manifest_hash)
        sides.setdefault(key, []).append(run)
    if len(sides) != 2:
        raise ValueError(
            f"The runs do not make two sides. Expected two runs, or two sets of runs that differ in nothing but their "
            f"seed. Received: runs={len(runs)}, sets={len(sides)}. Name the runs of two configurations."
        )
    made = [Side(tuple(sorted(runs, key=_seed)), _environment(runs[0].path)) for runs in sides.values()]
    return made[0], made[1]


def _seed(run: ListedRun) -> int:
    return run.config.plan.seed


def _environment(path: Path) -> Environment:
    return read_json(path / "environment.json", Environment, REMEDY)


def _listed(path: Path) -> ListedRun:
    if not (path / "config.yaml").is_file() or not (path / "environment.json").is_file():
        raise FileNotFoundError(
            f"No run there. Expected a directory made by `mmtrans train`, with config.yaml and environment.json. "
            f"Received: run={path}."
        )
    return read_listed(path)


def compare_sides(a: Side, b: Side, split: str | None = None, draws: int = 10_000) -> Pair:
    """Compares two sides on the segments that all of their runs scored.

    Args:
        a, b: the sides.
        split: the split; `None` for test where all were evaluated on it, else valid.
        draws: resamples of each interval and test.

    Raises:
        ValueError: a run was not evaluated on the split, the labels or their scales differ, or no segment is common.
    """
    runs = [*a.runs, *b.runs]
    split = split or ("test" if all(run.split == "test" for run in runs) else "valid")
    scales = [label_of(side.environment["data"]) for side in (a, b)]
    if scales[0] != scales[1]:
        raise ValueError(
            f"The runs predict different labels. Expected one scale. Received: {scales[0]} and {scales[1]}. "
            f"Compare runs of one label."
        )
    tables = [_predictions(run, split) for run in runs]
    ids = [id_ for id_ in tables[0] if all(id_ in table for table in tables)]
    labels = np.array([[float(table[id_]["label"]) for id_ in ids] for table in tables])
    if not ids or (labels != labels[0]).any():
        raise ValueError(
            f"The runs have not scored the same segments. Expected common ids with equal labels in predictions.csv. "
            f"Received: {len(ids)} common of {split}, of {', '.join(str(run.path) for run in runs)}. "
            f"Evaluate both on the same records."
        )
    scores = np.array([[float(table[id_]["prediction"]) for id_ in ids] for table in tables])
    videos = [tables[0][id_]["video_id"] for id_ in ids]
    parts = scores[: len(a.runs)], scores[len(a.runs) :]
    return Pair(
        split,
        len(ids),
        len(set(videos)),
        _different(a.runs[0].config.to_dict(), b.runs[0].config.to_dict(), len(runs) > 2),
        {
            name: (a.environment.get(name), b.environment.get(name))
            for name in _GROUNDS
            if a.environment.get(name) != b.environment.get(name)
        },
        _metrics(parts, labels[0], videos, scales[0], draws),
    )


def _predictions(run: ListedRun, split: str) -> dict[str, dict[str, str]]:
    """Id → row of a split in predictions.csv."""
    path = run.path / "predictions.csv"
    rows = read_csv(path, COLUMNS, RESULTS_REMEDY) if path.is_file() else []
    found = {row["id"]: row for row in rows if row["split"] == split}
    if not found:
        raise ValueError(
            f"A run has no predictions of the {split} split. Expected those of all runs. Received: run={run.path}. "
            f"Give `mmtrans evaluate` for it first, or choose another --split."
        )
    return found


def _different(a: Mapping[str, Any], b: Mapping[str, Any], has_seeds: bool) -> dict[str, tuple[Any, Any]]:
    return {name: (a[name], b[name]) for name in a if a[name] != b[name] and not (has_seeds and name == "seed")}


def _metrics(
    scores: tuple[np.ndarray, np.ndarray], labels: np.ndarray, videos: Sequence[str], scale: LabelScale, draws: int
) -> list[MetricPair]:
    figures = [[sentiment_metrics(row, labels, scale) for row in side] for side in scores]
    lines = []
    for name in FIELD_METRICS:
        a, b = (mean_of(seed[name] for seed in side) for side in figures)
        difference = None
        if a is not None and b is not None and (values := _by_segment(name, scores, labels, scale)) is not None:
            (ours, theirs), kept = values
            taken = [video for video, is_kept in zip(videos, kept, strict=True) if is_kept]
            difference = compare_seeds(ours, theirs, taken, draws=draws)
        if a is not None or b is not None:
            lines.append(MetricPair(name, a, b, difference))
    return lines


def _by_segment(
    name: str, scores: tuple[np.ndarray, np.ndarray], labels: np.ndarray, scale: LabelScale
) -> tuple[list[np.ndarray], np.ndarray] | None:
    """A value a segment of both sides, whose mean is the metric, and which segments count; `None` of r and F1."""
    kept = np.ones(len(labels), dtype=bool)
    if name == "mae":
        return [np.abs(side - labels) for side in scores], kept
    if name.startswith("acc2"):
        sides, true = [to_sides(side, scale.neutral) for side in scores], to_sides(labels, scale.neutral)
        if name == "acc2_has0":
            return [((side >= 0) == (true >= 0)).astype(np.float64) for side in sides], kept
        kept = true != 0
        return [((side > 0) == (true > 0)).astype(np.float64)[:, kept] for side in sides], kept
    if METRICS[name].classes > 2 and has_seven_classes(scale):
        limit = METRICS[name].classes // 2
        return [(to_classes(side, limit) == to_classes(labels, limit)).astype(np.float64) for side in scores], kept
    return None
