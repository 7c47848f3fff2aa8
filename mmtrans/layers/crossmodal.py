"""Attention from one modality to another (Tsai et al. 2019, section 3)."""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from mmtrans.layers.dropout import Dropout
from mmtrans.layers.transformer import attend_by_head

#: Units of the feed-forward layer for each of the vectors'.
_INNER = 4


@keras.saving.register_keras_serializable("mmtrans")
class CrossmodalBlock(keras.layers.Layer):
    """A block in which one modality attends to another, or to itself (Tsai et al. 2019, eq. 4).

    The paper normalises what it reads and adds the normalised: with `x = norm(target)`, `y = x + attention(x, norm(
    source))` and `z = norm(y)`, the output is `z + feed_forward(z)`. The program of its authors adds what was not
    normalised: `y = target + attention(x, norm(source))`, and the output is `y + feed_forward(norm(y))`.

    Args:
        width: size of the vectors.
        num_heads: heads of the attention, a divisor of `width`.
        dropout: share of the attention weights and of both sums' added parts that training drops.
        adds_input: whether both sums are those of the authors' program.

    Call arguments:
        inputs: `[target (batch, steps, width), source (batch, source_steps, width)]` float32.
        source_mask: `(batch, source_steps)` bool, true at steps that are attended to.
        training: whether to drop. Needs `random_step` around it.

    Returns:
        `(batch, steps, width)` float32.

    Example:
        ```pycon
        >>> block = CrossmodalBlock(width=4, num_heads=2)
        >>> block([tf.ones([1, 3, 4]), tf.ones([1, 5, 4])], source_mask=tf.ones([1, 5], bool)).shape
        TensorShape([1, 3, 4])
        ```
    """

    def __init__(self, width, num_heads, dropout=0.0, adds_input=False, **kwargs):
        super().__init__(**kwargs)
        self.width, self.num_heads, self.dropout, self.adds_input = width, num_heads, dropout, adds_input
        names = ("query", "key", "value", "attended", "contract")
        self.query, self.key, self.value, self.attended, self.contract = (
            keras.layers.Dense(width, name=name) for name in names
        )
        self.expand = keras.layers.Dense(_INNER * width, activation="relu", name="expand")
        self.target_norm, self.source_norm, self.sum_norm = (
            Normalization(epsilon=1e-5, name=f"{name}_norm") for name in ("target", "source", "sum")
        )
        self.weights_drop, self.attended_drop, self.contract_drop = (
            Dropout(dropout, f"{self.name}/{name}_drop", name=f"{name}_drop")
            for name in ("weights", "attended", "contract")
        )

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value, self.attended, self.expand):
            layer.build((None, None, self.width))
        for norm in (self.target_norm, self.source_norm, self.sum_norm):
            norm.build((None, None, self.width))
        self.contract.build((None, None, _INNER * self.width))
        self.built = True

    def call(self, inputs, source_mask, training=False):
        # Step by step as rows of a matrix: of a product with more axes TensorFlow asks for the shapes again each time.
        shapes = [tf.shape(values) for values in inputs]
        target, source = (tf.reshape(values, [-1, self.width]) for values in inputs)
        normalised, source = self.target_norm(target), self.source_norm(source)
        attended = attend_by_head(
            tf.reshape(self.query(normalised), shapes[0]),
            tf.reshape(self.key(source), shapes[1]),
            tf.reshape(self.value(source), shapes[1]),
            source_mask,
            self.num_heads,
            functools.partial(self.weights_drop, training=training),
        )
        attended = self.attended(tf.reshape(attended, [-1, self.width]))
        total = (target if self.adds_input else normalised) + self.attended_drop(attended, training=training)
        normalised = self.sum_norm(total)
        total = total if self.adds_input else normalised
        total += self.contract_drop(self.contract(self.expand(normalised)), training=training)
        return tf.reshape(total, shapes[0])

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        names = ("width", "num_heads", "dropout", "adds_input")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class Normalization(keras.layers.LayerNormalization):
    """Keras' normalisation of the last axis, with fewer operations, forward and backward.

    Call arguments:
        inputs: `(rows, width)` float32.

    Returns:
        the same shape.

    Example:
        ```pycon
        >>> Normalization()(tf.constant([[1.0, 3.0]])).numpy().round(2).tolist()
        [[-1.0, 1.0]]
        ```
    """

    def call(self, inputs):
        return normalized(inputs, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta), self.epsilon)


def normalized(rows, gamma, beta, epsilon):
    """Rows of mean 0 and variance 1, times `gamma`, plus `beta` (Ba, Kiros, Hinton 2016, eq. 4); the gradient is
    written out.

    Args:
        rows: `(rows, width)` float32.
        gamma: `(width,)`.
        beta: `(width,)`.
        epsilon: a float, added to the variance.

    Returns:
        the shape of `rows`.
    """

    @tf.custom_gradient
    def normalize(rows, gamma, beta):
        centred = rows - tf.reduce_mean(rows, -1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)
        unit = centred * scale

        def gradient(d_rows):
            d_unit = d_rows * gamma
            along = d_unit - tf.reduce_mean(d_unit, -1, keepdims=True)
            across = unit * tf.reduce_mean(d_unit * unit, -1, keepdims=True)
            return scale * (along - across), tf.reduce_sum(d_rows * unit, 0), tf.reduce_sum(d_rows, 0)

        return unit * gamma + beta, gradient

    return normalize(rows, gamma, beta)


@keras.saving.register_keras_serializable("mmtrans")
class Positions(keras.layers.Layer):
    """Adds a vector of its position to each step: sines in even columns, cosines in odd ones.

    Vaswani et al. 2017, section 3.5.

    Call arguments:
        inputs: `(batch, steps, width)` float32.

    Returns:
        the same shape.

    Example:
        ```pycon
        >>> print(Positions()(tf.zeros([1, 2, 2])).numpy().round(2))
        [[[0.   1.  ]
          [0.84 0.54]]]
        ```
    """

    def call(self, inputs):
        columns = np.arange(inputs.shape[-1])
        rates = 1e4 ** -((columns - columns % 2) / len(columns))
        angles = tf.range(tf.shape(inputs)[1], dtype=tf.float32)[:, None] * rates.astype(np.float32)
        return inputs + tf.where(columns % 2 == 0, tf.sin(angles), tf.cos(angles))
