"""The training loop of one phase.

Keras' `fit` fails under MultiWorkerMirroredStrategy in Keras 3, clips gradients before they are summed over replicas,
and cannot resume exactly; this loop does what is written, on one device or many.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.training.checkpoints import restore_checkpoint, save_checkpoint, save_weights
from mmtrans.training.monitor import Monitor
from mmtrans.training.objectives import Objective, representation_of


@keras.saving.register_keras_serializable("mmtrans")
class HalvingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then a learning rate that halves every `halving_steps`.

    Args:
        learning_rate: the rate after warm-up and before decay.
        warmup_steps: steps of warm-up; 0 for none.
        halving_steps: steps in which the rate halves; infinite for a constant rate.
    """

    def __init__(self, learning_rate: float, warmup_steps: int, halving_steps: float):
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.halving_steps = halving_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        warmup = tf.minimum(1.0, (step + 1.0) / max(self.warmup_steps, 1))
        return self.learning_rate * warmup * 0.5 ** (step / self.halving_steps)

    def get_config(self):
        return dict(vars(self))


@dataclass(frozen=True)
class PhaseData:
    """The batches of a phase.

    Args:
        train: epoch (from 0) → dataset of the global batches of that epoch, the same for the same epoch.
        valid: dataset of the valid split.
        train_steps: batches of an epoch.
    """

    train: Callable[[int], tf.data.Dataset]
    valid: Callable[[], tf.data.Dataset]
    train_steps: int


def make_optimizer(config: Config, train_steps: int) -> keras.optimizers.Optimizer:
    """Adam with the configured schedule."""
    halving = config.decay_epochs * train_steps if config.schedule == "exponential" else math.inf
    return keras.optimizers.Adam(HalvingSchedule(config.learning_rate, config.warmup_steps, halving))


def make_train_step(objective: Objective, optimizer, config: Config, spec) -> Callable:
    """One optimiser step on a global batch, as a graph.

    The gradient of the mean over the *global* batch is summed over replicas, then clipped, then applied, so the
    result does not depend on the number of replicas. Keras' optimisers sum what they are given over replicas
    themselves, hence the division.

    Args:
        objective: model and loss.
        optimizer: built for the model's trainable variables.
        config: clipping and seed.
        spec: element spec of the batches.

    Returns:
        `batch → (loss, gradient norm before clipping)`, float32 scalars.
    """
    variables = objective.model.trainable_variables
    strategy = tf.distribute.get_strategy()

    def replica_step(batch):
        context = tf.distribute.get_replica_context()
        seed = tf.stack([tf.constant(config.seed), tf.cast(optimizer.iterations, tf.int32)])
        with tf.GradientTape() as tape:
            with random_step(seed):
                terms = objective.terms(batch, training=True)
            counts = context.all_reduce("SUM", [term.count for term in terms])
            loss = sum(
                term.weight * term.total / tf.maximum(count, 1.0) for term, count in zip(terms, counts, strict=True)
            )
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # Those of gathered rows (token vectors) come as slices.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        loss, gradients = context.all_reduce("SUM", [loss, gradients])
        gradients, norm = tf.clip_by_global_norm(gradients, config.clip_norm)
        optimizer.apply_gradients(
            (g / strategy.num_replicas_in_sync, v) for g, v in zip(gradients, variables, strict=True)
        )
        return loss, norm

    # Without autograph, whose reading of all the code takes a third of the tracing: the loops are TensorFlow's own.
    @tf.function(input_signature=[spec], autograph=False)
    def train_step(batch):
        return strategy.run(replica_step, args=(batch,))

    return train_step


def make_valid_step(objective: Objective, spec) -> Callable:
    """`batch → (terms, 3)` float32, total, count and weight of each loss term without dropout, as a graph."""

    @tf.function(input_signature=[spec], autograph=False)
    def valid_step(batch):
        return tf.stack([tf.stack(term) for term in objective.terms(batch, training=False)])

    return valid_step


