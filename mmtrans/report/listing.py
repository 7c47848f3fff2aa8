"""The runs of a directory, a row each: what they are, how they ended, how good they are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from mmtrans.config import Config
from mmtrans.config.effect import changed
from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.shapes import HISTORY, Evaluated, read_split, read_splits
from mmtrans.runs.corpus import CorpusFacts, corpus_of
from mmtrans.runs.environment import REMEDY, Environment, read_config
from mmtrans.runs.phase_file import read_phase_file
from mmtrans.runs.phases import phases_of
from mmtrans.system.presence import is_at_work
from tfrecords.stored import Count, Finite, read_csv, read_json

#: Fields that have a column of their own.
_OWN_COLUMNS = ("recipe", "seed", "epochs")

#: How a phase ended, as a table says it.
ENDINGS = {"epochs": "limit", "patience": "patience", "untrained": "untrained", "fixed": "fixed"}


# A checker knows only keys that are written out; these are made of the metrics.
_Ends = TypedDict(
    "_Ends",
    {f"{name}_{end}": Finite | None for name in METRICS for end in ("low", "high")},  # pyright: ignore[reportGeneralTypeIssues]
    total=False,
)


class ListedMetrics(Evaluated, _Ends, total=False):
    """What a table shows of a split's object in metrics.json; earlier versions wrote no intervals."""

    segments: Count


@dataclass(frozen=True)
class PhaseLine:
    """A phase of a run: its kind, the epochs that it was trained for and its limit, and what ended it; `None` before
    its end."""

    kind: str
    epoch: int
    limit: int
    stopped_by: str | None

    @property
    def ending(self) -> str:
        """What ended it, in a word."""
        return ENDINGS.get(self.stopped_by or "", "unfinished")


@dataclass(frozen=True)
class ListedRun:
    """A run as a table shows it.

    Attributes:
        path: its directory.
        config: its configuration.
        records: path of its records when it was made.
        manifest_hash: hash of their manifest.
        corpus: the corpus that they were made of; `None` where nobody knows.
        phases: its phases in their order.
        state: `finished`, `training` or `interrupted`.
        split: the split of the metrics: test where the run was evaluated on it, else valid.
        metrics: the split's object in metrics.json; `None` before an evaluation, and of a pre-trained run.
    """

    path: Path
    config: Config
    records: str
    manifest_hash: str
    corpus: CorpusFacts | None
    phases: tuple[PhaseLine, ...]
    state: str
    split: str | None
    metrics: ListedMetrics | None

    @property
    def differences(self) -> dict[str, Any]:
        """Field → value of what is not at its default, and has no column of its own."""
        return {name: value for name, value in changed(self.config).items() if name not in _OWN_COLUMNS}

    @property
    def ending(self) -> str:
        """The epochs of each phase, and what ended it."""
        return ending_of(self.phases)

    @property
    def standing(self) -> str:
        """The state, and whether the predictions have collapsed."""
        collapsed = self.metrics is not None and self.metrics["collapsed"]
        return f"{self.state}, collapsed" if collapsed else self.state


def ending_of(phases: Iterable[PhaseLine]) -> str:
    """The epochs of phases, and what ended them: `5/5 limit, 4/5 patience`, `5/5, 5/5 limit`."""
    groups = itertools.groupby(phases, lambda phase: phase.ending)
    return ", ".join(
        f"{', '.join(f'{phase.epoch}/{phase.limit}' for phase in found)} {ending}" for ending, found in groups
    )


