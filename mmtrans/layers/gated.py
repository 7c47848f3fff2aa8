"""Memory that gates keep and write (Zadeh et al. 2018a)."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mmtrans")
class WithStepBefore(keras.layers.Layer):
    """Each step of a sequence behind the step before it; before the first one there are zeros.

    Call arguments:
        inputs: `(batch, steps, dim)` float32.

    Returns:
        `(batch, steps, 2 dim)`.

    Example:
        ```pycon
        >>> WithStepBefore()(tf.constant([[[1.0], [2.0]]])).numpy().tolist()
        [[[0.0, 1.0], [1.0, 2.0]]]
        ```
    """

    def call(self, inputs):
        return tf.concat([tf.pad(inputs[:, :-1], [[0, 0], [1, 0], [0, 0]]), inputs], -1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])


@keras.saving.register_keras_serializable("mmtrans")
class GatedMemory(keras.layers.Layer):
    """A memory over the steps, from zeros: `memory = retain · memory + write · update` (Zadeh et al. 2018a).

    Call arguments:
        inputs: `[retain, write, update]`, each `(batch, steps, units)` float32.
        source_mask: `(batch, steps)` bool; a step where it is false leaves the memory as it is.

    Returns:
        the memory after the last step, `(batch, units)`.

    Example:
        ```pycon
        >>> half, one = tf.fill([1, 2, 1], 0.5), tf.ones([1, 2, 1])
        >>> GatedMemory()([half, one, one], source_mask=tf.constant([[True, True]])).numpy().tolist()
        [[1.5]]
        ```
    """

    def call(self, inputs, source_mask):
        retain, write, update = inputs
        mask = source_mask[:, :, None]
        kept, added = tf.where(mask, retain, 1.0), tf.where(mask, write * update, 0.0)
        steps = tuple(tf.transpose(values, [1, 0, 2]) for values in (kept, added))
        return tf.foldl(lambda memory, step: step[0] * memory + step[1], steps, tf.zeros_like(steps[0][0]))

    def compute_output_shape(self, input_shape):
        batch, _, units = input_shape[0]
        return (batch, units)
