"""A recurrent layer along the segments of videos, against loops over videos, segments and directions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.dropout import random_step
from mmtrans.layers.encoder import AlongVideos, places_in_videos

#: Three videos of 3, 1 and 2 segments, whose rows come in no order.
VIDEO = np.array([70, 2, 70, 5, 70, 5])
SEGMENT = np.array([9, 4, 1, 3, 4, 0])
#: The rows of each video in the order of its segments.
ROWS = ([2, 4, 0], [1], [5, 3])
DIM, UNITS = 4, 3


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def read(cell, vectors):
    """The outputs of Keras' LSTM cell, step by step."""
    kernel, recurrent_kernel, bias = (np.asarray(weight) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias))
    output, state, outputs = np.zeros(UNITS), np.zeros(UNITS), []
    for vector in vectors:
        i, f, candidate, o = np.split(vector @ kernel + output @ recurrent_kernel + bias, 4)
        state = sigmoid(f) * state + sigmoid(i) * np.tanh(candidate)
        output = sigmoid(o) * np.tanh(state)
        outputs.append(output)
    return outputs


@pytest.fixture
def layer():
    layer = AlongVideos(UNITS)
    layer.build([(None, DIM), (None,), (None,)])
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.fixture
def vectors():
    return np.random.default_rng(1).normal(size=(len(VIDEO), DIM)).astype(np.float32)


def test_it_equals_loops_over_videos_segments_and_directions(layer, vectors):
    (both,) = layer.encoder.recurrent
    expected = np.zeros((len(VIDEO), 2 * UNITS))
    for rows in ROWS:
        forward = read(both.forward_layer.cell, vectors[rows])
        backward = read(both.backward_layer.cell, vectors[rows[::-1]])[::-1]
        for row, outputs in zip(rows, zip(forward, backward, strict=True), strict=True):
            expected[row] = np.concatenate(outputs)
    np.testing.assert_allclose(layer([vectors, VIDEO, SEGMENT]), expected, rtol=1e-4, atol=1e-5)


def test_places_count_videos_as_they_come_and_segments_by_their_numbers():
    places, counts = places_in_videos(tf.constant(VIDEO), tf.constant(SEGMENT))
    assert places.numpy().tolist() == [[0, 2], [1, 0], [0, 0], [2, 1], [0, 1], [2, 0]]
    assert counts.numpy().tolist() == [3, 1, 2]


def test_numbers_may_be_as_large_as_an_id_has_them_and_equal_ones_keep_their_order():
    places, _ = places_in_videos(tf.constant([1, 1, 1, 1], tf.int64), tf.constant([10**18 - 1, 3, 10**18 - 2, 3]))
    assert places.numpy()[:, 1].tolist() == [3, 0, 2, 1]


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]])
def test_the_order_of_rows_changes_nothing(layer, vectors, order):
    expected = layer([vectors, VIDEO, SEGMENT]).numpy()
    np.testing.assert_allclose(layer([vectors[order], VIDEO[order], SEGMENT[order]]), expected[order], atol=1e-6)


def test_other_videos_change_nothing(layer, vectors):
    expected = layer([vectors, VIDEO, SEGMENT]).numpy()
    for rows in ROWS:
        alone = layer([vectors[rows], VIDEO[rows], SEGMENT[rows]])
        np.testing.assert_allclose(alone, expected[rows], atol=1e-6)


def test_each_segment_of_a_video_is_read_and_none_of_another(layer, vectors):
    before = layer([vectors, VIDEO, SEGMENT]).numpy()
    vectors[4] += 1.0
    moved = np.abs(layer([vectors, VIDEO, SEGMENT]) - before).max(-1) > 1e-4
    assert moved.tolist() == [True, False, True, False, True, False]


def test_a_graph_gives_the_same_and_so_do_numbers_of_32_bits(layer, vectors):
    expected = layer([vectors, VIDEO, SEGMENT]).numpy()
    traced = tf.function(lambda *inputs: layer(list(inputs)))
    np.testing.assert_allclose(traced(vectors, VIDEO, SEGMENT), expected, atol=1e-6)
    narrow = [values.astype(np.int32) for values in (VIDEO, SEGMENT)]
    np.testing.assert_allclose(traced(vectors, *narrow), expected, atol=1e-6)


def test_dropout_is_on_what_is_read_in_training_alone(vectors):
    layer = AlongVideos(UNITS, dropout=0.5)
    inputs = [tf.constant(vectors), tf.constant(VIDEO), tf.constant(SEGMENT)]
    expected = layer(inputs).numpy()
    with random_step([0, 1]):
        assert np.abs(layer(inputs, training=True) - expected).max() > 1e-3
        np.testing.assert_array_equal(layer(inputs, training=False), expected)


def test_the_configuration_round_trips():
    layer = AlongVideos(UNITS, dropout=0.25, name="along")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert (copy.units, copy.dropout, copy.name) == (UNITS, 0.25, "along")
    assert tuple(layer.compute_output_shape([(None, DIM), (None,), (None,)])) == (None, 2 * UNITS)