def find_runs(directory: str | Path) -> list[Path]:
    """The run directories in a directory, at any depth and in the order of their names; runs within runs are none.

    Raises:
        FileNotFoundError: there is no such directory.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(
            f"No such directory. Expected one with runs, as `mmtrans train` and `mmtrans grid` make them. "
            f"Received: dir={directory}."
        )
    return sorted(_runs_in(directory))


def _runs_in(directory: Path) -> Iterator[Path]:
    for place, inner, files in os.walk(directory):
        if {"config.yaml", "environment.json"} <= set(files):
            inner.clear()
            yield Path(place)
        inner[:] = [name for name in inner if not name.startswith(".")]


def read_listed(path: Path) -> ListedRun:
    """Reads what a table shows of a run; TensorFlow is not needed.

    Raises:
        ValueError: a file of the run is damaged.
    """
    environment = read_json(path / "environment.json", Environment, REMEDY)
    config = read_config(path, environment)
    phases = read_phases(path, config, environment["manifest_hash"])
    if all(phase.stopped_by for phase in phases):
        state = "finished"
    else:
        state = "training" if is_at_work(path) else "interrupted"
    found = {} if config.plan.pretrain else read_splits(path / "metrics.json", dict)
    split = next((name for name in ("test", "valid", "train") if name in found), None)
    records, manifest_hash = environment["records"], environment["manifest_hash"]
    return ListedRun(
        path,
        config,
        records,
        manifest_hash,
        corpus_of(environment["data"], records, manifest_hash),
        phases,
        state,
        split,
        read_split(path / "metrics.json", split, ListedMetrics) if split else None,
    )


def read_phases(path: Path, config: Config, manifest_hash: str) -> tuple[PhaseLine, ...]:
    """How the phases of a run ended, or how far they are.

    Args:
        path: the run's directory.
        config: its configuration.
        manifest_hash: hash of its records' manifest.
    """
    history = path / "history.csv"
    rows = read_csv(history, HISTORY, REMEDY) if history.is_file() else []
    lines = []
    for phase in phases_of(config, manifest_hash):
        status = read_phase_file(path / "phases" / phase.name)
        outcome = None if status is None else status.outcome
        if outcome is None:
            epoch = sum(row["phase"] == phase.name for row in rows)
            lines.append(PhaseLine(phase.kind, epoch, config.optimisation.epochs, None))
        else:
            lines.append(PhaseLine(phase.kind, outcome.epoch, outcome.epochs, outcome.stopped_by))
    return tuple(lines)


def sort_key(name: str) -> Callable[[ListedRun], Any]:
    """The key by which runs are sorted: of a metric the best first, and those without it last.

    Args:
        name: `run`, `recipe`, `seed`, `epochs`, `state`, or a metric.
    """
    if name in METRICS:
        sign = 1 if METRICS[name].better == "min" else -1

        def of_metric(run: ListedRun) -> float:
            value = cast("dict[str, float | None]", run.metrics or {}).get(name)
            return float("inf") if value is None else sign * value

        return of_metric
    keys = {
        "run": lambda run: str(run.path),
        "recipe": lambda run: (run.config.plan.recipe, run.config.plan.seed),
        "seed": lambda run: run.config.plan.seed,
        "epochs": lambda run: sum(phase.epoch for phase in run.phases),
        "state": lambda run: run.standing,
    }
    return keys[name]


#: What `sort_key` takes.
SORTS = ("run", "recipe", "seed", "epochs", "state", *METRICS)


def cells_of(run: ListedRun) -> dict[str, object]:
    """A run as a row of a CSV file; what is undefined is empty."""
    corpus = run.corpus
    amounts = {
        f"{split}_{what}": count
        for split, amount in (corpus["splits"] if corpus else {}).items()
        for what, count in amount.items()
    }
    figures = cast("dict[str, Any]", run.metrics or {})
    metrics = {f"{name}{end}": figures.get(f"{name}{end}") for name in METRICS for end in ("", "_low", "_high")}
    return {
        "run": str(run.path),
        "recipe": run.config.plan.recipe,
        "seed": run.config.plan.seed,
        "state": run.state,
        "collapsed": figures.get("collapsed"),
        "differences": differences_text(run.differences),
        "records": run.records,
        "manifest": run.manifest_hash,
        "corpus": corpus["format"] if corpus else None,
        "folds": corpus["folds"] if corpus else None,
        **amounts,
        "epochs": " ".join(str(phase.epoch) for phase in run.phases),
        "ended_by": " ".join(phase.stopped_by or "unfinished" for phase in run.phases),
        "split": run.split,
        "segments": figures.get("segments"),
        **metrics,
    }


def common_differences(runs: Sequence[ListedRun]) -> dict[str, Any]:
    """What is not at its default in several runs, with the same value in all; of a single run nothing."""
    first = runs[0].differences if len(runs) > 1 else {}
    return {name: value for name, value in first.items() if all(run.differences.get(name) == value for run in runs)}


def differences_text(differences: Mapping[str, Any], without: Container[str] = ()) -> str:
    """Fields as a table shows them: `units=16 cell=gru`.

    Args:
        differences: field → value.
        without: fields that are left out.
    """
    return " ".join(f"{name}={value}" for name, value in differences.items() if name not in without)
