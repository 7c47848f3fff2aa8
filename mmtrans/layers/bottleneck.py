"""Variational bottleneck: the Gaussian posterior of each vector that passes, its samples and its divergence."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.dropout import named_seed


@keras.saving.register_keras_serializable("mmtrans")
class GaussianBottleneck(keras.layers.Layer):
    """Posterior `q(z|x)` of a latent vector in place of each input vector (Kingma and Welling 2014).

    The layer itself draws nothing: whoever reads a representation, frozen or not, gets the mean, and who trains
    through it draws with `sample`.

    Args:
        units: width of the latent vector.

    Call arguments:
        inputs: `(batch, steps, dim)` or `(batch, dim)` float32.
        source_mask: `(batch, steps)` bool, of a sequence.

    Returns:
        `(mean, log_variance)`, each of the inputs' shape with `units` columns. Both are 0 at masked steps, where the
        posterior is then the prior `N(0, I)`, and diverges from it by nothing.

    Example:
        ```pycon
        >>> mean, log_variance = GaussianBottleneck(units=3)(tf.ones([2, 5]))
        >>> mean.shape, log_variance.shape
        (TensorShape([2, 3]), TensorShape([2, 3]))
        ```
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.projection = keras.layers.Dense(2 * units, name="projection")

    def build(self, input_shape):
        self.projection.build(input_shape)
        self.built = True

    def call(self, inputs, source_mask=None):
        projected = self.projection(inputs)
        if source_mask is not None:
            projected = tf.where(source_mask[:, :, None], projected, 0.0)
        mean, log_variance = tf.split(projected, 2, axis=-1)
        return mean, log_variance

    def compute_output_shape(self, input_shape):
        shape = (*input_shape[:-1], self.units)
        return shape, shape

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def sample(mean, log_variance, name: str):
    """`mean + exp(log_variance / 2) · ε` with ε from `N(0, I)`, through which gradients pass.

    Args:
        mean: float32 of any shape; `(batch, …)` where `random_step` has a seed for each row.
        log_variance: the same shape.
        name: tells this draw from others of the same step; `random_step` must be around it.
    """
    seed = named_seed(name)
    shape = tf.shape(mean)
    if seed.shape.rank == 2:
        # A row's noise is the beginning of one stream of numbers, so padding does not change it.
        noise = tf.map_fn(lambda row: tf.random.stateless_normal(shape[1:], row), seed, fn_output_signature=mean.dtype)
    else:
        noise = tf.random.stateless_normal(shape, seed, dtype=mean.dtype)
    return mean + tf.exp(0.5 * log_variance) * noise


def gaussian_kl(mean, log_variance):
    """`KL(N(mean, exp(log_variance)) ‖ N(0, 1))` of each unit in nats.

    Args:
        mean: `(…, units)` float32.
        log_variance: `(…, units)` float32.

    Returns:
        `(…, units)` float32.
    """
    return 0.5 * (tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance)
