import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.bottleneck import GaussianBottleneck, gaussian_kl, sample
from mmtrans.layers.dropout import random_step

BATCH, STEPS, DIM, UNITS = 2, 4, 5, 3
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(BATCH, STEPS, DIM)).astype(np.float32)
MASK = np.arange(STEPS) < np.array([4, 2])[:, None]
MEAN, LOG_VARIANCE = (RNG.normal(size=(BATCH, UNITS)).astype(np.float32) for _ in range(2))


@pytest.mark.smoke
def test_the_divergence_is_its_closed_form():
    for mean, log_variance, kl in zip(
        MEAN.ravel(), LOG_VARIANCE.ravel(), np.ravel(gaussian_kl(MEAN, LOG_VARIANCE)), strict=True
    ):
        deviation = np.exp(log_variance / 2)
        assert kl == pytest.approx(-np.log(deviation) + (deviation**2 + mean**2) / 2 - 0.5, rel=1e-5)
    np.testing.assert_array_equal(gaussian_kl(tf.zeros(2), tf.zeros(2)), 0.0)


def test_the_divergence_is_what_draws_say():
    """The mean of log q(z) - log p(z) over draws of z from q, within four standard errors."""
    draws = 100_000
    tiled = [tf.tile(values[:1], [draws, 1]) for values in (MEAN, LOG_VARIANCE)]
    with random_step([3, 0]):
        z = sample(*tiled, "z").numpy().astype(np.float64)
    log_q = -0.5 * ((z - MEAN[0]) ** 2 / np.exp(LOG_VARIANCE[0]) + LOG_VARIANCE[0])
    ratio = log_q + 0.5 * z**2
    error = 4 * ratio.std(0) / np.sqrt(draws)
    np.testing.assert_array_less(np.abs(ratio.mean(0) - gaussian_kl(MEAN, LOG_VARIANCE)[0]), error)
    assert error.max() < 0.08


def test_draws_follow_from_step_and_name():
    def draw(step, name):
        with random_step([0, step]):
            return sample(MEAN, LOG_VARIANCE, name).numpy()

    first = draw(1, "a")
    np.testing.assert_array_equal(first, draw(1, "a"))
    for other in (draw(2, "a"), draw(1, "b")):
        assert np.abs(other - first).min() > 1e-4
    with pytest.raises(RuntimeError, match="need to know the step"):
        sample(MEAN, LOG_VARIANCE, "a")


def test_a_row_s_draw_follows_from_its_own_seed_whatever_its_padding():
    def draw(seeds, steps):
        with random_step(tf.constant(seeds)):
            return sample(tf.zeros([len(seeds), steps, 3]), tf.zeros([len(seeds), steps, 3]), "a").numpy()

    alone, among = draw([[1, 2]], 5), draw([[3, 4], [1, 2], [1, 2]], 9)
    np.testing.assert_array_equal(among[1, :5], alone[0])
    np.testing.assert_array_equal(among[1], among[2])
    assert np.abs(among[0] - among[1]).min() > 1e-4


def test_gradients_are_those_of_differences():
    def loss(mean, log_variance):
        with random_step([0, 0]):
            drawn = sample(mean, log_variance, "z")
        return tf.reduce_sum(gaussian_kl(mean, log_variance) + tf.sin(drawn))

    exact, measured = tf.test.compute_gradient(loss, [MEAN, LOG_VARIANCE], delta=1e-2)
    for left, right in zip(exact, measured, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-3)
        assert np.abs(left).min() > 1e-3


def test_a_posterior_is_one_projection_and_the_prior_in_the_padding():
    layer = GaussianBottleneck(UNITS)
    mean, log_variance = layer(INPUTS, source_mask=MASK)
    kernel, bias = layer.get_weights()
    projected = np.where(MASK[:, :, None], INPUTS @ kernel + bias, 0.0)
    np.testing.assert_allclose(mean, projected[:, :, :UNITS], atol=1e-6)
    np.testing.assert_allclose(log_variance, projected[:, :, UNITS:], atol=1e-6)
    np.testing.assert_array_equal(gaussian_kl(mean, log_variance).numpy()[~MASK], 0.0)
    vector, _ = layer(INPUTS[:, 0])
    np.testing.assert_allclose(vector, mean[:, 0], atol=1e-6)
    assert [tuple(s) for s in layer.compute_output_shape((None, 7, DIM))] == [(None, 7, UNITS)] * 2


def test_training_alone_draws_nothing():
    layer = GaussianBottleneck(UNITS)
    np.testing.assert_array_equal(layer(INPUTS)[0], layer(INPUTS)[0])
    assert GaussianBottleneck.from_config(layer.get_config()).units == UNITS
