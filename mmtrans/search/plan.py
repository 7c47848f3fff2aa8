"""What a search directory is to hold: `search.json`, and the trainings of a trial."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from mmtrans.bounds import MOST_WHOLE
from mmtrans.config import Config
from mmtrans.config.files import known_fields
from mmtrans.evaluation.metrics import METRICS
from mmtrans.search.space import Choices, Interval, Parameter, parse_space
from mmtrans.system.files import write_atomically
from mmtrans.system.lease import LEASE, held
from tfrecords.stored import read_json

#: What to do about a damaged file of a search.
REMEDY = "Copy the search anew from where it is whole, or choose another --out."


@dataclass(frozen=True)
class Training:
    """One training of a trial.

    Attributes:
        name: name of the run directory, below `DIR/trials`.
        config: configuration of the run.
        records_path: the records that the run learns from.
        fold: fold of the cross-validation, counted from 0, or `None`.
    """

    name: str
    config: Config
    records_path: Path
    fold: int | None


class SearchDescription(TypedDict):
    """The content of `search.json`.

    Attributes:
        manifest_hash: SHA-256 of the records' manifest.
        tuner: how trials are proposed: `random`, `bayesian`, `hyperband` or `grid`.
        objective: the metric of the valid split that decides.
        seeds_per_trial: number of seeds of each trial; their mean counts.
        num_folds: number of folds of a cross-validation; 0 where the valid split decides.
        space: field of the configuration → what is tried of it, as in a file of `--space`.
        config: the configuration that trials have in common, every field of it → value.
    """

    manifest_hash: str
    tuner: str
    objective: str
    seeds_per_trial: int
    num_folds: int
    space: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True)
class Search:
    """A search: what is varied, and how a trial is judged.

    Attributes:
        path: directory of the search.
        records_path: the records.
        manifest_hash: hash of their manifest.
        config: what all trials have in common; its seed is the first of those of a trial.
        specs: what is varied, as `parse_space` takes it.
        tuner: one of `TUNERS`.
        objective: name of a metric of the valid split.
        seeds_per_trial: trainings of a trial that differ in their seed; their mean counts.
        num_folds: number of folds of a cross-validation over train and valid; 0 judges by the valid split.
        text_encoder: where the encoder of the records' pieces of words is now; empty for where it was in conversion.

    Raises:
        ValueError: seeds out of range; specs that are no space, leave nothing to search, or that a grid cannot list.
    """

    path: Path
    records_path: Path
    manifest_hash: str
    config: Config
    specs: Mapping[str, Any]
    tuner: str
    objective: str
    seeds_per_trial: int = 1
    num_folds: int = 0
    text_encoder: str = ""

    def __post_init__(self) -> None:
        most = MOST_WHOLE - self.seeds_per_trial + 1
        if self.config.plan.seed > most:
            raise ValueError(
                f"The seeds of a trial would be out of range. Expected --seed up to {most}, as the last of "
                f"{self.seeds_per_trial} is {MOST_WHOLE} then. Received: seed={self.config.plan.seed}. Lower it."
            )
        endless = sorted(name for name, parameter in self.space.items() if isinstance(parameter, Interval))
        if self.tuner == "grid" and endless:
            raise ValueError(
                f"A grid needs values that can be listed. Expected lists, or ranges with a step. "
                f"Received: {endless} without. Give --space FILE with steps, or another --tuner."
            )
        if not self.space:
            raise ValueError(
                "There is nothing to search. Expected a field with several values. Received: space={}. "
                "Write some with --space FILE, or fix fewer fields by flags."
            )

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """All that the specs name, also what has but one value."""
        return parse_space(self.specs, self.config, "space")

    @property
    def space(self) -> dict[str, Parameter]:
        """What is varied."""
        return {name: p for name, p in self.parameters.items() if isinstance(p, Interval) or len(p.values) > 1}

    @property
    def direction(self) -> str:
        """Whether the objective is better when it is less: `min` or `max`."""
        return METRICS[self.objective].better

    @property
    def base(self) -> Config:
        """The configuration of a trial, apart from what is varied."""
        single = {name: p.values[0] for name, p in self.parameters.items() if isinstance(p, Choices)}
        return replace(self.config, **single)

    def fold_path(self, fold: int) -> Path:
        """Records of a fold of the cross-validation."""
        return self.path / "folds" / f"fold-{fold}"

    def trainings(self, trial: str, fields: Mapping[str, Any], epochs: int | None = None) -> list[Training]:
        """The trainings of a trial: each seed, and with cross-validation each fold of it.

        Args:
            trial: the one in whose directory they are.
            fields: value of what is varied.
            epochs: number of epochs in place of the configuration's, or `None`.
        """
        config = replace(self.base, **fields, epochs=epochs or self.config.optimisation.epochs)
        trainings = []
        for number in range(self.seeds_per_trial):
            name, seeded = f"{trial}/seed-{number}", replace(config, seed=config.plan.seed + number)
            if not self.num_folds:
                trainings.append(Training(name, seeded, self.records_path, None))
            for fold in range(self.num_folds):
                trainings.append(Training(f"{name}-fold-{fold}", seeded, self.fold_path(fold), fold))
        return trainings

    def description(self) -> SearchDescription:
        """What must stay the same for the trials of a directory to be comparable, ready for JSON."""
        return {
            "manifest_hash": self.manifest_hash,
            "tuner": self.tuner,
            "objective": self.objective,
            "seeds_per_trial": self.seeds_per_trial,
            "num_folds": self.num_folds,
            "space": dict(self.specs),
            "config": self.config.to_dict(),
        }

    def save(self) -> None:
        """Writes `search.json`, or checks what is there.

        Raises:
            ValueError: the directory holds another search.
        """
        path = self.path / "search.json"
        if not path.is_file():
            write_atomically(path, json.dumps(self.description(), indent=2))
        before = _flat(read_json(path, SearchDescription, REMEDY), str(path))
        after = _flat(json.loads(json.dumps(self.description())), str(path))
        names = sorted(name for name in before | after if before.get(name) != after.get(name))
        if names:
            listed = ", ".join(f"{name}: {before.get(name)!r} → {after.get(name)!r}" for name in names)
            raise ValueError(
                f"The directory holds another search. Expected the same flags (--trials may change). "
                f"Received: {listed} ({self.path}). Choose another --out, or repeat the old flags."
            )


def _flat(description: SearchDescription, where: str) -> dict[str, Any]:
    """One name for each thing that may differ; fields of the configuration that an earlier release did not have are as
    it had them, at their defaults."""
    nested = {f"space.{name}": spec for name, spec in description["space"].items()}
    own = {
        name: description[name] for name in SearchDescription.__annotations__.keys() - {"space", "config", "objective"}
    }
    config = Config(**known_fields(description["config"], where)).to_dict()
    return {**own, "--metric": description["objective"], **nested, **config}


def begun(path: Path) -> SearchDescription | None:
    """What a directory was made to hold, the configuration's fields as `Config` has them; `None` where nothing is."""
    file = path / "search.json"
    if not file.is_file():
        return None
    description = read_json(file, SearchDescription, REMEDY)
    return {**description, "config": known_fields(description["config"], str(file))}


@contextlib.contextmanager
def locked_search(path: Path) -> Iterator[int]:
    """Makes a search's directory, and keeps other commands from proposing there within the context.

    Yields:
        the token of the lease.

    Raises:
        ValueError: another command works there, or something else is there.
    """
    ours = (path / "search.json").is_file() or not path.exists()
    if not ours and not (path.is_dir() and all(entry.name.startswith(".") for entry in path.iterdir())):
        raise ValueError(
            f"No search there, and not empty. Expected a new directory. Received: out={path}. Choose another --out."
        )
    with held(path, "out") as token:
        yield token


@contextlib.contextmanager
def joined(search: Search, tuner_id: str) -> Iterator[int]:
    """Waits for the chief to make a search's directory, and keeps other workers of this id away within the context.

    Yields:
        the token of the lease.

    Raises:
        ValueError: another worker has the id, or the chief's search is another.
    """
    while not (search.path / "search.json").is_file():
        time.sleep(1)
    search.save()
    with held(search.path, "out", f".{tuner_id}{LEASE}") as token:
        yield token