def valid_loss(valid_step: Callable, batches: tf.data.Dataset) -> float:
    """Mean loss over all items of a split: each term's total over its count, weighted."""
    terms = np.stack([valid_step(batch).numpy() for batch in batches]).astype(np.float64)
    totals, counts, weights = terms[:, :, 0].sum(0), terms[:, :, 1].sum(0), terms[0, :, 2]
    return float((weights * totals / counts).sum())


def fit(objective: Objective, data: PhaseData, config: Config, phase_dir: Path, monitor: Monitor) -> dict:
    """Trains one phase until its epochs or its patience are used up; resumes from its newest checkpoint.

    Args:
        objective: model and loss.
        data: the batches.
        config: optimisation settings.
        phase_dir: receives `checkpoints/` and `best/weights.npz`.
        monitor: told of every batch and epoch.

    Returns:
        the final progress: `epoch`, `step`, `best_loss`, `best_epoch`, `history` (rows of history.csv).

    Raises:
        FloatingPointError: a loss is not finite; the message names the step.
    """
    optimizer = make_optimizer(config, data.train_steps)
    optimizer.build(objective.model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=objective.model, optimizer=optimizer)
    progress = restore_checkpoint(phase_dir / "checkpoints", checkpoint)
    progress = progress or {"epoch": 0, "step": 0, "best_loss": math.inf, "best_epoch": 0, "history": []}
    monitor.resume(progress["epoch"])
    spec = data.valid().element_spec
    train_step, valid_step = make_train_step(objective, optimizer, config, spec), make_valid_step(objective, spec)

    while progress["epoch"] < config.epochs and not out_of_patience(progress, config):
        losses, norms = train_epoch(train_step, data.train(progress["epoch"]), progress["step"], monitor)
        speed = monitor.segments_per_second()
        progress["epoch"] += 1
        progress["step"] += len(losses)
        checked = valid_loss(valid_step, data.valid())
        if not math.isfinite(checked):
            raise loss_is_broken("valid", progress["step"] - 1, checked)
        row = {
            "epoch": progress["epoch"],
            "loss": float(np.mean(losses)),
            "valid_loss": checked,
            "learning_rate": float(optimizer.learning_rate),
            "gradient_norm": float(np.mean(norms)),
            "segments_per_second": round(speed, 1),
        }
        progress["history"].append(row)
        best = row["valid_loss"] < progress["best_loss"]
        if best:
            progress.update(best_loss=row["valid_loss"], best_epoch=row["epoch"])
            save_weights(
                phase_dir / "best" / "weights.npz",
                {"model": objective.model, "representation": representation_of(objective.model)},
            )
        save_checkpoint(phase_dir / "checkpoints", checkpoint, progress)
        monitor.end_epoch(row, best)
    monitor.end(progress)
    return progress


def out_of_patience(progress: dict, config: Config) -> bool:
    """Whether the last `patience` epochs brought no better valid loss."""
    return progress["epoch"] - progress["best_epoch"] >= config.patience


def train_epoch(train_step: Callable, batches: tf.data.Dataset, first_step: int, monitor: Monitor):
    """Runs one epoch and returns the losses and gradient norms of its batches, as float arrays."""
    monitor.start_epoch()
    results = []
    for batch in batches:
        results.append(train_step(batch))
        monitor.step(int(batch["source_length"].shape[0]))
    losses, norms = (np.array([float(value) for value in column]) for column in zip(*results, strict=True))
    broken = np.flatnonzero(~np.isfinite(losses))
    if broken.size:
        raise loss_is_broken("train", first_step + broken[0], losses[broken[0]])
    return losses, norms


def loss_is_broken(split: str, step: int, loss: float) -> FloatingPointError:
    """The error that stops a phase; nothing of the broken epoch is kept, so a checkpoint is always sound."""
    return FloatingPointError(
        f"The loss is not finite at step {step}. Expected a number. Received: {split} loss={loss}. "
        f"Lower --learning-rate or --clip-norm, or look at the features with `mmtrans inspect --verify`."
    )
