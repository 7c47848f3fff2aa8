"""keras-tuner's search, whose trainings an engine does."""

from __future__ import annotations

import contextlib
import io
import itertools
import time
from collections.abc import Sequence

import keras_tuner

from mmtrans.engine.engine import Engine, Outcome
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions, Needs
from mmtrans.runs.environment import versions
from mmtrans.search.cluster import Member
from mmtrans.search.ongoing import Ongoing
from mmtrans.search.oracles import make_oracle
from mmtrans.search.plan import Search, Training
from mmtrans.search.results import Trial, best_first, load_trials, write_results
from mmtrans.search.space import Choices
from mmtrans.search.work import Trainer
from mmtrans.system.console import Console
from mmtrans.system.files import write_atomically
from mmtrans.training.memory import phase_memory
from tfrecords.manifest import MANIFEST_NAME, Manifest


class Tuner(keras_tuner.Tuner):
    """Asks an oracle for trials while an engine has room for their trainings, and tells it how they ended.

    A trial's runs are `DIR/trials/<trial>/seed-<k>[-fold-<f>]`; those of a trial that hyperband gives more epochs are
    its first one's, which go on. What became of it is in `DIR/trials/<trial>/trial.json`.

    Args:
        search: a saved search, in a directory that is locked.
        trials: number of trials at most, or `None`.
        member: what this process is in a cluster. A worker has one trial at a time: its chief knows it by one id.
        engine: engine that does the trainer's work.
        trainer: the trainer.
        quiet: no output to the terminal.
    """

    def __init__(
        self, search: Search, trials: int | None, member: Member, engine: Engine, trainer: Trainer, quiet: bool = False
    ):
        self.plan = search
        self.member = member
        self.engine = engine
        self.engine.on_room = self._begin
        self.trainer = trainer
        self.console = Console(stderr=True, quiet=quiet)
        self._ongoing: list[Ongoing] = []
        self._is_exhausted = False
        project = search.path / "tuner"
        if (project / "oracle.json").is_file():
            # keras-tuner reads its state back only where this file is, and writes it only after the first trial.
            write_atomically(project / f"{member.tuner_id or 'tuner0'}.json", "{}")
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(make_oracle(search, trials), directory=str(search.path), project_name=project.name)

    def run_trial(self, *_: object) -> None:
        """Nothing: keras-tuner takes a tuner without it for one that has a model to build."""

    def search(self) -> None:
        """Searches until the oracle has nothing more to propose and all trials have ended; a chief serves its workers.

        keras-tuner's own loop tries one trial at a time.
        """
        if self.member.is_chief:
            super().search()
            return
        self._begin()
        while self._ongoing or not self._is_exhausted:
            for outcome in self.engine.outcomes():
                self._take(outcome)
                self._begin()
            if not self._ongoing and not self._is_exhausted:
                # What is proposed next depends on trials of other workers of the cluster.
                time.sleep(1)
                self._begin()

    def _begin(self) -> None:
        """Begins trainings while the engine has room."""
        while self.engine.num_waiting < max(1, self.engine.slots):
            training = self._next_training()
            if training is None:
                return
            # The budget tells trials of hyperband apart that train in one directory.
            self.engine.submit(training, f"{training.name}-{training.config.optimisation.epochs}")

    def _next_training(self) -> Training | None:
        """A training of the trials that are being tried, the first before others, or else of a new one."""
        for ongoing in self._ongoing:
            if (training := ongoing.next_training()) is not None:
                return training
        ongoing = self._next_trial()
        return ongoing.next_training() if ongoing else None

    def _next_trial(self) -> Ongoing | None:
        """A trial that the oracle proposes; `None` where it has nothing to propose at present, or at all."""
        if self._is_exhausted or (self.member.is_worker and self._ongoing):
            return None
        # By the id the oracle tells apart who asks: it proposes nothing more to one that has a trial.
        taken = {ongoing.tuner_id for ongoing in self._ongoing}
        free = (name for name in map("tuner{}".format, itertools.count()) if name not in taken)
        tuner_id = self.member.worker_id or next(free)
        trial = self.oracle.create_trial(tuner_id)
        self._is_exhausted = trial.status == "STOPPED"
        if trial.status != "RUNNING":
            return None
        ongoing = Ongoing(self.plan, trial, tuner_id, self.oracle.get_trial)
        self._ongoing.append(ongoing)
        listed = ", ".join(f"{name} {value}" for name, value in ongoing.fields.items())
        self.console.print(f"trial {ongoing.name}: {listed}", soft_wrap=True)
        return ongoing

    def _take(self, outcome: Outcome) -> None:
        """Notes what became of a training, and ends its trial with the last one."""
        if not outcome.reason:
            self.trainer.publish(outcome.task)
        ongoing = next(ongoing for ongoing in self._ongoing if ongoing.take(outcome))
        if not ongoing.has_ended:
            return
        result = ongoing.result()
        result.save(self.plan.path / "trials")
        self._report(result)
        trial = ongoing.trial
        if result.value is None:
            trial.status, trial.message = "FAILED", result.reason
        else:
            self.oracle.update_trial(trial.trial_id, {self.plan.objective: result.value})
            trial.status = "COMPLETED"
        self.oracle.end_trial(trial)
        self.save()
        self._ongoing.remove(ongoing)
        if not self.member.is_worker:
            write_results(self.plan)

    def _report(self, trial: Trial) -> None:
        if trial.reason:
            self.console.print(f"trial {trial.name} FAILED: {trial.reason}", soft_wrap=True)
            return
        trials = load_trials(self.plan)
        best = best_first(self.plan, trials)[0]
        left = time_left(trials, self.oracle.max_trials, self.engine.slots)
        figure = f"valid {self.plan.objective} {trial.value:.4f}"
        self.console.print(
            f"trial {trial.name}: {figure}, {trial.seconds:.0f} s (best so far: {best.value:.4f} of trial {best.name})"
            f"{left}",
            soft_wrap=True,
        )


