import json
import math
import os
import signal
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.models.losses import Term
from mmtrans.runs.weights import load_weights
from mmtrans.system.interrupts import Terminated, handled
from mmtrans.training.loop import (
    PhaseData,
    fit,
    make_train_step,
    make_valid_step,
    out_of_patience,
    valid_losses,
)
from mmtrans.training.monitor import Monitor
from mmtrans.training.optimizer import HalvingSchedule, make_optimizer
from mmtrans.training.progress import Progress


@dataclass(frozen=True)
class Linear:
    """Squared error of a linear model, and absolute error of half its segments: as small as an objective can be."""

    model: keras.Model
    extra: float = 0.0

    @property
    def representation(self):
        return self.model.get_layer("encoder")

    def terms(self, batch, training):
        error = self.model(batch["source"], training=training) - batch["label"]
        half = tf.abs(error[::2])
        terms = [Term(tf.reduce_sum(tf.square(error)), tf.cast(tf.size(error), tf.float32))]
        return terms + [Term(tf.reduce_sum(half), tf.cast(tf.size(half), tf.float32), self.extra)] * bool(self.extra)


def make_objective(seed=0, extra=0.0):
    keras.utils.set_random_seed(seed)
    source = keras.Input((None, 3), name="source")
    hidden = keras.layers.Dense(2, name="encoder")(source)
    score = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(hidden))
    return Linear(keras.Model(source, keras.layers.Reshape(())(score)), extra)


def make_arrays(number, seed, slope=1.0):
    source = np.random.default_rng(seed).normal(size=(number, 5, 3)).astype(np.float32)
    return {
        "source": source,
        "source_length": np.full(number, 5, np.int32),
        "label": (slope * source.mean((1, 2))).astype(np.float32),
    }


def as_batches(arrays, size=4):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def make_data(valid_slope=1.0, broken_epoch=None):
    train, valid = make_arrays(10, 1), make_arrays(6, 2, valid_slope)

    def epoch(number, skip=0):
        order = np.random.default_rng(number).permutation(10)
        arrays = {name: values[order] for name, values in train.items()}
        if number == broken_epoch:
            arrays["label"] = np.where(np.arange(10) == 5, np.nan, arrays["label"])
        return as_batches(arrays).skip(skip)

    return PhaseData(train=epoch, valid=lambda: as_batches(valid), train_steps=3)


class Interrupting(Monitor):
    """Ctrl-C at the n-th batch."""

    def __init__(self, *arguments, at, **options):
        super().__init__(*arguments, **options)
        self.left = at

    def step(self, segments):
        super().step(segments)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class Stopped(Interrupting):
    """SIGTERM at the n-th batch."""

    def step(self, segments):
        try:
            super().step(segments)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGTERM)


def run_fit(directory, config, data, monitor=Monitor, objective=None, minutes=5.0, **options):
    objective = objective or make_objective()
    with monitor("phase", config.optimisation.epochs, 3, directory / "logs", quiet=True, **options) as watched:
        return objective, fit(objective, data, config, directory, watched, checkpoint_minutes=minutes)


def figures(progress):
    """The history without the clock."""
    return [{k: v for k, v in row.items() if k != "segments_per_second"} for row in progress.history]


@pytest.mark.parametrize(("warmup", "halving"), [(0, 10.0), (4, 10.0), (1, math.inf), (4, math.inf)])
def test_schedule_values(warmup, halving):
    schedule = HalvingSchedule(0.02, warmup, halving)
    for step in (0, 1, 3, 4, 10, 25):
        expected = 0.02 * (min(1, (step + 1) / warmup) if warmup else 1) * 0.5 ** (step / halving)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-6)


def test_schedule_round_trips_through_its_config():
    copy = HalvingSchedule.from_config(HalvingSchedule(0.02, 4, 10.0).get_config())
    assert float(copy(25)) == float(HalvingSchedule(0.02, 4, 10.0)(25))


