"""Our training loop inside keras-tuner's search."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path

import keras_tuner

from mmtrans.search.cluster import Member
from mmtrans.search.oracles import make_oracle
from mmtrans.search.plan import Search, Training
from mmtrans.search.results import Score, Trial, best_first, load_trials, write_results
from mmtrans.search.space import from_keras_tuner
from mmtrans.search.work import Trained, Trainer
from mmtrans.system import errors as system_errors
from mmtrans.system.console import Console
from mmtrans.system.files import write_atomically
from mmtrans.workers.pool import WORKERS, Outcome, Pool, signed_in


class Tuner(keras_tuner.Tuner):
    """Runs the trials that an oracle proposes, in worker processes.

    A trial's runs are `DIR/trials/<trial>/seed-<k>[-fold-<f>]`; those of a trial that hyperband gives more epochs are
    its first one's, which go on. What became of it is in `DIR/trials/<trial>/trial.json`.

    Args:
        search: a saved search, in a directory that is locked.
        trials: number of trials at most, or `None`.
        member: what this process is in a cluster.
        pool: pool of `Trainer`s.
        jobs: number of trainings of a trial that run at a time.
        quiet: no output to the terminal.
    """

    def __init__(self, search: Search, trials: int | None, member: Member, pool: Pool, jobs: int, quiet: bool = False):
        self.plan = search
        self.member = member
        self.pool = pool
        self.jobs = jobs
        self.console = Console(stderr=True, quiet=quiet)
        self._is_idle = False
        project = search.path / "tuner"
        if (project / "oracle.json").is_file():
            # keras-tuner reads its state back only where this file is, and writes it only after the first trial.
            write_atomically(project / f"{member.tuner_id or 'tuner0'}.json", "{}")
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(make_oracle(search, trials), directory=str(search.path), project_name=project.name)

    def pre_create_trial(self) -> None:
        """Waits a little where the oracle had nothing to do at present: keras-tuner asks again at once."""
        if self._is_idle:
            time.sleep(1)
        self._is_idle = True

    def on_trial_begin(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Announces a trial."""
        self._is_idle = False
        fields = from_keras_tuner(self.plan.space, trial.hyperparameters.values)
        listed = ", ".join(f"{name} {value}" for name, value in fields.items())
        self.console.print(f"trial {_name(trial.trial_id)}: {listed}", soft_wrap=True)

    def run_trial(self, trial: keras_tuner.engine.trial.Trial) -> dict[str, float]:
        """Does the trainings of a trial, and returns the objective.

        Raises:
            keras_tuner.errors.FailedTrialError: one of them failed.
            keras_tuner.errors.FatalValueError: the operating system refuses something, which is no fault of the trial:
                the search ends, and the trial is still to be run.
        """
        try:
            ended = self._run(trial)
        except system_errors.SystemRefusalError as error:
            raise keras_tuner.errors.FatalValueError(str(error)) from error
        except OSError as error:
            if not system_errors.is_refusal(error):
                raise
            raise keras_tuner.errors.FatalValueError(system_errors.sentence_of(error)) from error
        if ended.value is None:
            raise keras_tuner.errors.FailedTrialError(ended.reason)
        return {self.plan.objective: ended.value}

    def _run(self, trial: keras_tuner.engine.trial.Trial) -> Trial:
        """Does the trainings of a trial, and writes and reports what became of it."""
        started = time.monotonic()
        origin, values = trial.trial_id, trial.hyperparameters.values
        while "tuner/trial_id" in values:
            origin = values["tuner/trial_id"]
            values = self.oracle.get_trial(origin).hyperparameters.values
        fields = from_keras_tuner(self.plan.space, trial.hyperparameters.values)
        trainings = self.plan.trainings(_name(origin), fields, trial.hyperparameters.values.get("tuner/epochs"))
        outcomes = sorted(self._outcomes(trainings), key=lambda outcome: trainings.index(outcome.task))
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        ended = Trial(
            _name(trial.trial_id),
            _name(origin),
            fields,
            trainings[0].config.optimisation.epochs,
            tuple(_score(outcome) for outcome in outcomes if not outcome.reason),
            time.monotonic() - started,
            reasons[0] if reasons else None,
        )
        ended.save(self.plan.path / "trials")
        self._report(ended)
        return ended

    def _outcomes(self, trainings: list[Training]) -> list[Outcome]:
        """What became of trainings; after a failure no more are begun."""
        todo, outcomes = list(trainings), []
        while todo or self.pool.num_busy:
            while todo and self.pool.num_busy < self.jobs:
                self.pool.submit(todo.pop(0))
            for outcome in self.pool.outcomes():
                outcomes.append(outcome)
                if outcome.reason:
                    todo.clear()
        return outcomes

    def _report(self, trial: Trial) -> None:
        if trial.reason:
            self.console.print(f"trial {trial.name} FAILED: {trial.reason}", soft_wrap=True)
            return
        best = best_first(self.plan, load_trials(self.plan))[0]
        figure = f"valid {self.plan.objective} {trial.value:.4f}"
        self.console.print(
            f"trial {trial.name}: {figure}, {trial.seconds:.0f} s (best so far: {best.value:.4f} of trial {best.name})"
        )

    def on_trial_end(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Tells the oracle of a trial that completed or failed.

        Raises:
            RuntimeError: something else happened, with its traceback: keras-tuner would call that a failure too, and
                go on.
        """
        if trial.status == "INVALID":
            raise RuntimeError(f"Trial {trial.trial_id} could not be run:\n{trial.message}")
        super().on_trial_end(trial)
        if not self.member.is_worker:
            write_results(self.plan)


def _name(trial_id: str) -> str:
    """A trial's number in four digits: keras-tuner's has as many as that of all trials, which may change."""
    return f"{int(trial_id):04d}"


def _score(outcome: Outcome) -> Score:
    training: Training = outcome.task
    trained: Trained = outcome.result
    return Score(training.name, training.config.plan.seed, training.fold, **trained)


def run_search(search: Search, trials: int | None, member: Member, jobs: int = 1, quiet: bool = False) -> list[Trial]:
    """Searches to the end, or until a cluster's chief has nothing more to do.

    Args:
        search: a saved search, in a directory that is locked; with its folds.
        trials: number of trials at most, those of earlier commands included; `None` for all there are.
        member: what this process is in a cluster. A chief trains nothing: it waits for its workers to end.
        jobs: trainings of a trial at a time, each in a process.
        quiet: no output to the terminal.

    Returns:
        the trials that have ended.

    Raises:
        ValueError: the directory holds another search.
    """
    (search.path / "logs").mkdir(exist_ok=True)
    # Threads of one operation help little where other processes keep the cores busy.
    num_threads = 1 if jobs > 1 else None
    # Those of a cluster sign in apart: a worker that is started again does not wait for the others.
    workers = f"{WORKERS}-{member.tuner_id}" if member.is_worker else WORKERS
    resumable = search.tuner == "hyperband"
    place = search.path / "trials"
    trainer = Trainer(
        place, search.objective, resumable, num_threads, workers, search.manifest_hash, search.text_encoder
    )
    with signed_in(search.path / workers), Pool(trainer, lambda training: _log_path(search.path, training)) as pool:
        Tuner(search, trials, member, pool, jobs, quiet).search()
    return load_trials(search) if member.is_worker else write_results(search)


def _log_path(path: Path, training: Training) -> Path:
    return path / "logs" / f"{training.name.replace('/', '-')}.log"
