"""keras-tuner's oracles, which propose what to try next, made fit to be killed."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import keras_tuner
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from mmtrans.search.plan import REMEDY, Search
from mmtrans.search.space import Choices, Parameter
from mmtrans.system.files import write_atomically
from tfrecords.stored import damage, read_json

#: Budgets of hyperband grow by this factor; each time one in so many trials goes on.
FACTOR = 3

#: Random draws among which the Gaussian process chooses where its own choice was tried before.
DRAWS = 200


def to_keras_tuner(space: Mapping[str, Parameter]) -> keras_tuner.HyperParameters:
    """The space as keras-tuner takes it.

    Listed values go by their text: of truth values its `Choice` makes whole numbers.
    """
    hyperparameters = keras_tuner.HyperParameters()
    for name, parameter in space.items():
        if isinstance(parameter, Choices):
            hyperparameters.Choice(name, [str(value) for value in parameter.values])
        else:
            hyperparameters.Float(name, parameter.low, parameter.high, sampling=parameter.sampling)
    return hyperparameters


class Space(TypedDict):
    """What keras-tuner says of hyper-parameters."""

    space: list[dict[str, Any]]
    values: dict[str, Any]


class TrialState(TypedDict):
    """keras-tuner's `trial.json`."""

    trial_id: str
    hyperparameters: Space
    metrics: dict[str, Any] | None
    score: float | None
    best_step: int | None
    status: str
    message: str | None


class _Always(TypedDict):
    ongoing_trials: dict[str, str]
    hyperparameters: Space
    start_order: list[str]
    end_order: list[str]
    run_times: dict[str, int]
    retry_queue: list[str]
    seed: int
    seed_state: int
    tried_so_far: list[str]
    id_to_hash: dict[str, str | None]
    display: dict[str, Any]


class OracleState(_Always, total=False):
    """keras-tuner's `oracle.json`, and what single oracles add to it."""

    num_initial_points: int | None
    alpha: float
    beta: float
    hyperband_iterations: float
    max_epochs: int
    min_epochs: int
    factor: int
    brackets: list[dict[str, Any]]
    current_bracket: int
    current_iteration: int


class Durable(keras_tuner.Oracle):
    """What makes an oracle outlive a kill at any moment: keras-tuner writes its files in place."""

    def save(self) -> None:
        """Writes the state, whole."""
        write_atomically(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    def _save_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        path = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        write_atomically(path, json.dumps(trial.get_state()))

    def reload(self) -> None:
        """Reads the state back. A trial that was being made when the kill came is forgotten: its number is free.

        Raises:
            ValueError: a file is damaged.
        """
        path = Path(self._get_oracle_fname())
        read_json(path, OracleState, REMEDY)
        for trial in sorted(path.parent.glob("trial_*/trial.json")):
            read_json(trial, TrialState, REMEDY)
        try:
            super().reload()
            self.trials = {trial_id: self.trials[trial_id] for trial_id in self.start_order}
            # Taken from its end: those that were being tried, in the order in which they were begun.
            self._retry_queue = sorted(set(self._retry_queue), key=self.start_order.index, reverse=True)
        except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise damage(path, "keras-tuner's state", f"{type(error).__name__} {error}", REMEDY) from error


class RandomOracle(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Draws independently, nothing twice."""


class BayesianOracle(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Fits a Gaussian process to the trials so far, after some random ones.

    Trials that are being tried count as ended, with what the process predicts of them from those that have ended: its
    mean and a standard deviation for the worse (the kriging believer of Ginsbourger et al. 2010, a pessimist). So what
    is tried at the same time lies apart.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What to try in a trial: nothing that was tried before, which would but give the same again."""
        # Its state is not saved: from the trial's number, a search that was killed goes on as it would have.
        self._random_state = np.random.RandomState(self.seed + int(trial_id))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            proposal = super().populate_space(trial_id)
        if proposal["values"] is not None and self._duplicate(proposal["values"]):
            return self._populate_untried()
        return proposal

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """What keras-tuner fits the process to: places of trials `(trials, parameters)`, and scores, less is better.

        Its own guesses at scores by the process as it was last fitted, if ever: in a search that goes on it was not.
        """
        sign = -1 if self.objective.direction == "max" else 1
        ended = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        places = self._places([trial.hyperparameters.values for trial in ended])
        scores = np.array([sign * trial.score for trial in ended])
        if not self.ongoing_trials:
            return places, scores
        guessed = self._places([trial.hyperparameters.values for trial in self.ongoing_trials.values()])
        mean, deviation = np.asarray(self.gpr.fit(places, scores).predict(guessed, return_std=True))
        return np.concatenate([places, guessed]), np.concatenate([scores, mean + deviation])

    def _places(self, listed: list[dict[str, Any]]) -> np.ndarray:
        """Points of the unit cube: `(trials, parameters)`."""
        return np.array([[hp.value_to_prob(values[hp.name]) for hp in self.hyperparameters.space] for values in listed])

    def _populate_untried(self) -> dict[str, Any]:
        """The most promising of some random draws that were not tried."""
        draws = [values for values in (self._random_values() for _ in range(DRAWS)) if values is not None]
        if not draws:
            return {"status": "STOPPED", "values": None}
        mean, deviation = np.asarray(self.gpr.predict(self._places(draws), return_std=True))
        return {"status": "RUNNING", "values": draws[int(np.argmin(mean - self.beta * deviation))]}


class HyperbandOracle(Durable, keras_tuner.oracles.HyperbandOracle):
    """Gives many random trials few epochs, and the best of them more."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes a state over, but for the number of sweeps, which a later command may have raised."""
        super().set_state({**state, "hyperband_iterations": self.hyperband_iterations})


class GridOracle(Durable):
    """All combinations, the last parameter fastest; a trial's number tells which, so there is no state to lose.

    keras-tuner's own keeps its place in memory only: reloaded, it ends at once.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The combination of a trial's number, as keras-tuner wants it."""
        parameters = self.hyperparameters.space
        combinations = itertools.product(*(parameter.values for parameter in parameters))
        chosen = next(itertools.islice(combinations, int(trial_id), None), None)
        if chosen is None:
            return {"status": "STOPPED"}
        names = (parameter.name for parameter in parameters)
        return {"status": "RUNNING", "values": dict(zip(names, chosen, strict=True))}


def make_oracle(search: Search, trials: int | None) -> keras_tuner.Oracle:
    """The oracle of a search.

    Args:
        search: the search.
        trials: number of trials at most; `None` for all combinations, or one sweep of hyperband.
    """
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(search.objective, search.direction),
        "hyperparameters": to_keras_tuner(search.space),
        # To keras-tuner 0 is no seed.
        "seed": search.config.plan.seed + 1,
        "allow_new_entries": False,
        "tune_new_entries": False,
        # A trial's failure is a result: of the next one it says nothing.
        "max_consecutive_failed_trials": math.inf,
    }
    if search.tuner == "hyperband":
        options["hyperband_iterations"] = None if trials else 1
        oracle = HyperbandOracle(max_epochs=search.config.optimisation.epochs, factor=FACTOR, **options)
        oracle.max_trials = trials
    else:
        if search.tuner == "bayesian" and trials:
            # keras-tuner's default may well be more than all trials.
            options["num_initial_points"] = min(3 * len(search.space), max(3, trials // 3))
        kinds = {"random": RandomOracle, "bayesian": BayesianOracle, "grid": GridOracle}
        oracle = kinds[search.tuner](max_trials=trials, **options)
    oracle.verbose = 0
    return oracle
