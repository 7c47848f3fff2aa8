"""Masks come from stored lengths, never from zeros."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mmtrans")
class SequenceMask(keras.layers.Layer):
    """Marks the valid steps of a right-padded sequence.

    Args:
        column: of sequences side by side, the one whose length counts; `None` for the longest.

    Call arguments:
        inputs: `[sequence (batch, steps, dim), length (batch,) integer]`; of sequences side by side that have a length
            each, `length (batch, sequences)`.

    Returns:
        `(batch, steps)` bool, true at steps before the length. A length under 1 counts as 1: a batch's
        filling rows then keep one step, which attention and cuDNN kernels need.

    Example:
        ```pycon
        >>> SequenceMask()([tf.zeros([2, 3, 4]), tf.constant([3, 1])]).numpy().tolist()
        [[True, True, True], [True, False, False]]
        ```
    """

    def __init__(self, column=None, **kwargs):
        super().__init__(**kwargs)
        self.column = column

    def call(self, inputs):
        sequence, length = inputs
        if length.shape.rank > 1:
            length = tf.reduce_max(length, 1) if self.column is None else length[:, self.column]
        return tf.sequence_mask(tf.maximum(length, 1), tf.shape(sequence)[1])

    def get_config(self):
        return {**super().get_config(), "column": self.column}


@keras.saving.register_keras_serializable("mmtrans")
class ZeroPadding(keras.layers.Layer):
    """Puts zeros into the padding of a sequence, whatever stood there: garbage and NaN come no further.

    Call arguments:
        inputs: `[sequence (batch, steps, dim) float32, mask (batch, steps) bool]`.

    Returns:
        the sequence, zero where the mask is false.

    Example:
        ```pycon
        >>> sequence = tf.constant([[[1.0], [float("nan")]]])
        >>> ZeroPadding()([sequence, tf.constant([[True, False]])]).numpy().tolist()
        [[[1.0], [0.0]]]
        ```
    """

    def call(self, inputs):
        sequence, mask = inputs
        return tf.where(mask[:, :, None], sequence, tf.zeros([], sequence.dtype))


@keras.saving.register_keras_serializable("mmtrans")
class Beside(keras.layers.Layer):
    """Two sequences side by side, step by step.

    Call arguments:
        inputs: `[(batch, steps, dim), (batch, steps or 1, other dim)]`; a second one of one step stands beside each.

    Returns:
        `(batch, steps, dim + other dim)`.

    Example:
        ```pycon
        >>> Beside()([tf.constant([[[1.0], [2.0]]]), tf.constant([[[9.0]]])]).numpy().tolist()
        [[[1.0, 9.0], [2.0, 9.0]]]
        ```
    """

    def call(self, inputs):
        sequence, other = inputs
        shape = tf.shape(sequence)
        return tf.concat([sequence, tf.broadcast_to(other, [shape[0], shape[1], other.shape[-1]])], axis=-1)

    def compute_output_shape(self, input_shape):
        sequence, other = input_shape
        return (*sequence[:2], sequence[-1] + other[-1])
