"""What a worker process of a grid does: it trains a phase, and completes a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mmtrans.grid.plan import Task
from mmtrans.workers.pool import WORKERS, sign_in
from mmtrans.workers.process import forget_models, set_up_tensorflow

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
    """Where and how the tasks of a grid are done; called with a task, it does it.

    Args:
        path: the grid's directory.
        records_path: the records.
        splits: the splits that a completed run is evaluated on.
        num_threads: threads of one operation; `None` for training's default.
        init_paths: `init` of a configuration → the grid's copy of that run.
    """

    path: Path
    records_path: Path
    splits: tuple[str, ...]
    num_threads: int | None = None
    init_paths: Mapping[str, Path] = field(default_factory=dict)

    def start(self) -> None:
        """Imports TensorFlow and sets it up. Call it once a process."""
        sign_in(self.path / WORKERS)
        set_up_tensorflow(self.num_threads)

    def __call__(self, task: Task) -> Trained | Completed:
        """Does a task.

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
        records, store = Records.open(self.records_path, splits=("train", "valid")), Store(self.path / "phases")
        init = Run.open(self.init_paths[task.config.plan.init]) if task.config.plan.init else None
        directory = self.path / "work" / task.name
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
        store.put(task.phase, run)
        if task.completes_run:
            return self._complete(run)
        result: Trained = {"valid_loss": read_outcome(run, task.phase).best_loss}
        shutil.rmtree(run.path)
        return result

    def _complete(self, run: Run) -> Completed:
        from mmtrans.evaluation.evaluate import evaluate_sentiment
        from mmtrans.evaluation.suitability import open_records
        from mmtrans.training.train import write_history

        run.drop_checkpoints()
        write_history(run)
        for split in self.splits:
            result = evaluate_sentiment(run, open_records(run, splits=("train", split)), split)
        target = self.path / "runs" / run.path.name
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        os.replace(run.path, target)
        return {"split": self.splits[-1], "mae": result["mae"]}
