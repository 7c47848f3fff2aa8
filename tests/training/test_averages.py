"""Moving averages of the weights, against a loop over the weights themselves."""

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.runs.weights import load_weights
from mmtrans.training.averages import Averages
from mmtrans.training.loop import make_train_step, make_valid_step, valid_losses
from mmtrans.training.optimizer import make_optimizer
from tests.training.test_loop import Interrupting, as_batches, figures, make_arrays, make_data, make_objective, run_fit


def by_definition(initial, weights, decay):
    """Averages after the last step, given the initial weights and those after each step."""
    averages = initial
    for t, after in enumerate(weights, 1):
        d = min(decay, (1 + t) / (10 + t))
        averages = [d * average + (1 - d) * weight for average, weight in zip(averages, after, strict=True)]
    return averages


@pytest.mark.parametrize("decay", [0.25, 0.9])  # the warm-up ends before the last step, and after it
def test_they_are_what_the_definition_says(tiny, decay):
    config, objective = tiny(learning_rate=0.05), make_objective()
    optimizer = make_optimizer(config.optimisation, 3)
    optimizer.build(objective.model.trainable_variables)
    averages = Averages(decay, objective.model.trainable_variables)
    batches = as_batches(make_arrays(4, 1))
    train_step = make_train_step(objective, optimizer, config, batches.element_spec, averages)
    initial, weights = objective.model.get_weights(), []
    for _ in range(6):
        train_step(next(iter(batches)))
        weights.append(objective.model.get_weights())
    expected = by_definition(initial, weights, decay)
    with averages.in_place():
        for received, values in zip(objective.model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(received, values, rtol=1e-5, atol=1e-7)
    for received, values in zip(objective.model.get_weights(), weights[-1], strict=True):
        np.testing.assert_array_equal(received, values)


def test_none_is_nothing(tiny):
    averages = Averages(0.0, make_objective().model.trainable_variables)
    assert (averages.tracked, averages.averages) == ({}, [])
    averages.update(tf.constant(1))


def test_the_best_weights_are_averages_and_training_goes_on_without_them(tiny, tmp_path):
    plain, averaged = (tiny(epochs=3, learning_rate=0.05, ema=ema) for ema in (0.0, 0.9))
    left, _ = run_fit(tmp_path / "plain", plain, make_data())
    right, progress = run_fit(tmp_path / "ema", averaged, make_data())
    for expected, received in zip(left.model.get_weights(), right.model.get_weights(), strict=True):
        np.testing.assert_array_equal(received, expected)
    best = make_objective(seed=9)
    load_weights(tmp_path / "ema" / "best" / "weights.npz", "model", best.model)
    assert any((a != b).any() for a, b in zip(best.model.get_weights(), right.model.get_weights(), strict=True))
    batches = make_data().valid()
    checked = valid_losses(make_valid_step(best, batches.element_spec), batches)[0]
    assert checked == pytest.approx(progress.best_loss, rel=1e-6)


@pytest.mark.parametrize("at", [5, 8])  # within the second epoch, and the third
def test_a_resumed_phase_has_the_same_averages(tiny, tmp_path, at):
    config = tiny(epochs=3, learning_rate=0.05, ema=0.9)
    _, expected = run_fit(tmp_path / "whole", config, make_data())
    with pytest.raises(KeyboardInterrupt):
        run_fit(tmp_path / "cut", config, make_data(), monitor=Interrupting, at=at, minutes=0.0)
    _, received = run_fit(tmp_path / "cut", config, make_data(), objective=make_objective(seed=5))
    assert figures(received) == figures(expected)
    with (
        np.load(tmp_path / "whole" / "best" / "weights.npz") as left,
        np.load(tmp_path / "cut" / "best" / "weights.npz") as right,
    ):
        for name in left.files:
            np.testing.assert_array_equal(right[name], left[name])


def test_what_does_not_move_is_not_averaged():
    model = make_objective().model
    model.get_layer("encoder").trainable = False
    assert len(Averages(0.9, model.trainable_variables).averages) == 2
