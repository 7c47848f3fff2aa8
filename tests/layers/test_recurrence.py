"""Gradients written out, held against what automatic differentiation makes of the plain definition."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers import encoder
from mmtrans.layers.attention_recurrence import Attended, attention_lstm_sequence
from mmtrans.layers.crossmodal import normalized
from mmtrans.layers.decoder import AttentionDecoder
from mmtrans.layers.encoder import Encoder, keras_outputs, lstm_outputs
from mmtrans.layers.recurrence import lstm_sequence, turned

STEPS, BATCH, UNITS, SOURCE_STEPS, MEMORY_DIM, ATTENTION_UNITS = 4, 3, 5, 6, 7, 8


def normal(rng, *shape):
    return tf.constant(rng.normal(size=shape))


def plain_cell(gates, cell):
    i, f, candidate, o = (gates[..., n * UNITS : (n + 1) * UNITS] for n in range(4))
    cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(candidate)
    return tf.sigmoid(o) * tf.tanh(cell), cell


def plain_lstm(gates, kernel):
    outputs = []
    output = cell = tf.zeros([BATCH, UNITS], tf.float64)
    for gate in tf.unstack(gates):
        output, cell = plain_cell(gate + output @ kernel, cell)
        outputs.append(output)
    return tf.stack(outputs)


def plain_attention_lstm(inputs, use_own_output=None):
    gates, output, cell, values, keys, row_bias, step_bias, kernel, query_kernel, score_kernel = inputs
    context = tf.zeros([BATCH, MEMORY_DIM], tf.float64)
    outputs, weights = [], []
    for t in range(STEPS):
        before = tf.concat([output, context], -1)
        gate = gates[t] + before @ kernel[:, : 4 * UNITS]
        if use_own_output is not None:
            gate = tf.where(use_own_output[t], gate + before @ kernel[:, 4 * UNITS :], gate)
        output, cell = plain_cell(gate, cell)
        energy = tf.tanh(keys + (output @ query_kernel)[:, None, :])
        scores = tf.reduce_sum(energy * score_kernel, -1) + row_bias + step_bias[t]
        weight = tf.exp(scores) / tf.reduce_sum(tf.exp(scores), -1, keepdims=True)
        context = tf.reduce_sum(weight[:, :, None] * values, 1)
        outputs.append(tf.concat([output, context], -1))
        weights.append(weight)
    return tf.stack(outputs), tf.stack(weights)


def plain_normalized(rows, gamma, beta):
    mean = tf.reduce_mean(rows, -1, keepdims=True)
    variance = tf.reduce_mean((rows - mean) ** 2, -1, keepdims=True)
    return (rows - mean) / tf.sqrt(variance + 1e-5) * gamma + beta


def value_and_gradients(function, arguments, upstream):
    """Results and the gradients of their products with `upstream`, by every argument."""
    flat = tf.nest.flatten(arguments)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        results = tf.nest.flatten(function(*tf.nest.pack_sequence_as(arguments, flat)))
        total = tf.add_n([tf.reduce_sum(r * u) for r, u in zip(results, upstream, strict=True)])
    return results, tape.gradient(total, flat)


def check(function, plain, arguments, upstream):
    expected_results, expected_gradients = value_and_gradients(plain, arguments, upstream)
    for run in (function, tf.function(function)):
        results, gradients = value_and_gradients(run, arguments, upstream)
        for ours, expected in zip([*results, *gradients], [*expected_results, *expected_gradients], strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.smoke
@pytest.mark.parametrize("seed", range(3))
def test_lstm_sequence(seed):
    rng = np.random.default_rng(seed)
    arguments = [normal(rng, STEPS, BATCH, 4 * UNITS), normal(rng, UNITS, 4 * UNITS)]
    check(lstm_sequence, plain_lstm, arguments, [normal(rng, STEPS, BATCH, UNITS)])


@pytest.mark.smoke
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("fed_back", [False, True])
def test_attention_lstm_sequence(seed, fed_back):
    rng = np.random.default_rng(seed)
    use_own_output = tf.constant(rng.random((STEPS, BATCH, 1)) < 0.5) if fed_back else None
    inputs = Attended(
        gates=normal(rng, STEPS, BATCH, 4 * UNITS),
        first_output=normal(rng, BATCH, UNITS),
        first_cell=normal(rng, BATCH, UNITS),
        values=normal(rng, BATCH, SOURCE_STEPS, MEMORY_DIM),
        keys=normal(rng, BATCH, SOURCE_STEPS, ATTENTION_UNITS),
        row_bias=normal(rng, BATCH, SOURCE_STEPS),
        step_bias=normal(rng, STEPS, SOURCE_STEPS),
        kernel=normal(rng, UNITS + MEMORY_DIM, (8 if fed_back else 4) * UNITS),
        query_kernel=normal(rng, UNITS, ATTENTION_UNITS),
        score_kernel=normal(rng, ATTENTION_UNITS),
    )
    upstream = [normal(rng, STEPS, BATCH, UNITS + MEMORY_DIM), normal(rng, STEPS, BATCH, SOURCE_STEPS)]
    ours, plain = (
        partial(function, use_own_output=use_own_output) for function in (attention_lstm_sequence, plain_attention_lstm)
    )
    check(ours, plain, [inputs], upstream)


@pytest.mark.smoke
def test_normalized_rows():
    rng = np.random.default_rng(0)
    arguments = [normal(rng, BATCH, UNITS), normal(rng, UNITS), normal(rng, UNITS)]
    check(partial(normalized, epsilon=1e-5), plain_normalized, arguments, [normal(rng, BATCH, UNITS)])


def gradients_of(function, variables, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        results = function()
        total = tf.add_n([tf.reduce_sum(tf.sin(3 * result)) for result in results])
    return [*results, *map(tf.convert_to_tensor, tape.gradient(total, [*variables, *inputs]))]


@pytest.mark.parametrize(("max_distance", "target_length"), [(0, None), (2, None), (2, [2, 5, 4])])
def test_the_decoders_two_loops_agree(max_distance, target_length):
    rng = np.random.default_rng(0)
    decoder = AttentionDecoder(UNITS, "lstm", ATTENTION_UNITS, max_distance)
    shapes = [(BATCH, STEPS, 2), (BATCH, SOURCE_STEPS, MEMORY_DIM), (BATCH, UNITS), (BATCH, UNITS)]
    inputs = [tf.cast(normal(rng, *shape), tf.float32) for shape in shapes]
    decoder.build(shapes)
    mask = tf.sequence_mask([6, 1, 3], SOURCE_STEPS)
    lengths = {} if target_length is None else {"target_length": tf.constant(target_length)}
    fused = gradients_of(lambda: decoder(inputs, memory_mask=mask, **lengths), decoder.trainable_variables, inputs)
    decoder._fused_loop = decoder._loop
    stepwise = gradients_of(lambda: decoder(inputs, memory_mask=mask, **lengths), decoder.trainable_variables, inputs)
    for ours, expected in zip(fused, stepwise, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(("bidirectional", "wide"), [(False, 1024), (True, 1024), (False, 2), (True, 2)])
def test_lstm_outputs_are_those_of_keras(bidirectional, wide, monkeypatch):
    monkeypatch.setattr(encoder, "WIDE", wide)
    rng = np.random.default_rng(1)
    (layer,) = Encoder(UNITS, bidirectional=bidirectional).recurrent
    layer.build((None, None, 2))
    inputs = tf.cast(normal(rng, BATCH, SOURCE_STEPS, 2), tf.float32)
    mask = tf.sequence_mask([6, 1, 3], SOURCE_STEPS)
    ours, keras = (
        gradients_of(lambda read=read: read(layer, inputs, mask), layer.trainable_variables, [inputs])
        for read in (lstm_outputs, keras_outputs)
    )
    for value, expected in zip(ours, keras, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=2e-6)


def test_a_turned_sequence_is_reversed_within_its_length():
    sequences = np.arange(3 * 4 * 2, dtype=np.float32).reshape(3, 4, 2)
    length = np.array([0, 1, 2, 3], np.int32)
    expected = sequences.copy()
    for row, steps in enumerate(length):
        expected[:steps, row] = sequences[:steps, row][::-1]
    weight = tf.random.stateless_normal(sequences.shape, (1, 2))
    with tf.GradientTape() as tape:
        given = tf.constant(sequences)
        tape.watch(given)
        found = turned(given, length)
        total = tf.reduce_sum(weight * found)
    np.testing.assert_array_equal(found, expected)
    # A number's gradient is the weight of the place that it went to.
    np.testing.assert_array_equal(tape.gradient(total, given), turned(weight, length))


def test_padding_of_wide_inputs_is_not_multiplied():
    (layer,) = Encoder(UNITS).recurrent
    layer.build((None, None, encoder.WIDE))
    inputs = tf.random.stateless_normal([2, 3, encoder.WIDE], (1, 2)) * 0.1
    mask = tf.sequence_mask([3, 1], 3)
    with tf.GradientTape() as tape:
        memory, final_state = lstm_outputs(layer, tf.where(mask[:, :, None], inputs, np.nan), mask)
        total = tf.reduce_sum(memory)
    for found, expected in zip((memory, final_state), keras_outputs(layer, inputs, mask), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(total, layer.trainable_variables))


@pytest.mark.parametrize("wide", [1024, 2])
def test_a_sequence_without_steps_has_a_zero_state(wide, monkeypatch):
    monkeypatch.setattr(encoder, "WIDE", wide)
    (layer,) = Encoder(UNITS).recurrent
    layer.build((None, None, 2))
    memory, final_state = lstm_outputs(layer, tf.ones([1, 3, 2]), tf.zeros([1, 3], tf.bool))
    np.testing.assert_array_equal(memory, 0.0)
    np.testing.assert_array_equal(final_state, 0.0)
