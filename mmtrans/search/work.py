"""What a worker of a search does: it trains a run and evaluates it on valid. And what the search keeps of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypedDict

from mmtrans.engine.engine import TASKS_PER_PROCESS
from mmtrans.runs.copy import copy_run
from mmtrans.search.plan import Training
from mmtrans.system.attempts import attempt, finished, remove_superseded
from mmtrans.system.files import link_tree, replaced_directory
from mmtrans.system.lease import LeaseLostError, check_held
from mmtrans.training.process import forget_models, graphs_released, set_up_tensorflow
from tfrecords.directories import remove

#: In an attempt, the run directory.
_RUN = "run"


class Trained(TypedDict):
    """What a training returns: the objective's value on valid, and the epochs that were trained, over all phases."""

    value: float
    epochs: int


@dataclass(frozen=True)
class Trainer:
    """Where and how the trainings of a search are done: the work of its engine.

    Attributes:
        path: the search's directory, absolute.
        objective: the metric that counts.
        resumable: whether runs may be given more epochs later.
        manifest_hash: hash of the manifest of the search's records, which must stay what they are; `None` trusts them.
            Records of folds belong to the search itself.
        num_threads: threads of one operation; `None` for training's default.
        era: token of the lease under which the trainings are asked for.
        member: id of a cluster's worker that asks for them; it has a lease of its own.
        text_encoder: where the encoder of the records' pieces of words is; empty for where it was in conversion.
    """

    tasks_per_process: ClassVar[int | None] = TASKS_PER_PROCESS

    path: Path
    objective: str
    resumable: bool = False
    manifest_hash: str | None = None
    num_threads: int | None = None
    era: int = 0
    member: str | None = None
    text_encoder: str = ""

    def start(self) -> None:
        """Imports TensorFlow and sets it up. Call it once a process."""
        set_up_tensorflow(self.num_threads)

    def log_path(self, task: Training) -> Path:
        """File that receives what is printed while a training is done."""
        return self.path / "logs" / f"{_flat(task)}.log"

    @graphs_released()
    def __call__(self, task: Training) -> Trained:
        """Trains a run in an attempt of its own, from what an earlier one has made safe, or from where the run was
        left; the test split cannot be read here.

        Raises:
            ValueError: records that lack what the recipe needs, or are corrupt; an objective that is undefined.
            FloatingPointError: a loss is not finite.
        """
        forget_models()
        with attempt(self._place(task), self.era, _take_over) as path:
            if not (path / _RUN).exists():
                copy_run(self._run_path(task), path / _RUN)
            return self._train(task, path / _RUN)

    def publish(self, training: Training) -> None:
        """Puts the run of a training that is done where others find it. Only who holds the search's lease does so.

        Raises:
            LeaseLostError: another command has asked for the training meanwhile.
        """
        place = self._place(training)
        path = finished(place, self.era)
        if path is None:
            raise LeaseLostError(self.path)
        check_held()
        with replaced_directory(self._run_path(training)) as partial:
            link_tree(path / _RUN, partial)
        remove(place)

    @property
    def work_path(self) -> Path:
        """Directory of the attempts at all trainings."""
        return self.path / (f"work-{self.member}" if self.member else "work")

    def clear(self) -> None:
        """Makes the directory of attempts, and removes those of earlier commands that nobody goes on from."""
        self.work_path.mkdir(exist_ok=True)
        for place in self.work_path.iterdir():
            remove_superseded(place)

    def forget(self) -> None:
        """Removes all attempts, when no training is asked for any more."""
        remove(self.work_path)

    def _place(self, training: Training) -> Path:
        """Directory of the attempts at a training. That of a trial that hyperband gives more epochs is another."""
        return self.work_path / f"{_flat(training)}-{training.config.optimisation.epochs}"

    def _run_path(self, training: Training) -> Path:
        return self.path / "trials" / training.name

    def _train(self, training: Training, path: Path) -> Trained:
        from mmtrans.data.records import Records
        from mmtrans.evaluation.evaluate import evaluate_sentiment
        from mmtrans.runs.reading import labels_left
        from mmtrans.runs.run import Run
        from mmtrans.runs.status import read_outcome
        from mmtrans.training.train import train

        records = Records.open(training.records_path, splits=("train", "valid"))
        records = replace(records, text_encoder=self.text_encoder)
        found = records.manifest.manifest_hash
        if training.fold is None and self.manifest_hash not in (None, found):
            raise ValueError(
                f"The search's records are others by now. Expected manifest {self.manifest_hash[:12]}. "
                f"Received: {found[:12]} ({training.records_path}). Put them back, or give another --out."
            )
        run = Run.open_or_create(path, training.config, records)
        train(run, records)
        seen = labels_left(run.config, records, ["valid"])
        result = evaluate_sentiment(run, seen, "valid", name=training.name)
        if result[self.objective] is None:
            raise ValueError(
                f"The objective is undefined. Expected a number. Received: {self.objective}=None ({run.path}). "
                f"{' '.join(result['notes'])}"
            )
        if not self.resumable:
            run.drop_checkpoints()
        epochs = sum(read_outcome(run, phase).epoch for phase in run.phases)
        return {"value": result[self.objective], "epochs": epochs}


def _flat(training: Training) -> str:
    return training.name.replace("/", "-")


def _take_over(earlier: Path, new: Path) -> None:
    copy_run(earlier / _RUN, new / _RUN)
