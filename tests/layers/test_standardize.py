import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.standardize import Standardize

MEAN, STD = [1.0, -2.0, 0.5], [2.0, 0.25, 1.0]


def test_oracle():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    expected = np.empty_like(x)
    for b in range(2):
        for t in range(5):
            for d in range(3):
                expected[b, t, d] = (x[b, t, d] - MEAN[d]) / STD[d]
    np.testing.assert_allclose(Standardize(MEAN, STD)(x), expected, rtol=1e-6)
    np.testing.assert_allclose(tf.function(Standardize(MEAN, STD))(x), expected, rtol=1e-6)


def test_config_round_trips_from_arrays():
    layer = Standardize(np.float32(MEAN), np.float32(STD), name="mine")
    config = layer.get_config()
    assert config["mean"] == MEAN
    assert all(type(value) is float for value in config["mean"] + config["std"])
    copy = Standardize.from_config(config)
    x = np.ones((1, 2, 3), np.float32)
    assert copy.name == "mine"
    np.testing.assert_array_equal(copy(x), layer(x))


def test_statistics_are_constants():
    layer = Standardize(MEAN, STD)
    layer(np.zeros((1, 1, 3), np.float32))
    assert layer.weights == []
    assert tuple(layer.compute_output_shape((2, None, 3))) == (2, None, 3)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.0, 0.0], [1.0], r"Received: 2 means, 1 deviations, smallest 1\.0"),
        ([0.0, 0.0], [1.0, 0.0], r"Received: 2 means, 2 deviations, smallest 0\.0"),
        ([0.0], [-1.0], r"smallest -1\.0"),
        ([0.0], [float("nan")], r"smallest nan"),
        ([0.0], [], r"Received: 1 means, 0 deviations, smallest None"),
    ],
)
def test_wrong_statistics_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=r"as many means as positive deviations\. .*" + message):
        Standardize(mean, std)
