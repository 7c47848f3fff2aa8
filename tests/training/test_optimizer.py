"""The two groups of variables, and the rates of each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.wide import WIDE
from mmtrans.models.pieces import find_text_encoder
from mmtrans.models.regressor import build_regressor
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse
from mmtrans.training import optimizer
from mmtrans.training.optimizer import (
    FusedAdamW,
    RampSchedule,
    TwoOptimizers,
    WideAdam,
    build_optimizer,
    make_optimizer,
)
from mmtrans.words.columns import PieceColumns
from mmtrans.words.settings import EncoderSettings

SIZES = {"width": 4, "num_layers": 2, "num_heads": 2, "inner": 6, "places": 8, "first_place": 0, "vocabulary": 9}
SETTINGS = EncoderSettings(family="bert", activation="gelu", epsilon=1e-12, num_types=2, **SIZES)


def make_model(**fields):
    config = Config(recipe="T", regressor_units=3, **fields)
    text = Statistics({"text": np.zeros(3)}, {"text": np.ones(3)}, pieces=PieceColumns(2, 7, 8, SETTINGS))
    return config, build_regressor(parse("T"), config, text)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (12, 0.5), (19, 0.0625), (20, 0.0), (21, 0.0), (1000, 0.0)],
)
def test_the_rate_rises_falls_and_stays_at_nothing(step, rate):
    assert float(RampSchedule(2.0, 20, 0.2)(step)) == pytest.approx(2.0 * rate)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_rate_that_only_falls_or_only_rises(warmup):
    rates = [float(RampSchedule(1.0, 4, warmup)(step)) for step in range(6)]
    assert max(rates) == 1.0
    assert rates[4:] == [0.0, 0.0]
    assert rates.index(1.0) == (0 if warmup == 0.0 else 3)


def test_without_layers_that_move_there_is_one_adam():
    config, model = make_model()
    assert type(build_optimizer(config, model, 3)) is WideAdam


def test_each_group_steps_by_its_own_rule():
    options = {"text_learning_rate": 0.01, "text_warmup": 0.5, "text_weight_decay": 0.25, "learning_rate": 0.125}
    config, model = make_model(tune_text_encoder="all", text_epochs=2.0, **options)
    optimizer = build_optimizer(config, model, 3)
    assert isinstance(optimizer, TwoOptimizers)
    encoder, before = find_text_encoder(model), [np.array(v) for v in model.trainable_variables]
    text = {id(v): v for v in encoder.model.trainable_variables}
    variables = model.trainable_variables
    gradients = [
        tf.constant(np.random.default_rng(i).normal(size=v.shape), tf.float32) for i, v in enumerate(variables)
    ]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))

    kernels = {id(layer.kernel) for block in encoder.blocks for layer in dense_of(block)}
    for old, gradient, variable in zip(before, gradients, variables, strict=True):
        if id(variable) not in text:
            continue
        # The first of three steps of warm-up; Adam's first step is the rate times the sign of the gradient.
        rate = 0.01 / 3
        expected = old * (1 - 0.25 * rate if id(variable) in kernels else 1) - rate * np.sign(gradient)
        np.testing.assert_allclose(np.array(variable), expected, atol=1e-5)

    # The others as Adam alone would have them, bit for bit.
    others = [i for i, v in enumerate(variables) if id(v) not in text]
    alone = [tf.Variable(before[i]) for i in others]
    adam = make_optimizer(config.optimisation, 3)
    adam.apply_gradients([(gradients[i], v) for i, v in zip(others, alone, strict=True)])
    for i, variable in zip(others, alone, strict=True):
        np.testing.assert_array_equal(np.array(variables[i]), variable.numpy())
    assert int(optimizer.iterations) == 1


def test_the_fused_step_is_that_of_keras():
    start = np.float32([[0.5, -2.0, 0.0], [1.0, 3.0, -1.0]])

    def moved(kind):
        variables = [keras.Variable(start) if hasattr(keras, "Variable") else tf.Variable(start) for _ in range(2)]
        optimizer = kind(RampSchedule(0.01, 20, 0.5), weight_decay=0.25)
        optimizer.exclude_from_weight_decay(variables[1:])
        optimizer.build(variables)
        step = tf.function(lambda given: optimizer.apply_gradients(zip(given, variables, strict=True)))
        rng = np.random.default_rng(1)
        for _ in range(5):
            step([tf.constant(rng.normal(size=start.shape), tf.float32) for _ in variables])
        assert int(optimizer.iterations) == 5
        return [np.array(variable) for variable in variables]

    decayed, other = moved(FusedAdamW)
    assert np.abs(decayed - other).max() > 1e-3
    np.testing.assert_allclose([decayed, other], moved(keras.optimizers.AdamW), rtol=1e-5, atol=1e-7)


def moved_by(kind, starts):
    """What variables are after five steps of an optimiser."""
    variables = [keras.Variable(start) if hasattr(keras, "Variable") else tf.Variable(start) for start in starts]
    adam = kind(RampSchedule(0.01, 20, 0.5))
    adam.build(variables)
    step = tf.function(lambda given: adam.apply_gradients(zip(given, variables, strict=True)))
    rng = np.random.default_rng(1)
    for _ in range(5):
        step([tf.constant(rng.normal(size=start.shape), tf.float32) for start in starts])
    return [np.array(variable) for variable in variables]


def test_kernels_of_wide_inputs_are_moved_as_kerass_own_and_others_bit_for_bit():
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(np.float32) for shape in ((WIDE, 2), (WIDE - 1, 2), (WIDE,))]
    ours, theirs = moved_by(WideAdam, starts), moved_by(keras.optimizers.Adam, starts)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-6)
    assert np.abs(ours[0] - starts[0]).min() > 0
    for value, expected in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_array_equal(value, expected)


def test_many_variables_are_moved_as_kerass_own(monkeypatch):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,))]
    theirs = moved_by(keras.optimizers.Adam, starts)
    monkeypatch.setattr(optimizer, "MANY", 2)
    calls = []
    monkeypatch.setattr(optimizer, "_move", lambda *given, move=optimizer._move: calls.append(move(*given)))
    ours = moved_by(WideAdam, starts)
    assert len(calls) >= 2
    for value, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def dense_of(block):
    return (block.query, block.key, block.value, block.attended, block.expand, block.contract)
