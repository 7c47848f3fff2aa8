"""What `metrics.json`, `robustness.json` and `predictions.csv` hold as they are written, and what they must hold to be
added to, compared or exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import msgspec

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.translation_quality import TranslationFigures
from tfrecords.stored import Count, Finite, read_json, shaped

Shape = TypeVar("Shape")

#: What to do about a damaged file of an evaluation.
REMEDY = "Delete it, and evaluate each split again."

#: The columns of `predictions.csv`.
COLUMNS = {"split": str, "id": str, "video_id": str, "label": float, "prediction": float}

#: Those of `history.csv` that every run has.
HISTORY = {"phase": str, "epoch": float, "loss": float, "valid_loss": float, "learning_rate": float}


class Figures(TypedDict):
    """`METRICS`, each `None` where it is undefined; the error never is."""

    mae: Finite
    pearson: Finite | None
    acc2_has0: Finite | None
    acc2_non0: Finite | None
    f1_has0: Finite | None
    f1_non0: Finite | None
    acc5: Finite | None
    acc7: Finite | None
    binary_precision: Finite | None
    binary_recall: Finite | None
    binary_f1: Finite | None
    seven_precision: Finite | None
    seven_recall: Finite | None
    seven_f1: Finite | None
    extreme_recall: Finite | None


# A checker knows only keys that are written out; these are made of the metrics.
Intervals = TypedDict(
    "Intervals",
    {f"{name}_{end}": Finite | None for name in METRICS for end in ("low", "high")},  # pyright: ignore[reportGeneralTypeIssues]
)


class Baselines(TypedDict):
    """The figures of predictors that read nothing."""

    mean: Figures
    median: Figures
    majority: Figures


class Quality(TypedDict):
    """How good a translation is: R² against the train mean, and what it is held against."""

    r2: Finite | None
    source_shuffled_r2: Finite | None
    teacher_forced_r2: Finite | None
    copy_last_r2: Finite | None


class _Compared(Figures):
    baselines: Baselines
    collapsed: bool | None


class _Sometimes(TypedDict, total=False):
    translation: Quality | None
    records: str


class Evaluated(_Compared, _Sometimes):
    """What is compared of a split: every metric, and those of the trivial baselines."""


class Shown(Evaluated, Intervals):
    """And what is shown of it."""

    segments: Count


class Identity(TypedDict):
    """What tells a run from others, in results that do not lie in it."""

    run: str
    recipe: str
    seed: int


class _Named(TypedDict, total=False):
    run: str
    recipe: str
    seed: int


class Provenance(_Named):
    """Which records a result is of, and how many segments stayed out, `None` where nobody knows which would have to.

    A result in a place of its own names its run too.
    """

    records: str
    left_out: int | None


class Scored(_Compared, Intervals):
    """What is measured of the scores of a split; `notes` are sentences on it."""

    segments: Count
    videos: Count
    notes: list[str]


class _Translated(TypedDict, total=False):
    translation: TranslationFigures | None


class SentimentResult(Scored, Provenance, _Translated):
    """A split's object in `metrics.json`; of a run without a translation it has no `translation`.

    Attributes:
        baselines: `mean`, `median` and `majority` of the train labels → the same metrics.
        collapsed: whether the predictions, or their signs, hardly vary where the labels do; `null` where labels do not.
        segments: number of segments that were scored.
        videos: number of their videos.
        notes: sentences on the result.
        records: hash of the manifest of the records.
        left_out: number of segments that stayed out, as the run was trained on them; `null` where nobody knows.
        run: directory of the run, where the result does not lie in it.
        recipe, seed: of that run.
        translation: how well the last translation decodes, see below; `null` where the split lacks its target.
    """


class _Notes(TypedDict, total=False):
    notes: list[str]


class PretrainedResult(Provenance, _Notes):
    """A split's object in `metrics.json` of a pre-trained run, which scores nothing."""

    translation: TranslationFigures


class Member(Identity, Figures):
    """A run of an ensemble, and its metrics on the ensemble's segments."""


class EnsembleResult(Scored, Provenance):
    """A split's object in `metrics.json` of an ensemble; `members_mean` is metric → mean over the members, `None` where
    it is undefined for one."""

    members: list[Member]
    members_mean: dict[str, float | None]


class CurveFigures(TypedDict):
    """One curve.

    Attributes:
        read: whether the run reads the modality; where it does not, nothing changes.
        levels: strengths of the corruption, 0 first: a share, or of `noise` standard deviations of train.
        metrics: metric → its value at each level, in the metric's unit; `null` where it is undefined.
        area: metric → its mean height over the levels (trapezoid rule); `null` where it is undefined at a level.
    """

    read: bool
    levels: list[float]
    metrics: dict[str, list[float | None]]
    area: dict[str, float | None]


class RobustnessResult(Provenance):
    """A split's object in `robustness.json`.

    Attributes:
        curves: corruption (`missing`, `dropped`, `noise`, `shuffled`) → modality of the records → curve, see below.
        corruption_seed: seed of the corruptions, which stood under `seed` in files of the first releases.
        segments: number of segments that were scored.
        notes: sentences on the result.
        records: hash of the manifest of the records.
        left_out: number of segments that stayed out, as the run was trained on them; `null` where nobody knows.
        run: directory of the run, where the result does not lie in it.
        recipe, seed: of that run.
    """

    notes: list[str]
    corruption_seed: int
    segments: Count
    curves: dict[str, dict[str, CurveFigures]]


@dataclass(frozen=True)
class Curve:
    """How the metrics of a run fall as one modality is corrupted.

    Raises:
        ValueError: no MAE, or not one value a level.
    """

    read: bool
    levels: list[Finite]
    metrics: dict[str, list[Finite | None]]
    area: dict[str, Finite | None]

    def __post_init__(self) -> None:
        if "mae" not in self.metrics or "mae" not in self.area:
            raise ValueError("A curve has the metric mae. Received: none.")
        if None in self.metrics["mae"]:
            raise ValueError("The metric mae is always defined. Received: null.")
        if not self.levels or any(len(values) != len(self.levels) for values in self.metrics.values()):
            raise ValueError(f"A curve has one value a level. Received: levels={len(self.levels)} and others.")

    @property
    def errors(self) -> list[float]:
        """MAE at each level."""
        return [mae for mae in self.metrics["mae"] if mae is not None]


class Origin(TypedDict, total=False):
    """Of what a split's results are."""

    members: list[dict[str, Any]]
    records: str


@dataclass(frozen=True)
class Curves:
    """The curves of a split: corruption → modality → curve; and the hash of its records, which is not always told."""

    curves: dict[str, dict[str, Curve]]
    records: str | None = None


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
    if split not in content:
        return None
    checked = shaped({split: content[split]}, dict[str, shape], path, REMEDY)[split]
    return msgspec.convert(checked, shape) if is_dataclass(shape) else checked
