"""What became of trials: `trial.json` of each, `trials.csv`, and the best one's configuration."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmtrans.config.files import dump_yaml
from mmtrans.search.plan import REMEDY, Search
from mmtrans.search.space import is_value
from mmtrans.system.files import write_atomically
from tfrecords.stored import Count, Finite, damage, read_json, shown


@dataclass(frozen=True)
class Score:
    """One training of a trial, and what came of it.

    Attributes:
        run: its run directory, below `trials/` of the search.
        seed: its seed.
        fold: fold of the cross-validation, counted from 0, or `None`.
        value: the metric that decides, on the valid split.
        epochs: number of epochs that were trained, over all phases.
    """

    run: str
    seed: int
    fold: int | None
    value: Finite
    epochs: Count


@dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        name: number of the trial, four digits.
        origin: the trial whose runs it trained on: its own name, but where hyperband gave another more epochs.
        parameters: configuration fields that the search chose.
        max_epochs: the budget of each phase.
        scores: scores of the trainings; not all of them where the trial failed.
        seconds: time that the trial took in the attempt that ended it, in seconds.
        reason: reason of the failure, one line, or `None`.

    Raises:
        ValueError: there is neither a score nor a reason why there is none.
    """

    name: str
    origin: str
    parameters: dict[str, Any]
    max_epochs: Count
    scores: tuple[Score, ...]
    seconds: Finite
    reason: str | None = None

    def __post_init__(self) -> None:
        if not self.reason and not self.scores:
            raise ValueError("A trial that did not fail has scores. Received: scores=[].")

    @property
    def value(self) -> float | None:
        """The objective, mean over trainings; `None` where the trial failed."""
        return None if self.reason else sum(score.value for score in self.scores) / len(self.scores)

    def value_of(self, seed: int) -> float | None:
        """The objective of a seed, mean over folds; `None` where there is none."""
        values = [score.value for score in self.scores if score.seed == seed]
        return sum(values) / len(values) if values else None

    def save(self, trials_path: Path) -> None:
        """Writes `<name>/trial.json`."""
        directory = trials_path / self.name
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "trial.json", json.dumps(asdict(self), indent=2, allow_nan=False))


def load_trials(search: Search) -> list[Trial]:
    """The trials that have ended, in the order of their numbers.

    Raises:
        ValueError: a file of a trial is damaged.
    """
    trials = []
    for path in sorted((search.path / "trials").glob("*/trial.json")):
        trial = read_json(path, Trial, REMEDY)
        for name, parameter in search.space.items():
            if name not in trial.parameters or not is_value(parameter, trial.parameters[name]):
                received = f"parameters.{name}={shown(trial.parameters.get(name))}"
                raise damage(path, f"a value of the space of {name}", received, REMEDY)
        trials.append(trial)
    return trials


def best_first(search: Search, trials: list[Trial]) -> list[Trial]:
    """The trials that did not fail, the best first; of equals the earliest."""
    sign = 1 if search.direction == "min" else -1
    ended = [(sign * trial.value, trial) for trial in trials if trial.value is not None]
    return [trial for _, trial in sorted(ended, key=lambda pair: pair[0])]


def write_results(search: Search) -> list[Trial]:
    """Writes `trials.csv` and, where a trial did not fail, `best.yaml`; returns the trials that have ended."""
    trials = load_trials(search)
    write_atomically(search.path / "trials.csv", _table(search, trials))
    ranked = best_first(search, trials)
    if ranked:
        write_atomically(search.path / "best.yaml", best_yaml(search, ranked[0]))
    return trials


def best_yaml(search: Search, trial: Trial) -> str:
    """The configuration of a trial's first training, which `mmtrans train --config` takes; comments say what it gave.

    The first seed, not the luckiest.
    """
    training = search.trainings(trial.origin, trial.parameters, trial.max_epochs)[0]
    first = trial.scores[0]
    judged = "on valid" if first.fold is None else "by cross-validation"
    number = f"mean of {len(trial.scores)} trainings" if len(trial.scores) > 1 else "one training"
    where = "" if first.fold is None else f" on the records folds/fold-{first.fold} of the search"
    return (
        f"# Trial {trial.name} of a {search.tuner} search: {search.objective} {trial.value:.6g} {judged}, {number}.\n"
        f"# With this seed{where}: {search.objective} {first.value!r}.\n{dump_yaml(training.config.to_sections())}"
    )


def _table(search: Search, trials: list[Trial]) -> str:
    seeds = [search.config.plan.seed + number for number in range(search.seeds_per_trial)]
    columns = ("trial", "status", search.objective, *(f"{search.objective}_seed_{seed}" for seed in seeds))
    names = list(search.space)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "max_epochs", "epochs", "seconds", *names, "runs", "reason"])
    for trial in trials:
        values = [trial.value, *(trial.value_of(seed) for seed in seeds)]
        runs, epochs = " ".join(score.run for score in trial.scores), sum(score.epochs for score in trial.scores)
        status = "failed" if trial.reason else "completed"
        parameters = [trial.parameters[name] for name in names]
        row = [trial.name, status, *values, trial.max_epochs, epochs, round(trial.seconds, 1), *parameters, runs]
        writer.writerow([*row, trial.reason])
    return text.getvalue()
