import numpy as np
import pytest
import tensorflow as tf

from mmtrans.decoding.rollout import rollout

BATCH, DIM, SOURCE_STEPS = 3, 2, 4
FIRST = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]], np.float32)


def step(frame, state):
    """Scripted: a frame is twice the previous one plus the step's number; the weights mark the step."""
    counter, total = state
    frame = 2 * frame + counter[:, None]
    return frame, (counter + 1, total + frame), tf.one_hot(tf.cast(counter, tf.int32), SOURCE_STEPS)


def start():
    return tf.zeros([BATCH]), tf.zeros([BATCH, DIM])


def oracle(length):
    frames = np.zeros((BATCH, max(length), DIM))
    weights = np.zeros((BATCH, max(length), SOURCE_STEPS))
    for b in range(BATCH):
        frame = FIRST[b]
        for t in range(length[b]):
            frame = 2 * frame + t
            frames[b, t], weights[b, t, t] = frame, 1.0
    return frames, weights


@pytest.mark.smoke
@pytest.mark.parametrize("length", [[3, 1, 2], [4, 4, 4], [1, 1, 1], [2, 0, 4]])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_frames_are_fed_back_until_the_length(length, dtype):
    frames, weights = rollout(step, tf.constant(FIRST), start(), tf.constant(length, dtype))
    expected_frames, expected_weights = oracle(length)
    np.testing.assert_array_equal(frames, expected_frames)
    np.testing.assert_array_equal(weights, expected_weights)


def test_the_same_inside_a_graph_for_all_lengths():
    traced = tf.function(
        lambda length: rollout(step, tf.constant(FIRST), start(), length),
        input_signature=[tf.TensorSpec([None], tf.int32)],
    )
    for length in ([3, 1, 2], [1, 4, 2]):
        for actual, expected in zip(traced(length), oracle(length), strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_one_row_s_end_does_not_disturb_the_others():
    def poisoned(frame, state):
        """The second row is NaN after its first frame."""
        frame, (counter, total), weights = step(frame, state)
        bad = (tf.range(BATCH) == 1) & (counter > 1)
        return tf.where(bad[:, None], np.nan, frame), (counter, total), weights

    frames, _ = rollout(poisoned, tf.constant(FIRST), start(), tf.constant([3, 1, 2]))
    np.testing.assert_array_equal(frames, oracle([3, 1, 2])[0])


def test_batch_order_is_kept():
    order, length = [2, 0, 1], np.array([3, 1, 2])
    frames, weights = rollout(step, tf.constant(FIRST[order]), start(), tf.constant(length[order]))
    expected_frames, expected_weights = oracle(length)
    np.testing.assert_array_equal(frames, expected_frames[order])
    np.testing.assert_array_equal(weights, expected_weights[order])
