"""What a worker of a grid does: it trains a phase, and completes a run; and what the grid takes over of that."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mmtrans.grid.plan import Task
from mmtrans.training.process import forget_models, set_up_tensorflow
from tfrecords.directories import new_directory

if TYPE_CHECKING:
    from mmtrans.runs.run import Run


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

    Args:
        path: the grid's directory.
        records_path: the records.
        splits: the splits that a completed run is evaluated on.
        num_threads: threads of one operation; `None` for training's default.
        init_paths: `init` of a configuration → the grid's copy of that run.
        text_encoder: where the encoder of the records' pieces of words is; empty for where it was in conversion.
    """

    path: Path
    records_path: Path
    splits: tuple[str, ...]
    num_threads: int | None = None
    init_paths: Mapping[str, Path] = field(default_factory=dict)
    text_encoder: str = ""

    def start(self) -> None:
        """Imports TensorFlow and sets it up. Call it once a process."""
        set_up_tensorflow(self.num_threads)

    def log_path(self, task: Task) -> Path:
        """File that receives what is printed while a task is done."""
        return self.path / log_name(task)

    def directory(self, task: Task) -> Path:
        """The run directory that a task is done in."""
        return self.path / "work" / task.name

    def __call__(self, task: Task) -> Trained | Completed:
        """Does a task, in a directory of its own, from the newest checkpoint there.

        Raises:
            ValueError: records that lack what the phase needs, or are corrupt.
            FloatingPointError: a loss is not finite.
        """
        from mmtrans.data.records import Records, reporting_corruption
        from mmtrans.grid.store import Store
        from mmtrans.runs.run import Run
        from mmtrans.runs.status import read_outcome
        from mmtrans.training.devices import Devices
        from mmtrans.training.execution import Execution
        from mmtrans.training.prepare import prepare
        from mmtrans.training.train import train_phase

        forget_models()
        records = Records.open(self.records_path, splits=("train", "valid"))
        records, store = replace(records, text_encoder=self.text_encoder), Store(self.path / "phases")
        init = Run.open(self.init_paths[task.config.plan.init]) if task.config.plan.init else None
        directory = self.directory(task)
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
            return self._complete(run)
        return {"valid_loss": read_outcome(run, task.phase).best_loss}

    def _complete(self, run: Run) -> Completed:
        from mmtrans.evaluation.evaluate import evaluate_sentiment
        from mmtrans.evaluation.suitability import open_records
        from mmtrans.training.train import write_history

        run.drop_checkpoints()
        write_history(run)
        for split in self.splits:
            result = evaluate_sentiment(run, open_records(run, splits=("train", split)), split)
        return {"split": self.splits[-1], "mae": result["mae"]}

    def publish(self, task: Task) -> None:
        """Puts what a task has made where others find it. Only who holds the grid's lease does so."""
        from mmtrans.grid.store import Store, link_tree
        from mmtrans.runs.run import Run

        run = Run.open(self.directory(task))
        Store(self.path / "phases").put(task.phase, run)
        if task.completes_run:
            with new_directory(self.path / "runs" / task.name, overwrite=True) as partial:
                link_tree(run.path, partial)
        shutil.rmtree(run.path)


def log_name(task: Task) -> str:
    """A task's log, relative to the grid's directory."""
    return f"logs/{task.name}.log"