def test_optimizer_follows_the_configuration(tiny):
    halving = make_optimizer(tiny(learning_rate=0.1, decay_epochs=2.0).optimisation, train_steps=5)
    constant = make_optimizer(tiny(learning_rate=0.1, schedule="constant").optimisation, train_steps=5)
    for optimizer, after_ten_steps in ((halving, 0.05), (constant, 0.1)):
        variable = tf.Variable(1.0) if keras.__version__ < "3" else keras.Variable(1.0)
        optimizer.build([variable])
        assert float(optimizer.learning_rate) == pytest.approx(0.1)
        for _ in range(11):
            optimizer.apply_gradients([(tf.constant(1.0), variable)])
        # Keras 2.15 shows the rate of the last step, Keras 3 that of the next.
        assert float(optimizer.learning_rate) == pytest.approx(after_ten_steps, rel=0.07)


@pytest.mark.parametrize(("clip_norm", "extra"), [(0.01, 0.0), (1e6, 0.0), (1e6, 0.25)])
def test_a_step_follows_the_clipped_gradient_of_the_weighted_means(tiny, clip_norm, extra):
    objective = make_objective(extra=extra)
    arrays = make_arrays(7, 3, slope=4.0)
    before = [variable.numpy() for variable in objective.model.trainable_variables]
    with tf.GradientTape() as tape:
        error = objective.model(arrays["source"]) - arrays["label"]
        loss = tf.reduce_mean(tf.square(error)) + extra * tf.reduce_mean(tf.abs(error[::2]))
    gradients = [g.numpy() for g in tape.gradient(loss, objective.model.trainable_variables)]
    norm = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients))
    assert norm > 0.01

    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(objective.model.trainable_variables)
    batches = as_batches(arrays, 7)
    step = make_train_step(objective, optimizer, tiny(clip_norm=clip_norm), batches.element_spec)
    stepped_loss, stepped_norm = step(next(iter(batches)))

    assert float(stepped_loss) == pytest.approx(float(loss), rel=1e-5)
    assert float(stepped_norm) == pytest.approx(norm, rel=1e-5)
    for old, variable, gradient in zip(before, objective.model.trainable_variables, gradients, strict=True):
        expected = old - 0.5 * gradient * min(1.0, clip_norm / norm)
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_valid_loss_is_the_mean_over_items_however_they_are_batched():
    objective = make_objective(extra=0.25)
    arrays = make_arrays(7, 3)
    error = objective.model(arrays["source"]).numpy() - arrays["label"]
    expected = np.mean(np.square(error)) + 0.25 * np.mean(np.abs(error[::2]))
    for size in (2, 4, 8):  # even, so that every second of a batch is every second of all
        batches = as_batches(arrays, size)
        assert valid_losses(make_valid_step(objective, batches.element_spec), batches)[0] == pytest.approx(
            expected, rel=1e-5
        )


def test_fit_learns_and_writes_its_history(tiny, tmp_path):
    config = tiny(epochs=15, patience=15, learning_rate=0.05)
    _, progress = run_fit(tmp_path, config, make_data())
    rows = progress.history
    assert [row["epoch"] for row in rows] == list(range(1, 16))
    assert rows[-1]["valid_loss"] < 0.4 * rows[0]["valid_loss"]
    assert rows[0]["learning_rate"] == pytest.approx(0.05 * 0.5 ** (3 / 30), rel=0.03)
    assert (progress.epoch, progress.step) == (15, 45)


def test_training_stops_when_patience_is_used_up_and_keeps_the_best(tiny, tmp_path):
    config = tiny(epochs=200, patience=3, learning_rate=0.05)
    objective, progress = run_fit(tmp_path, config, make_data(valid_slope=-1.0))
    losses = [row["valid_loss"] for row in progress.history]
    assert progress.epoch < 200
    assert progress.epoch == progress.best_epoch + 3 == len(losses)
    assert progress.best_loss == min(losses) == losses[progress.best_epoch - 1]
    assert losses[-1] > min(losses)

    best = make_objective(seed=9)
    load_weights(tmp_path / "best" / "weights.npz", "model", best.model)
    batches = make_data(valid_slope=-1.0).valid()
    assert valid_losses(make_valid_step(best, batches.element_spec), batches)[0] == pytest.approx(min(losses), rel=1e-6)
    representation = keras.Sequential([keras.layers.Dense(2)])
    representation.build((None, 3))
    load_weights(tmp_path / "best" / "weights.npz", "representation", representation)
    np.testing.assert_array_equal(representation.get_weights()[0], best.model.get_layer("encoder").get_weights()[0])

    # A finished phase trains no further when it is asked again.
    assert run_fit(tmp_path, config, make_data(valid_slope=-1.0), objective=objective)[1] == progress


