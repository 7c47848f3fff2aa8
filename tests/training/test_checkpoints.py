import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.training.checkpoints import KEEP, load_weights, restore_checkpoint, save_checkpoint, save_weights


def make_model(units=2):
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(3)])
    model.build((None, 4))
    return model


def test_a_checkpoint_brings_back_variables_and_progress(tmp_path):
    value = tf.Variable([1.0, 2.0])
    save_checkpoint(tmp_path, tf.train.Checkpoint(value=value), {"step": 7, "history": [{"loss": 0.1}]})
    fresh = tf.Variable([0.0, 0.0])
    progress = restore_checkpoint(tmp_path, tf.train.Checkpoint(value=fresh))
    assert progress == {"step": 7, "history": [{"loss": 0.1}]}
    np.testing.assert_array_equal(fresh.numpy(), [1.0, 2.0])


def test_without_checkpoints_nothing_is_restored(tmp_path):
    assert restore_checkpoint(tmp_path / "none", tf.train.Checkpoint(value=tf.Variable(1.0))) is None


def test_the_newest_are_kept_and_restored(tmp_path):
    value = tf.Variable(0)
    checkpoint = tf.train.Checkpoint(value=value)
    steps = [9, 10, 100, 99_999_999]
    for step in steps:
        value.assign(step)
        save_checkpoint(tmp_path, checkpoint, {"step": step})
    assert [int(path.name.split("-")[1]) for path in sorted(tmp_path.iterdir())] == steps[-KEEP:]
    value.assign(0)
    assert restore_checkpoint(tmp_path, checkpoint) == {"step": 99_999_999}
    assert value.numpy() == 99_999_999


def test_a_checkpoint_that_was_interrupted_is_not_seen(tmp_path, monkeypatch):
    value = tf.Variable(1)
    checkpoint = tf.train.Checkpoint(value=value)
    save_checkpoint(tmp_path, checkpoint, {"step": 1})
    value.assign(2)
    with monkeypatch.context() as patch:

        def interrupted(source, target):
            raise KeyboardInterrupt

        patch.setattr("mmtrans.training.checkpoints.os.replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, checkpoint, {"step": 2})
    assert restore_checkpoint(tmp_path, checkpoint) == {"step": 1}
    assert value.numpy() == 1
    value.assign(3)
    save_checkpoint(tmp_path, checkpoint, {"step": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]
    assert restore_checkpoint(tmp_path, checkpoint) == {"step": 2}
    assert value.numpy() == 3


def test_a_checkpoint_of_other_variables_is_refused(tmp_path):
    save_checkpoint(tmp_path, tf.train.Checkpoint(value=tf.Variable(1.0)), {"step": 1})
    with pytest.raises(ValueError, match=r"does not fit the model\. Expected .* Keras [23]\..*step-00000001'\. Go on"):
        restore_checkpoint(tmp_path, tf.train.Checkpoint(value=tf.Variable(1.0), more=tf.Variable(1.0)))


def test_weights_come_back_by_group(tmp_path):
    first, second = make_model(), make_model(5)
    path = tmp_path / "deep" / "weights.npz"
    save_weights(path, {"model": first, "representation": second})
    for group, saved, fresh in (("model", first, make_model()), ("representation", second, make_model(5))):
        load_weights(path, group, fresh)
        for left, right in zip(saved.get_weights(), fresh.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)
    assert [entry.name for entry in path.parent.iterdir()] == ["weights.npz"]


def test_more_than_ten_arrays_keep_their_order(tmp_path):
    def deep():
        model = keras.Sequential([keras.layers.Dense(4) for _ in range(7)])
        model.build((None, 4))
        return model

    saved, fresh = deep(), deep()
    saved.set_weights([np.full_like(array, i) for i, array in enumerate(saved.get_weights())])
    save_weights(tmp_path / "weights.npz", {"model": saved})
    load_weights(tmp_path / "weights.npz", "model", fresh)
    assert [array.flat[0] for array in fresh.get_weights()] == list(range(14))


def test_weights_that_are_missing_or_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    with pytest.raises(FileNotFoundError, match=rf"No trained weights.*Received: {re.escape(str(path))}"):
        load_weights(path, "model", make_model())
    save_weights(path, {"model": make_model()})
    with pytest.raises(ValueError, match=r"do not fit the model\. Expected shapes \[\(4, 5\).*\[\(4, 2\)"):
        load_weights(path, "model", make_model(5))
    with pytest.raises(ValueError, match=r"do not fit the model.*Received: \[\]"):
        load_weights(path, "representation", make_model())
