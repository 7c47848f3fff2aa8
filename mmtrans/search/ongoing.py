"""A trial that is being tried: which of its trainings are still to be begun, and what became of the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras_tuner

from mmtrans.engine.engine import Outcome
from mmtrans.search.plan import Search, Training
from mmtrans.search.results import Score, Trial
from mmtrans.search.space import from_keras_tuner


class Ongoing:
    """A trial from its proposal to its end; after a training that failed no more are begun.

    Args:
        search: the search.
        trial: what the oracle proposes.
        tuner_id: the id by which the oracle was asked.
        get_trial: number of an earlier trial → that trial.
    """

    def __init__(
        self,
        search: Search,
        trial: keras_tuner.engine.trial.Trial,
        tuner_id: str,
        get_trial: Callable[[str], keras_tuner.engine.trial.Trial],
    ):
        self.trial = trial
        self.tuner_id = tuner_id
        self.name = _name(trial.trial_id)
        self.fields = from_keras_tuner(search.space, trial.hyperparameters.values)
        self._origin = _name(_origin_of(trial, get_trial))
        self._trainings = search.trainings(self._origin, self.fields, trial.hyperparameters.values.get("tuner/epochs"))
        self._todo = list(self._trainings)
        self._outcomes: list[Outcome] = []
        self._num_at_work = 0
        self._started = time.monotonic()

    def next_training(self) -> Training | None:
        """A training to begin now, or `None`."""
        if not self._todo:
            return None
        self._num_at_work += 1
        return self._todo.pop(0)

    def take(self, outcome: Outcome) -> bool:
        """Notes what became of a training that was begun; returns whether it was one of this trial's."""
        if outcome.task not in self._trainings:
            return False
        self._num_at_work -= 1
        self._outcomes.append(outcome)
        if outcome.reason:
            self._todo.clear()
        return True

    @property
    def has_ended(self) -> bool:
        """Whether nothing is at work, nor to be begun."""
        return not self._num_at_work and not self._todo

    def result(self) -> Trial:
        """What became of a trial that has ended."""
        outcomes = sorted(self._outcomes, key=lambda outcome: self._trainings.index(outcome.task))
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        return Trial(
            self.name,
            self._origin,
            self.fields,
            self._trainings[0].config.optimisation.epochs,
            tuple(_score(outcome) for outcome in outcomes if not outcome.reason),
            time.monotonic() - self._started,
            reasons[0] if reasons else None,
        )


def _origin_of(
    trial: keras_tuner.engine.trial.Trial, get_trial: Callable[[str], keras_tuner.engine.trial.Trial]
) -> str:
    """Number of the trial whose runs a trial trains on: its own, unless hyperband gives an earlier one more epochs."""
    origin, values = trial.trial_id, trial.hyperparameters.values
    while "tuner/trial_id" in values:
        origin = values["tuner/trial_id"]
        values = get_trial(origin).hyperparameters.values
    return origin


def _name(trial_id: str) -> str:
    """A trial's number in four digits: keras-tuner's has as many as that of all trials, which may change."""
    return f"{int(trial_id):04d}"


def _score(outcome: Outcome) -> Score:
    training: Training = outcome.task
    trained: dict[str, Any] = outcome.result
    return Score(training.name, training.config.plan.seed, training.fold, **trained)
