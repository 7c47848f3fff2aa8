import itertools

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.dropout import random_step
from mmtrans.layers.encoder import Bridge, Encoder

BATCH, STEPS, DIM, UNITS = 3, 5, 2, 4
LENGTH = np.array([5, 3, 1])
MASK = np.arange(STEPS) < LENGTH[:, None]
X = np.random.default_rng(0).normal(size=(BATCH, STEPS, DIM)).astype(np.float32)
OPTIONS = list(itertools.product(["lstm", "gru"], [False, True], [1, 2]))


def make_encoder(cell, bidirectional, num_layers, dropout=0.0):
    """An encoder with random weights, biases included."""
    encoder = Encoder(UNITS, cell, num_layers, bidirectional, dropout, name="encoder")
    encoder.build((None, None, DIM))
    rng = np.random.default_rng(1)
    encoder.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.6 for w in encoder.get_weights()])
    return encoder


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run_cell(cell, kind, sequence):
    """Outputs of one cell over one unpadded sequence, step by step."""
    W, U, b = np.array(cell.kernel), np.array(cell.recurrent_kernel), np.array(cell.bias)
    h, c, outputs = np.zeros(UNITS), np.zeros(UNITS), []
    for x in sequence:
        if kind == "lstm":
            i, f, g, o = np.split(x @ W + h @ U + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            xz, xr, xh = np.split(x @ W + b[0], 3)
            hz, hr, hh = np.split(h @ U + b[1], 3)
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            h = z * h + (1 - z) * np.tanh(xh + r * hh)
        outputs.append(h)
    return np.array(outputs)


def oracle(encoder, x, length):
    """Memory and final state, each row alone and without padding."""
    memory = np.zeros((len(x), x.shape[1], encoder.memory_dim))
    final_state = np.zeros((len(x), encoder.memory_dim))
    for b in range(len(x)):
        sequence = x[b, : length[b]]
        for layer in encoder.recurrent:
            if encoder.bidirectional:
                forward = run_cell(layer.forward_layer.cell, encoder.cell, sequence)
                backward = run_cell(layer.backward_layer.cell, encoder.cell, sequence[::-1])[::-1]
                sequence, last = np.concatenate([forward, backward], -1), np.concatenate([forward[-1], backward[0]])
            else:
                sequence = run_cell(layer.cell, encoder.cell, sequence)
                last = sequence[-1]
        memory[b, : length[b]], final_state[b] = sequence, last
    return memory, final_state


@pytest.mark.parametrize(("cell", "bidirectional", "num_layers"), OPTIONS)
def test_oracle(cell, bidirectional, num_layers):
    encoder = make_encoder(cell, bidirectional, num_layers)
    memory, final_state = encoder(X, source_mask=MASK)
    expected_memory, expected_final_state = oracle(encoder, X, LENGTH)
    np.testing.assert_allclose(memory, expected_memory, atol=1e-5)
    np.testing.assert_allclose(final_state, expected_final_state, atol=1e-5)
    np.testing.assert_array_equal(memory.numpy()[~MASK], 0.0)


@pytest.mark.smoke
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_final_state_is_forward_at_the_last_valid_step_and_backward_at_the_first(cell):
    memory, final_state = make_encoder(cell, True, 1)(X, source_mask=MASK)
    for b, n in enumerate(LENGTH):
        np.testing.assert_allclose(final_state[b, :UNITS], memory[b, n - 1, :UNITS], atol=1e-6)
        np.testing.assert_allclose(final_state[b, UNITS:], memory[b, 0, UNITS:], atol=1e-6)
    memory, final_state = make_encoder(cell, False, 1)(X, source_mask=MASK)
    for b, n in enumerate(LENGTH):
        np.testing.assert_allclose(final_state[b], memory[b, n - 1], atol=1e-6)


@pytest.mark.parametrize(("cell", "bidirectional", "num_layers"), OPTIONS)
def test_padding_and_batch_order_do_not_matter(cell, bidirectional, num_layers):
    encoder = make_encoder(cell, bidirectional, num_layers)
    memory, final_state = encoder(X, source_mask=MASK)
    longer = np.full((BATCH, STEPS + 2, DIM), 9.0, np.float32)
    longer[:, :STEPS] = np.where(MASK[:, :, None], X, -9.0)
    order = [2, 0, 1]
    padded_memory, padded_final_state = encoder(longer[order], source_mask=np.pad(MASK, [(0, 0), (0, 2)])[order])
    np.testing.assert_allclose(padded_memory[:, :STEPS], memory.numpy()[order], atol=1e-6)
    np.testing.assert_allclose(padded_final_state, final_state.numpy()[order], atol=1e-6)
    np.testing.assert_array_equal(padded_memory[:, STEPS:], 0.0)


def test_every_layer_has_dropout_of_its_own_on_its_input():
    encoder = make_encoder("lstm", True, 2, dropout=0.5)
    assert [d.seed_name for d in encoder.dropouts] == ["encoder/dropout_0", "encoder/dropout_1"]
    expected = encoder(X, source_mask=MASK)[0].numpy()
    for silenced in (0, 1):
        encoder.dropouts[silenced].rate, encoder.dropouts[1 - silenced].rate = 0.0, 0.5
        with random_step([0, 0]):
            assert np.abs(encoder(X, source_mask=MASK, training=True)[0] - expected).max() > 0.01
    encoder.dropouts[0].rate = encoder.dropouts[1].rate = 0.0
    np.testing.assert_allclose(encoder(X, source_mask=MASK, training=True)[0], expected, atol=1e-6)


def test_a_frozen_encoder_has_no_dropout():
    encoder = make_encoder("gru", False, 1, dropout=0.5)
    expected = encoder(X, source_mask=MASK)[0].numpy()
    encoder.trainable = False
    with random_step([0, 0]):
        np.testing.assert_array_equal(encoder(X, source_mask=MASK, training=True)[0], expected)
    encoder.trainable = True
    with random_step([0, 0]):
        assert np.abs(encoder(X, source_mask=MASK, training=True)[0] - expected).max() > 0.01


def test_the_same_inside_a_graph():
    encoder = make_encoder("lstm", True, 1)
    traced = tf.function(lambda x, mask: encoder(x, source_mask=mask))(X, MASK)
    for actual, expected in zip(traced, encoder(X, source_mask=MASK), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize(("cell", "bidirectional", "num_layers"), OPTIONS)
def test_config_round_trips(cell, bidirectional, num_layers):
    encoder = make_encoder(cell, bidirectional, num_layers, dropout=0.25)
    copy = Encoder.from_config(encoder.get_config())
    assert copy.get_config() == encoder.get_config()
    copy.build((None, None, DIM))
    copy.set_weights(encoder.get_weights())
    np.testing.assert_allclose(copy(X, source_mask=MASK)[0], encoder(X, source_mask=MASK)[0], atol=1e-6)
    shapes = encoder.compute_output_shape((None, STEPS, DIM))
    assert tuple(map(tuple, shapes)) == ((None, STEPS, encoder.memory_dim), (None, encoder.memory_dim))
    assert encoder.memory_dim == UNITS * (1 + bidirectional)


@pytest.mark.parametrize("num_states", [1, 2])
def test_bridge_oracle(num_states):
    bridge = Bridge(UNITS, num_states)
    bridge.build((None, 6))
    rng = np.random.default_rng(2)
    kernel, bias = rng.normal(size=(6, UNITS * num_states)), rng.normal(size=UNITS * num_states)
    bridge.set_weights([kernel, bias])
    final_state = rng.normal(size=(BATCH, 6)).astype(np.float32)
    states = bridge(final_state)
    assert len(states) == num_states
    for i, state in enumerate(states):
        columns = slice(i * UNITS, (i + 1) * UNITS)
        expected = np.tanh(final_state @ kernel[:, columns] + bias[columns])
        np.testing.assert_allclose(state, expected, atol=1e-5)
    copy = Bridge.from_config(bridge.get_config())
    assert (copy.units, copy.num_states) == (UNITS, num_states)
    assert list(map(tuple, copy.compute_output_shape((None, 6)))) == [(None, UNITS)] * num_states


def test_encoders_are_made_while_a_file_is_loaded():
    """Keras knows what it has made in a load by its address, which a layer that was freed may have had before."""
    from keras.src.saving.serialization_lib import ObjectSharingScope

    with ObjectSharingScope():
        encoders = [Encoder(2, "gru") for _ in range(100)]
    assert len({id(encoder.recurrent[0].backward_layer) for encoder in encoders}) == len(encoders)
