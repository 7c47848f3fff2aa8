"""The training loop of one phase.

Keras' `fit` fails under MultiWorkerMirroredStrategy in Keras 3, clips gradients before they are summed over replicas,
and cannot resume exactly; this loop does what is written, on one device or many.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.config.sections import OptimisationConfig
from mmtrans.layers.dropout import random_step
from mmtrans.runs.phase_file import HistoryRow
from mmtrans.system.interrupts import Terminated, deferred, held_back
from mmtrans.training.averages import Averages
from mmtrans.training.checkpoints import CheckpointManager
from mmtrans.training.devices import Devices
from mmtrans.training.monitor import Monitor
from mmtrans.training.objectives import Objective, kept_weights
from mmtrans.training.optimizer import TwoOptimizers, build_optimizer
from mmtrans.training.progress import Progress
from mmtrans.training.replicas import first_replica, replica_seed, replica_share


@dataclass(frozen=True)
class PhaseData:
    """The batches of a phase.

    Attributes:
        train: epoch (from 0), batches to leave out at its beginning → this process' part of the batches of that
            epoch, the same for the same epoch.
        valid: this process' part of the batches of the valid split.
        train_steps: batches of an epoch.
    """

    train: Callable[[int, int], tf.data.Dataset]
    valid: Callable[[], tf.data.Dataset]
    train_steps: int


def make_train_step(
    objective: Objective, optimizer, config: Config, spec, averages: Averages | None = None
) -> Callable:
    """One optimiser step on a global batch, as a graph.

    The gradient of the mean over the *global* batch is summed over replicas, then clipped, then applied, so the
    result does not depend on the number of replicas. Keras' optimisers sum what they are given over replicas
    themselves, hence the division.

    Args:
        objective: model and loss.
        optimizer: built for the model's trainable variables.
        config: clipping and seed.
        spec: element spec of the batches.
        averages: moving averages of the trainable variables, updated after them.

    Returns:
        `batch → (loss, gradient norm before clipping)`, float32 scalars.
    """
    variables = objective.model.trainable_variables
    strategy = tf.distribute.get_strategy()

    def replica_step(batch):
        context = tf.distribute.get_replica_context()
        seed = replica_seed(config.plan.seed, optimizer.iterations)
        batch = replica_share(batch)
        with tf.GradientTape() as tape:
            with random_step(seed):
                terms = objective.terms(batch, training=True)
            counts = context.all_reduce("SUM", [term.count for term in terms])
            loss = sum(
                term.weight * term.total / tf.maximum(count, 1.0) for term, count in zip(terms, counts, strict=True)
            )
        # Gradients of gathered rows (token vectors) come as IndexedSlices, and variables that the loss does not depend
        # on get None. Both are made dense here: UnconnectedGradients.ZERO fails on mirrored variables.
        gradients = [
            tf.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, variable in zip(tape.gradient(loss, variables), variables, strict=True)
        ]
        loss, gradients = context.all_reduce("SUM", [loss, gradients])
        gradients, norm = tf.clip_by_global_norm(gradients, config.optimisation.clip_norm)
        optimizer.apply_gradients(
            (g / strategy.num_replicas_in_sync, v) for g, v in zip(gradients, variables, strict=True)
        )
        return loss, norm

    # Without autograph, whose reading of all the code takes half of the tracing: the loops are TensorFlow's own.
    @tf.function(input_signature=[spec], autograph=False)
    def train_step(batch):
        results = first_replica(strategy.run(replica_step, args=(batch,)))
        if averages is not None:
            averages.update(optimizer.iterations)
        return results

    return train_step


def make_valid_step(objective: Objective, spec) -> Callable:
    """`batch →` name of each loss term → `(3,)` float32, its total, count and weight without dropout, as a graph.

    Totals and counts are those of the global batch, so that all processes come to the same decisions.
    """
    strategy = tf.distribute.get_strategy()

    def replica_step(batch):
        terms = objective.terms(replica_share(batch), training=False)
        context = tf.distribute.get_replica_context()
        sums = context.all_reduce("SUM", [tf.stack([term.total, term.count]) for term in terms])
        names = [term.name or str(number) for number, term in enumerate(terms)]
        rows = [tf.concat([both, [term.weight]], 0) for both, term in zip(sums, terms, strict=True)]
        return dict(zip(names, rows, strict=True))

    @tf.function(input_signature=[spec], autograph=False)
    def valid_step(batch):
        return first_replica(strategy.run(replica_step, args=(batch,)))

    return valid_step


def valid_losses(valid_step: Callable, batches: tf.data.Dataset) -> tuple[float, dict[str, float]]:
    """Mean loss over all items of a split: each term's total over its count, weighted; and each term's by itself."""
    steps = [valid_step(batch) for batch in batches]
    rows = {name: np.stack([step[name].numpy() for step in steps]).astype(np.float64) for name in steps[0]}
    means = {name: float(row[:, 0].sum() / row[:, 1].sum()) for name, row in rows.items()}
    return float(sum(rows[name][0, 2] * mean for name, mean in means.items())), means


def fit(
    objective: Objective,
    data: PhaseData,
    config: Config,
    phase_dir: Path,
    monitor: Monitor,
    devices: Devices | None = None,
    checkpoint_minutes: float = 5.0,
) -> Progress:
    """Trains one phase until its epochs or its patience are used up; resumes from its newest checkpoint.

    Args:
        objective: model and loss.
        data: the batches.
        config: optimisation settings, as of `Config.for_phase`.
        phase_dir: receives `checkpoints/` and `best/weights.npz`.
        monitor: the monitor, told of every batch and epoch.
        devices: the devices that the objective was made for, in whose scope this is called; `None` for one device.
        checkpoint_minutes: time between two checkpoints within an epoch, in minutes.

    Returns:
        the progress at the end.

    Raises:
        FloatingPointError: a loss is not finite; the message names the step.
        KeyboardInterrupt: Ctrl-C or SIGTERM came to one of the processes.
        ValueError: processes that do not find the same checkpoint.
    """
    optimizer = build_optimizer(config, objective.model, data.train_steps)
    devices = devices or Devices()
    averages = Averages(config.optimisation.ema, objective.model.trainable_variables)
    tracked = tf.train.Checkpoint(model=objective.model, optimizer=optimizer, **averages.tracked)
    checkpoints = CheckpointManager(phase_dir, tracked, checkpoint_minutes, devices.is_chief)
    with devices.chief_first():
        progress = checkpoints.restore() or Progress()
    devices.agree("checkpoint", progress.step)
    devices.check_stop()
    monitor.resume(progress.epoch, len(progress.losses))
    spec = data.valid().element_spec
    train_step = make_train_step(objective, optimizer, config, spec, averages)
    valid_step = make_valid_step(objective, spec)

    stops = False
    # One of several processes cannot leave the others alone while they validate; of one nothing waits.
    with devices.stopping_together():
        while progress.epoch < config.optimisation.epochs and not out_of_patience(progress, config.optimisation):
            batches = data.train(progress.epoch, len(progress.losses))
            stops = train_epoch(train_step, batches, progress, monitor, checkpoints, devices)
            if stops:
                break
            speed = monitor.segments_per_second()
            with averages.in_place():
                checked, means = valid_losses(valid_step, data.valid())
                if not math.isfinite(checked):
                    raise not_finite("valid loss", progress.step - 1, checked)
                best = is_to_keep(progress, checked, config.optimisation)
                if best:
                    checkpoints.save_best(kept_weights(objective))
            row = history_row(progress, checked, means, optimizer, speed)
            progress.end_epoch(row, checked, best)
            checkpoints.save(progress)
            with averages.in_place():
                monitor.end_epoch(row, best, progress.history)
    if stops:
        # A signal to this process was raised where the context ended, unless it is within another.
        raise held_back() or Terminated
    monitor.end(progress)
    return progress


def history_row(progress: Progress, checked: float, means: dict[str, float], optimizer, speed: float) -> HistoryRow:
    """The row of history.csv of an epoch that was trained and validated; of several loss terms each has its own, and a
    text encoder that moves its rate."""
    is_split = isinstance(optimizer, TwoOptimizers)
    return {
        "epoch": progress.epoch + 1,
        "loss": float(np.mean(progress.losses)),
        "valid_loss": checked,
        # In Keras 2.15 it is a variable of several replicas, which is no number.
        "learning_rate": float(tf.convert_to_tensor(optimizer.learning_rate)),
        **({"text_learning_rate": float(optimizer.text_learning_rate)} if is_split else {}),
        "gradient_norm": float(np.mean(progress.norms)),
        "segments_per_second": round(speed, 1),
        **({f"valid_{name}": mean for name, mean in means.items()} if len(means) > 1 else {}),
    }


def is_to_keep(progress: Progress, checked: float, optimisation: OptimisationConfig) -> bool:
    """Whether an epoch's weights are to be kept: by its valid loss, or the last where the number of steps is fixed.

    Args:
        progress: the epochs before.
        checked: the epoch's valid loss.
        optimisation: as of `Config.for_phase`.
    """
    if optimisation.fixed_steps:
        return progress.epoch + 1 == optimisation.epochs
    return checked < progress.best_loss


def out_of_patience(progress: Progress, optimisation: OptimisationConfig) -> bool:
    """Whether the last `patience` epochs brought no better valid loss, where that ends a phase."""
    return not optimisation.fixed_steps and progress.epoch - progress.best_epoch >= optimisation.patience


def train_epoch(
    train_step: Callable,
    batches: tf.data.Dataset,
    progress: Progress,
    monitor: Monitor,
    checkpoints: CheckpointManager | None = None,
    devices: Devices | None = None,
) -> bool:
    """Trains on the batches that are left of an epoch.

    A signal to one of several processes stops all of them after the same step: each process of a cluster may get its
    own at another time, and none can go on without the others.

    Args:
        train_step: what `make_train_step` gives.
        batches: the rest of the epoch.
        progress: its `step` is counted up, and its `losses` and `norms` get a float for each batch.
        monitor: the monitor, told of every batch.
        checkpoints: saves the progress when that is due.
        devices: the devices that the step was made for; `None` for one device.

    Returns:
        Whether one of several processes was told to stop; then the progress up to it is saved.

    Raises:
        FloatingPointError: a loss, or the norm of its gradient, is not finite.
        KeyboardInterrupt: Ctrl-C or SIGTERM came to the one process, and the progress up to it is saved.
    """
    monitor.start_epoch()
    results: list[tuple] = []
    devices = devices or Devices()
    with deferred() as is_stopped:
        for batch in batches:
            results.append(train_step(batch))
            monitor.step(int(batch["source_length"].shape[0]) * devices.cluster.num_processes)
            stops = devices.any_stops(is_stopped(), progress.step + len(results))
            if stops:
                break
            if checkpoints is not None and checkpoints.is_due():
                record(results, progress)
                checkpoints.save(progress)
        else:
            stops = devices.any_stops(is_stopped())
        record(results, progress)
        if stops and checkpoints is not None:
            checkpoints.save(progress)
    return stops


def record(results: list[tuple], progress: Progress) -> None:
    """Moves losses and gradient norms into the progress. It waits for the device, hence not after every batch."""
    for loss, norm in results:
        for what, value in (("train loss", float(loss)), ("train gradient norm", float(norm))):
            if not math.isfinite(value):
                raise not_finite(what, progress.step, value)
        progress.losses.append(float(loss))
        progress.norms.append(float(norm))
        progress.step += 1
    results.clear()


def not_finite(what: str, step: int, value: float) -> FloatingPointError:
    """The error that stops a phase; no checkpoint is made of what is broken, so they are always sound."""
    return FloatingPointError(
        f"The {what.split()[-1]} is not finite at step {step}. Expected a number. Received: {what}={value}. "
        f"Lower --learning-rate or --clip-norm, or look at the features with `mmtrans inspect --verify`."
    )
