"""Fusion models of modalities that have steps of their own."""

from dataclasses import replace

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.models.regressor import build_regressor
from mmtrans.recipe import OWN_STEPS, parse
from tests.models.test_regressor import DIMS, STATISTICS, make_inputs, make_regressor
from tests.models.test_rivals import SIZES, lively

UNALIGNED = replace(STATISTICS, unaligned=frozenset({"audio", "video"}))

#: Steps of text, audio and video in each row.
LENGTHS = np.array([[2, 5, 3], [5, 1, 4], [3, 4, 5]], np.int32)
STEPS = LENGTHS.max()
METHODS = sorted(OWN_STEPS)
BLOCKS = dict(zip(DIMS, np.split(np.arange(sum(DIMS.values())), np.cumsum(list(DIMS.values()))[:-1]), strict=True))


def make_apart(method, **fields):
    """A model of unaligned modalities with the weights of `make_regressor`, and that of aligned ones."""
    sizes = {**SIZES, "fusion_units": 6, **fields}
    aligned = lively(make_regressor(f"{method}(T,A,V)", **sizes))
    config = Config(regressor_units=4, **sizes)
    apart = build_regressor(parse(f"{method}(T,A,V)"), config, UNALIGNED)
    apart.set_weights(aligned.get_weights())
    return apart, aligned


def inputs_of(method, lengths=LENGTHS, filling=0.0, steps=STEPS):
    """What a model reads, with this filling beyond the length of each modality."""
    inputs = make_inputs(f"{method}(T,A,V)")
    rng = np.random.default_rng(5)
    source = rng.normal(size=(len(lengths), STEPS, sum(DIMS.values()))).astype(np.float32)
    source = np.pad(source, [(0, 0), (0, steps - STEPS), (0, 0)])
    for row in range(len(lengths)):
        for (_, columns), length in zip(BLOCKS.items(), lengths[row], strict=True):
            source[row, length:, columns] = filling
    return {**inputs, "source": source, "source_length": lengths}


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_beyond_a_modality_s_own_steps_is_not_read(method):
    model, _ = make_apart(method)
    expected = model(inputs_of(method))["score"].numpy()
    assert np.abs(np.diff(expected)).min() > 1e-5
    filled = inputs_of(method, filling=np.nan, steps=STEPS + 2)
    order = [1, 2, 0]
    found = model({name: values[order] for name, values in filled.items()})["score"]
    np.testing.assert_allclose(found, expected[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_each_modality_is_read_up_to_its_own_last_step(method):
    model, _ = make_apart(method)
    inputs = inputs_of(method)
    before = model(inputs)["score"].numpy()
    for place, columns in enumerate(BLOCKS.values()):
        moved = inputs["source"].copy()
        for row, length in enumerate(LENGTHS[:, place]):
            moved[row, length - 1, columns] += 9 * np.random.default_rng(place).normal(size=len(columns))
        after = model({**inputs, "source": moved})["score"].numpy()
        assert (np.abs(after - before) > 1e-6).all(), list(BLOCKS)[place]


@pytest.mark.parametrize("method", METHODS)
def test_modalities_of_the_same_steps_give_what_aligned_ones_give(method):
    model, aligned = make_apart(method)
    length = np.array([2, 5, 3], np.int32)
    inputs = inputs_of(method, np.repeat(length[:, None], 3, 1))
    expected = aligned({**inputs, "source_length": length})
    found = model(inputs)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


def test_attention_over_steps_is_over_those_of_the_longest():
    model, _ = make_apart("late")
    weights = model(inputs_of("late"))["attention_weights"].numpy()
    longest = LENGTHS.max(1)
    np.testing.assert_allclose(weights, (np.arange(STEPS) < longest[:, None]) / longest[:, None], rtol=1e-6)


@pytest.mark.parametrize("recipe", ["mfn(T,A,V)", "mult(A)", "T"])
def test_models_that_need_no_steps_apart_read_one_length(recipe):
    model = build_regressor(parse(recipe), Config(regressor_units=4, **SIZES), UNALIGNED)
    assert model.input["source_length"].shape[1:] == ()
