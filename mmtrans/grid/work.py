"""What a worker of a grid does: it trains a phase, and completes a run; and what the grid takes over of that."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypedDict

from mmtrans.engine.engine import TASKS_PER_PROCESS
from mmtrans.grid.plan import Task
from mmtrans.runs.copy import copy_run
from mmtrans.system.attempts import attempt, finished, remove_superseded
from mmtrans.system.files import link_tree, replaced_directory
from mmtrans.system.lease import LeaseLostError, check_held
from mmtrans.training.process import forget_models, graphs_released, set_up_tensorflow
from tfrecords.directories import remove

if TYPE_CHECKING:
    from mmtrans.runs.run import Run

#: In a grid's directory, the attempts at its tasks.
ATTEMPTS = "attempts"

#: The run directories in which earlier versions did tasks.
FORMER_ATTEMPTS = "work"

#: In an attempt, the run directory.
_RUN = "run"


class Trained(TypedDict):
    """What a task that completes no run returns: the best validation loss, `None` of a phase that is left untrained."""

    valid_loss: float | None


class Completed(TypedDict):
    """What a task that completes a run returns: a split that the run was evaluated on, and its MAE."""

    split: str
    mae: float


@dataclass(frozen=True)
class Workplace:
    """Where and how the tasks of a grid are done: the work of its engine.

    Attributes:
        path: the grid's directory.
        records_path: the records.
        splits: the splits that a completed run is evaluated on.
        num_threads: threads of one operation; `None` for training's default.
        era: token of the lease under which the tasks are asked for.
        init_paths: `init` of a configuration → the grid's copy of that run.
        text_encoder: where the encoder of the records' pieces of words is; empty for where it was in conversion.
    """

    tasks_per_process: ClassVar[int | None] = TASKS_PER_PROCESS

    path: Path
    records_path: Path
    splits: tuple[str, ...]
    num_threads: int | None = None
    era: int = 0
    init_paths: Mapping[str, Path] = field(default_factory=dict)
    text_encoder: str = ""

    def start(self) -> None:
        """Imports TensorFlow and sets it up. Call it once a process."""
        set_up_tensorflow(self.num_threads)

    def log_path(self, task: Task) -> Path:
        """File that receives what is printed while a task is done."""
        return self.path / log_name(task)

    def place(self, task: Task) -> Path:
        """Directory of the attempts at a task."""
        return self.path / ATTEMPTS / task.name

    @graphs_released()
    def __call__(self, task: Task) -> Trained | Completed:
        """Does a task in an attempt of its own, from what an earlier one has made safe.

        Raises:
            ValueError: records that lack what the phase needs, or are corrupt.
            FloatingPointError: a loss is not finite.
        """
        forget_models()
        with attempt(self.place(task), self.era, _take_over) as path:
            if not (path / _RUN).exists():
                copy_run(self.path / FORMER_ATTEMPTS / task.name, path / _RUN)
            return self._train(task, path / _RUN)

    def _train(self, task: Task, directory: Path) -> Trained | Completed:
        from mmtrans.data.records import Records, reporting_corruption
        from mmtrans.grid.store import Store
        from mmtrans.runs.run import Run
        from mmtrans.runs.status import read_outcome
        from mmtrans.training.devices import Devices
        from mmtrans.training.execution import Execution
        from mmtrans.training.prepare import prepare
        from mmtrans.training.train import train_phase

        records = Records.open(self.records_path, splits=("train", "valid"))
        records, store = replace(records, text_encoder=self.text_encoder), Store(self.path / "phases")
        init = Run.open(self.init_paths[task.config.plan.init]) if task.config.plan.init else None
        steps = task.config.optimisation.fixed_steps
        if (directory / "environment.json").is_file() and Run.open(directory).config.optimisation.fixed_steps != steps:
            # It was begun before the run whose number of steps it takes was trained for longer.
            shutil.rmtree(directory)
        run = Run.open_or_create(directory, task.config, records, init)
        if task.phase.key not in (phase.key for phase in run.phases):
            # An earlier version began it, and it learns something else now.
            shutil.rmtree(directory)
            run = Run.open_or_create(directory, task.config, records, init)
        if task.phase.key not in (phase.key for phase in run.phases):
            shutil.rmtree(directory)
            raise ValueError(
                f"The grid's records are others by now. Expected those that it was begun with. "
                f"Received: {run.manifest_hash[:12]} ({self.records_path}). Put them back, or give another --out."
            )
        for phase in run.phases[: task.phase.index]:
            if store.holds(phase, run.config.optimisation.epochs):
                store.place(phase, run)
        with reporting_corruption(records):
            prepared = prepare(task.phase, run.config, records)
            train_phase(run, task.phase, prepared, False, Devices(), Execution())
        if task.completes_run:
            return self._complete(run, task.name)
        return {"valid_loss": read_outcome(run, task.phase).best_loss}

    def _complete(self, run: Run, name: str) -> Completed:
        from mmtrans.evaluation.evaluate import evaluate_sentiment
        from mmtrans.evaluation.suitability import open_records
        from mmtrans.training.train import write_history

        run.drop_checkpoints()
        write_history(run)
        for split in self.splits:
            result = evaluate_sentiment(run, open_records(run, splits=("train", split)), split, name=name)
        return {"split": self.splits[-1], "mae": result["mae"]}

    def publish(self, task: Task) -> None:
        """Puts what a task has made where others find it. Only who holds the grid's lease does so.

        Raises:
            LeaseLostError: another command has asked for the task meanwhile.
        """
        from mmtrans.grid.store import Store
        from mmtrans.runs.run import Run

        path = finished(self.place(task), self.era)
        if path is None:
            raise LeaseLostError(self.path)
        check_held()
        run = Run.open(path / _RUN)
        Store(self.path / "phases").put(task.phase, run)
        if task.completes_run:
            with replaced_directory(self.path / "runs" / task.name) as partial:
                link_tree(run.path, partial)
        remove(self.place(task))

    def clear(self) -> None:
        """Makes the directory of attempts, and removes those of earlier commands that nobody goes on from."""
        attempts = self.path / ATTEMPTS
        attempts.mkdir(exist_ok=True)
        for place in attempts.iterdir():
            remove_superseded(place)

    def forget(self) -> None:
        """Removes all attempts, when nothing is left to do."""
        for name in (ATTEMPTS, FORMER_ATTEMPTS):
            remove(self.path / name)


def _take_over(earlier: Path, new: Path) -> None:
    copy_run(earlier / _RUN, new / _RUN)


def log_name(task: Task) -> str:
    """A task's log, relative to the grid's directory."""
    return f"logs/{task.name}.log"
