"""Gates that keep and write a memory (Zadeh et al. 2018a), or let steps pass (Chen et al. 2017)."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.dropout import named_seed


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


@keras.saving.register_keras_serializable("mmtrans")
class StraightThroughGate(keras.layers.Layer):
    """Lets a step pass or makes it zero; its gradient is that of a gate as far open as the step is likely to pass.

    In training a step passes with the probability `sigmoid(logit)`, elsewhere where that is over a half (Bengio,
    Léonard, Courville 2013: the straight-through estimator).

    Args:
        seed_name: what tells this gate's draws from those of others; stable when a model is rebuilt.

    Call arguments:
        inputs: `[sequence (batch, steps, dim), logit (batch, steps, 1)]` float32.
        training: whether to draw. Needs `random_step` around it.

    Returns:
        the shape of the sequence.

    Example:
        ```pycon
        >>> gate = StraightThroughGate("gate")
        >>> gate([tf.constant([[[2.0], [3.0]]]), tf.constant([[[-1.0], [1.0]]])]).numpy().ravel().tolist()
        [0.0, 3.0]
        ```
    """

    def __init__(self, seed_name, **kwargs):
        super().__init__(**kwargs)
        self.seed_name = seed_name

    def call(self, inputs, training=False):
        sequence, logit = inputs
        likely = tf.sigmoid(logit)
        bar = tf.random.stateless_uniform(tf.shape(likely), named_seed(self.seed_name)) if training else 0.5
        is_open = tf.cast(likely > bar, likely.dtype)
        return sequence * (is_open + likely - tf.stop_gradient(likely))

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "seed_name": self.seed_name}