def test_a_fixed_number_of_steps_keeps_the_last_weights(tiny, tmp_path):
    # The valid loss rises at last: by patience an earlier epoch would be kept.
    config = tiny(epochs=2, patience=1, learning_rate=0.05, fixed_steps=89).for_phase(True, train_steps=3)
    objective, progress = run_fit(tmp_path, config, make_data(valid_slope=-1.0))
    losses = [row["valid_loss"] for row in progress.history]
    assert (progress.epoch, progress.step, progress.best_epoch) == (30, 90, 30)
    assert progress.best_loss == losses[-1] > min(losses)
    kept = make_objective(seed=9)
    load_weights(tmp_path / "best" / "weights.npz", "model", kept.model)
    for expected, weights in zip(objective.model.get_weights(), kept.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)
    with pytest.raises(KeyboardInterrupt):
        run_fit(tmp_path / "again", config, make_data(valid_slope=-1.0), monitor=Interrupting, at=8)
    resumed = run_fit(tmp_path / "again", config, make_data(valid_slope=-1.0), objective=make_objective(seed=5))
    assert figures(resumed[1]) == figures(progress)


@pytest.mark.parametrize(
    ("epoch", "best_epoch", "expected"), [(0, 0, False), (2, 0, False), (3, 0, True), (5, 3, False), (6, 3, True)]
)
def test_out_of_patience(tiny, epoch, best_epoch, expected):
    assert out_of_patience(Progress(epoch=epoch, best_epoch=best_epoch), tiny(patience=3).optimisation) is expected


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory):
    objective, progress = run_fit(tmp_path_factory.mktemp("phase"), tiny(epochs=4, learning_rate=0.05), make_data())
    return objective.model.get_weights(), figures(progress)


@pytest.mark.parametrize(("at", "minutes", "left"), [(1, 5.0, 12), (8, 5.0, 6), (8, 0.0, 5), (7, 0.0, 6)])
def test_a_resumed_phase_equals_an_undisturbed_one(tiny, tmp_path, undisturbed, at, minutes, left):
    config, data = tiny(epochs=4, learning_rate=0.05), make_data()
    with pytest.raises(KeyboardInterrupt):
        run_fit(tmp_path, config, data, monitor=Interrupting, at=at, minutes=minutes)
    with pytest.raises(KeyboardInterrupt):
        # As many batches are left as expected, no more.
        run_fit(tmp_path, config, data, monitor=Interrupting, at=left)
    resumed, progress = run_fit(tmp_path, config, make_data(), objective=make_objective(seed=0 if at == 1 else 5))
    assert figures(progress) == undisturbed[1]
    for expected, weights in zip(undisturbed[0], resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_sigterm_loses_nothing_of_what_was_trained(tiny, tmp_path, undisturbed):
    config, data = tiny(epochs=4, learning_rate=0.05), make_data()
    with pytest.raises(Terminated), handled():
        run_fit(tmp_path, config, data, monitor=Stopped, at=8)
    with pytest.raises(KeyboardInterrupt):
        # Of 12 batches 4 are left.
        run_fit(tmp_path, config, data, monitor=Interrupting, at=4)
    resumed, progress = run_fit(tmp_path, config, make_data(), objective=make_objective(seed=5))
    assert figures(progress) == undisturbed[1]
    for expected, weights in zip(undisturbed[0], resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_a_loss_that_is_not_finite_stops_at_its_step(tiny, tmp_path):
    with pytest.raises(FloatingPointError, match=r"not finite at step 4\..*train loss=nan.*--learning-rate"):
        run_fit(tmp_path, tiny(epochs=3), make_data(broken_epoch=1))
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    assert json.loads((checkpoint / "progress.json").read_text())["epoch"] == 1


def test_a_valid_loss_that_is_not_finite_stops_too(tiny, tmp_path):
    with pytest.raises(FloatingPointError, match=r"not finite at step 2\..*valid loss=inf"):
        run_fit(tmp_path, tiny(epochs=3), make_data(valid_slope=1e30))
    assert not (tmp_path / "checkpoints").exists()