def time_left(trials: Sequence[Trial], most: int | None, slots: int) -> str:
    """What is added to a line to tell how long a search goes on; nothing where nobody knows.

    Args:
        trials: those that have ended.
        most: number of trials at most; `None` for all there are.
        slots: trainings at a time.
    """
    seconds = [trial.seconds for trial in trials if not trial.reason]
    if most is None or most <= len(trials) or not seconds:
        return ""
    minutes = (most - len(trials)) * sum(seconds) / len(seconds) / max(1, slots) / 60
    return f"; about {minutes:.0f} min left" if minutes >= 1 else "; less than a minute left"


def run_search(
    search: Search, trials: int | None, member: Member, options: EngineOptions, era: int = 0, quiet: bool = False
) -> list[Trial]:
    """Searches to the end, or until a cluster's chief has nothing more to do.

    Args:
        search: a saved search, in a directory that is locked; with its folds.
        trials: number of trials at most, those of earlier commands included; `None` for all there are.
        member: what this process is in a cluster. A chief trains nothing: it waits for its workers to end.
        options: where trainings are done.
        era: token of the lease of the directory.
        quiet: no output to the terminal.

    Returns:
        the trials that have ended.

    Raises:
        ValueError: the directory holds another search.
    """
    (search.path / "logs").mkdir(exist_ok=True)
    trainer = Trainer(
        search.path.resolve(),
        search.objective,
        resumable=search.tuner == "hyperband",
        manifest_hash=search.manifest_hash,
        # Threads of one operation help little where other processes keep the cores busy.
        num_threads=1 if options.jobs > 1 else None,
        era=era,
        member=member.worker_id,
        text_encoder=search.text_encoder,
    )
    trainer.clear()
    # A chief has nothing done, so it needs no processes.
    options = EngineOptions() if member.is_chief else options
    needs = None if options.is_here else _needs(search, trainer)
    with opened(options, trainer, needs, quiet=quiet) as engine:
        Tuner(search, trials, member, engine, trainer, quiet).search()
    trainer.forget()
    return load_trials(search) if member.is_worker else write_results(search)


def _needs(search: Search, trainer: Trainer) -> Needs:
    """What a worker must have for any of the search's trainings."""
    batch_size = search.space.get("batch_size")
    sizes = batch_size.values if isinstance(batch_size, Choices) else (search.base.optimisation.batch_size,)
    return Needs(
        versions={name: version for name, version in versions().items() if name in ("mmtrans", "tensorflow", "keras")},
        files=(search.records_path / MANIFEST_NAME,),
        directories=(trainer.work_path,),
        memory=phase_memory(Manifest.load(search.records_path), max(sizes)),
    )
