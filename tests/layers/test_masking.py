import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.masking import SequenceMask, ZeroPadding


def test_steps_before_the_length_are_valid():
    sequence, length = np.zeros((4, 5, 2), np.float32), np.array([5, 3, 1, 4], np.int32)
    expected = [[step < n for step in range(5)] for n in length]
    np.testing.assert_array_equal(SequenceMask()([sequence, length]), expected)


def test_filling_rows_keep_one_step():
    mask = SequenceMask()([np.zeros((2, 3, 1), np.float32), np.array([0, 2], np.int32)])
    np.testing.assert_array_equal(mask, [[True, False, False], [True, True, False]])


def test_values_of_the_sequence_do_not_matter():
    length = np.array([2, 3], np.int32)
    zeros, garbage = np.zeros((2, 3, 1), np.float32), np.full((2, 3, 1), np.nan, np.float32)
    np.testing.assert_array_equal(SequenceMask()([zeros, length]), SequenceMask()([garbage, length]))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_the_same_inside_a_graph(dtype):
    sequence, length = np.zeros((3, 4, 2), np.float32), np.array([4, 0, 2], dtype)
    layer = SequenceMask()
    traced = tf.function(lambda s, n: layer([s, n]))(sequence, length)
    assert traced.dtype == tf.bool
    np.testing.assert_array_equal(traced, layer([sequence, length]))


@pytest.mark.smoke
def test_padding_becomes_zero_whatever_stood_there():
    sequence = np.arange(1, 13, dtype=np.float32).reshape(2, 3, 2)
    mask = np.array([[True, True, False], [True, False, False]])
    expected = np.where(mask[:, :, None], sequence, 0)
    for garbage in (7.0, np.nan, np.inf):
        dirty = tf.Variable(np.where(mask[:, :, None], sequence, garbage))
        with tf.GradientTape() as tape:
            output = ZeroPadding()([dirty, mask])
            loss = tf.reduce_sum(output**2)
        np.testing.assert_array_equal(output, expected)
        np.testing.assert_array_equal(tape.gradient(loss, dirty), 2 * expected)
