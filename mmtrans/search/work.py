"""What a worker process of a search does: it trains a run, and evaluates it on valid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from mmtrans.search.plan import Training
from mmtrans.training.process import forget_models, set_up_tensorflow
from mmtrans.workers.pool import WORKERS, sign_in


class Trained(TypedDict):
    """What a training returns: the objective's value on valid, and the epochs that were trained, over all phases."""

    value: float
    epochs: int


@dataclass(frozen=True)
class Trainer:
    """Where and how the trainings of a search are done; called with a training, it does it.

    Args:
        trials_path: the directory of the runs.
        objective: the metric that counts.
        resumable: whether runs may be given more epochs later.
        num_threads: threads of one operation; `None` for training's default.
        workers: name of the directory beside `trials_path` in which the processes sign in.
        manifest_hash: hash of the manifest of the search's records, which must stay what they are; `None` trusts them.
            Records of folds belong to the search itself.
        text_encoder: where the encoder of the records' pieces of words is; empty for where it was in conversion.
    """

    trials_path: Path
    objective: str
    resumable: bool = False
    num_threads: int | None = None
    workers: str = WORKERS
    manifest_hash: str | None = None
    text_encoder: str = ""

    def start(self) -> None:
        """Imports TensorFlow and sets it up. Call it once a process."""
        sign_in(self.trials_path.parent / self.workers)
        set_up_tensorflow(self.num_threads)

    def __call__(self, training: Training) -> Trained:
        """Trains a run, from its newest checkpoint where there is one; the test split cannot be read here.

        Raises:
            ValueError: records that lack what the recipe needs, or are corrupt; an objective that is undefined.
            FloatingPointError: a loss is not finite.
        """
        from mmtrans.data.records import Records
        from mmtrans.evaluation.evaluate import evaluate_sentiment
        from mmtrans.runs.run import Run
        from mmtrans.runs.status import read_outcome
        from mmtrans.training.train import train

        forget_models()
        records = Records.open(training.records_path, splits=("train", "valid"))
        records = replace(records, text_encoder=self.text_encoder)
        found = records.manifest.manifest_hash
        if training.fold is None and self.manifest_hash not in (None, found):
            raise ValueError(
                f"The search's records are others by now. Expected manifest {self.manifest_hash[:12]}. "
                f"Received: {found[:12]} ({training.records_path}). Put them back, or give another --out."
            )
        run = Run.open_or_create(self.trials_path / training.name, training.config, records)
        train(run, records)
        result = evaluate_sentiment(run, records, "valid")
        if result[self.objective] is None:
            raise ValueError(
                f"The objective is undefined. Expected a number. Received: {self.objective}=None ({run.path}). "
                f"{' '.join(result['notes'])}"
            )
        if not self.resumable:
            run.drop_checkpoints()
        epochs = sum(read_outcome(run, phase).epoch for phase in run.phases)
        return {"value": result[self.objective], "epochs": epochs}
