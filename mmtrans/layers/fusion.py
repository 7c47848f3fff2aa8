"""Fusion of one vector a modality by their products (Zadeh et al. 2017; Liu et al. 2018)."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mmtrans")
class OuterProduct(keras.layers.Layer):
    """The outer product of vectors with a one behind each (Zadeh et al. 2017, eq. 3).

    So it holds every product of some of their numbers, the numbers themselves, and 1.

    Call arguments:
        inputs: a list of `(batch, width)` float32, one a modality.

    Returns:
        `(batch, product of width + 1)` float32; the last modality's numbers change fastest.

    Example:
        ```pycon
        >>> OuterProduct()([tf.constant([[2.0]]), tf.constant([[3.0, 5.0]])]).numpy().tolist()
        [[6.0, 10.0, 2.0, 3.0, 5.0, 1.0]]
        ```
    """

    def call(self, inputs):
        product, *others = map(with_one, inputs)
        for other in others:
            width = product.shape[-1] * other.shape[-1]
            product = tf.reshape(product[:, :, None] * other[:, None, :], [-1, width])
        return product

    def compute_output_shape(self, input_shape):
        width = 1
        for shape in input_shape:
            width *= shape[-1] + 1
        return (input_shape[0][0], width)


@keras.saving.register_keras_serializable("mmtrans")
class LowRankProduct(keras.layers.Layer):
    """What a dense layer of low rank reads from `OuterProduct`, without making it (Liu et al. 2018, eq. 8 to 10).

    Output `u` is `bias[u]` and, over the rank, the sum of `prod_m sum_i factor_m[r, i, u] [z_m, 1][i]`.

    Args:
        units: numbers that are read.
        rank: rank of the tensor of weights.

    Call arguments:
        inputs: a list of `(batch, width)` float32, one a modality.

    Returns:
        `(batch, units)` float32.

    Example:
        ```pycon
        >>> LowRankProduct(units=3, rank=2)([tf.ones([4, 5]), tf.ones([4, 7])]).shape
        TensorShape([4, 3])
        ```
    """

    def __init__(self, units, rank, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.rank = rank

    def build(self, input_shape):
        self.factors = [
            self.add_weight(name=f"factor_{i}", shape=(shape[-1] + 1, self.rank * self.units))
            for i, shape in enumerate(input_shape)
        ]
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, inputs):
        product = 1.0
        for vector, factor in zip(inputs, self.factors, strict=True):
            product *= tf.matmul(with_one(vector), tf.convert_to_tensor(factor))
        return tf.reduce_sum(tf.reshape(product, [-1, self.rank, self.units]), 1) + self.bias

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rank": self.rank}


@keras.saving.register_keras_serializable("mmtrans")
class Stacked(keras.layers.Layer):
    """Vectors as a sequence.

    Call arguments:
        inputs: a list of `(batch, width)` float32.

    Returns:
        `(batch, vectors, width)` float32.

    Example:
        ```pycon
        >>> Stacked()([tf.ones([2, 3]), tf.zeros([2, 3])]).shape.as_list()
        [2, 2, 3]
        ```
    """

    def call(self, inputs):
        return tf.stack(inputs, 1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], len(input_shape), input_shape[0][-1])


def with_one(vector):
    """A vector `(batch, width)` with a one behind: `(batch, width + 1)`."""
    return tf.pad(vector, [[0, 0], [0, 1]], constant_values=1.0)
