import threading

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.dropout import Dropout, named_seed, random_step
from mmtrans.layers.wide import WIDE

ONES = np.ones((7, 11, 13), np.float32)


def dropped(layer, seed, inputs=ONES):
    with random_step(tf.constant(seed)):
        return layer(inputs, training=True).numpy()


@pytest.mark.smoke
def test_the_mask_follows_from_seed_step_and_layer():
    first = dropped(Dropout(0.4, "one"), [3, 5])
    np.testing.assert_array_equal(dropped(Dropout(0.4, "one", name="renamed"), [3, 5]), first)
    for layer, seed in ((Dropout(0.4, "one"), [3, 6]), (Dropout(0.4, "one"), [4, 5]), (Dropout(0.4, "two"), [3, 5])):
        assert 0.3 < np.mean(dropped(layer, seed) != first) < 0.65  # 0.48 for independent masks


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_the_same_in_eager_graph_and_dataset(dtype):
    layer = Dropout(0.4, "one")

    @tf.function
    def traced(step):
        with random_step(tf.stack([tf.constant(3, dtype), step])):
            return layer(ONES, training=True)

    expected = [dropped(layer, [3, step]) for step in range(3)]
    mapped = tf.data.Dataset.range(3).map(lambda step: traced(tf.cast(step, dtype)))
    for step, from_dataset in enumerate(mapped):
        np.testing.assert_array_equal(traced(tf.constant(step, dtype)), expected[step])
        np.testing.assert_array_equal(from_dataset, expected[step])


def test_cells_are_dropped_alone_and_scaled():
    x = np.random.default_rng(0).normal(size=ONES.shape).astype(np.float32)
    outputs = dropped(Dropout(0.25, "one"), [0, 0], x)
    kept = outputs != 0
    np.testing.assert_allclose(outputs[kept], x[kept] / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 0.05  # 1001 cells: four standard deviations
    assert not np.all(kept == kept[:, :, :1])


@pytest.mark.parametrize("dim", [WIDE, WIDE + 1])
def test_wide_inputs_have_masks_of_the_same_kind(dim):
    x = 1 + np.random.default_rng(0).random((3, 4, dim), np.float32)
    layer = Dropout(0.3, "one")
    outputs = dropped(layer, [3, 5], x)
    kept = outputs != 0
    np.testing.assert_allclose(outputs[kept], x[kept] / 0.7, rtol=1e-4)
    assert abs(kept.mean() - 0.7) < 0.017  # 12,288 cells: four standard deviations
    # Each cell for itself: of neighbours, which share 32 bits, as many are kept together as independent ones would be.
    assert abs(np.mean(kept[:, :, 1::2] & kept[:, :, : dim // 2 * 2 : 2]) - 0.49) < 0.026
    assert abs(np.mean(kept[:, 1:] & kept[:, :-1]) - 0.49) < 0.021
    np.testing.assert_array_equal(dropped(Dropout(0.3, "one"), [3, 5], x), outputs)
    in_graph = tf.function(lambda seed: layer_at(layer, seed, x))(tf.constant([3, 5]))
    np.testing.assert_array_equal(in_graph, outputs)
    for other, seed in ((layer, [3, 6]), (Dropout(0.3, "two"), [3, 5])):
        assert 0.38 < np.mean((dropped(other, seed, x) != 0) != kept) < 0.46  # 0.42 for independent masks
    assert np.isfinite(dropped(Dropout(0.9999999, "one"), [3, 5], x)).all()


def layer_at(layer, seed, x):
    with random_step(seed):
        return layer(x, training=True)


def test_nothing_is_dropped_outside_of_training_or_at_rate_zero():
    np.testing.assert_array_equal(Dropout(0.9, "one")(ONES), ONES)
    np.testing.assert_array_equal(Dropout(0.9, "one")(ONES, training=False), ONES)
    np.testing.assert_array_equal(Dropout(0.0, "one")(ONES, training=True), ONES)


def test_the_step_must_be_known():
    message = r"need to know the step\. Expected a call inside `random_step\(seed\)`.*Received: 'mine' outside"
    layer = Dropout(0.5, "mine")
    with pytest.raises(RuntimeError, match=message):
        named_seed("mine")
    with pytest.raises(RuntimeError, match=message):
        layer(ONES, training=True)
    dropped(layer, [0, 0])
    with pytest.raises(RuntimeError, match=message):
        named_seed("mine")


def test_contexts_nest_and_end_with_an_error():
    with random_step([0, 1]):
        outer = named_seed("mine").numpy()
        with random_step([0, 2]):
            assert (named_seed("mine").numpy() != outer).any()
        np.testing.assert_array_equal(named_seed("mine"), outer)
        with pytest.raises(ZeroDivisionError), random_step([0, 2]):
            raise ZeroDivisionError
        np.testing.assert_array_equal(named_seed("mine"), outer)


def test_each_thread_has_its_own_step():
    seeds, caught = [], []

    def replica():
        try:
            named_seed("mine")
        except RuntimeError as error:
            caught.append(error)
        with random_step([0, 2]):
            seeds.append(named_seed("mine").numpy())

    with random_step([0, 1]):
        thread = threading.Thread(target=replica)
        thread.start()
        thread.join()
        assert len(caught) == len(seeds) == 1
        assert (named_seed("mine").numpy() != seeds[0]).any()


def test_config_round_trips():
    layer = Dropout(0.4, "one", name="mine")
    # Earlier releases wrote a key more.
    copy = Dropout.from_config({**layer.get_config(), "whole_steps": False})
    assert (copy.rate, copy.seed_name, copy.name) == (0.4, "one", "mine")
    np.testing.assert_array_equal(dropped(copy, [1, 2]), dropped(layer, [1, 2]))
    assert tuple(copy.compute_output_shape((2, None, 3))) == (2, None, 3)
