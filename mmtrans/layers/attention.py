"""Bahdanau's attention over a memory, and the pooling attention of the paper's regressor."""

from __future__ import annotations

import keras
import tensorflow as tf

#: Added to the scores of masked steps. Finite, so that a row without any valid step gives no NaN.
MASKED_SCORE = -1e9


def masked_softmax(scores, mask):
    """Softmax over the last axis, with weight 0 where `mask` is false.

    Args:
        scores: `(…, steps)` float32.
        mask: `(…, steps)` bool, broadcastable to `scores`.
    """
    return tf.nn.softmax(tf.where(mask, scores, tf.constant(MASKED_SCORE, scores.dtype)), axis=-1)


def source_position(position, source_length, target_length):
    """The source step on which the middle of a target step falls, `(batch, queries)` int32.

    Of `S` source and `T` target steps, target step `t` lies over the source from `t S / T` to `(t + 1) S / T`; its
    middle falls on step `⌊(2 t + 1) S / (2 T)⌋`, which is `t` where both are equal. It goes on beyond the last step.

    Args:
        position: `(batch or 1, queries)` integer, target steps.
        source_length: `(batch,)` integer, `S`.
        target_length: `(batch,)` integer, `T`; less than 1 counts as 1.
    """
    position, source, target = (tf.cast(x, tf.int64) for x in (position, source_length, target_length))
    return tf.cast((2 * position + 1) * source[:, None] // (2 * tf.maximum(target, 1)[:, None]), tf.int32)


@keras.saving.register_keras_serializable("mmtrans")
class BahdanauAttention(keras.layers.Layer):
    """Additive attention: `score = v · tanh(W query + U memory)`.

    Bahdanau, Cho, Bengio (2015), eq. 5-6; no bias, as in the original. Queries have an axis of their own, so the
    hypotheses of a beam share one memory. `U memory` does not depend on the query: `project_memory` computes it once.

    Args:
        units: size of the space in which query and memory are compared.

    Call arguments:
        inputs: `[query (batch, queries, query_dim), memory (batch, source_steps, memory_dim)]`, float32.
        memory_mask: `(batch, source_steps)` bool.

    Returns:
        `(context (batch, queries, memory_dim), attention_weights (batch, queries, source_steps))`.

    Example:
        ```pycon
        >>> context, weights = BahdanauAttention(units=3)([tf.ones([2, 4, 5]), tf.ones([2, 6, 7])])
        >>> context.shape, weights.shape
        (TensorShape([2, 4, 7]), TensorShape([2, 4, 6]))
        ```
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        query_shape, memory_shape = input_shape
        self.query_kernel = self._kernel("query_kernel", (query_shape[-1], self.units))
        self.memory_kernel = self._kernel("memory_kernel", (memory_shape[-1], self.units))
        self.score_kernel = self._kernel("score_kernel", (self.units, 1))
        self.built = True

    def _kernel(self, name, shape):
        return self.add_weight(name=name, shape=shape, initializer="glorot_uniform")

    def project_memory(self, memory):
        """Keys `(batch, source_steps, units)` of a memory."""
        return tf.tensordot(memory, tf.convert_to_tensor(self.memory_kernel), 1)

    def scores(self, query, keys):
        """Unnormalised attention scores `(batch, queries, source_steps)` of queries against projected keys."""
        projected = tf.tensordot(query, tf.convert_to_tensor(self.query_kernel), 1)
        energy = tf.tanh(projected[:, :, None, :] + keys[:, None, :, :])
        return tf.tensordot(energy, tf.convert_to_tensor(self.score_kernel)[:, 0], 1)

    def attend(self, query, memory, keys, memory_mask, score_bias=None):
        """Context and attention weights of queries, given the projected keys of the memory.

        Args:
            query: `(batch, queries, query_dim)`.
            memory: `(batch, source_steps, memory_dim)`.
            keys: what `project_memory(memory)` gives.
            memory_mask: `(batch, source_steps)` bool.
            score_bias: added to the scores; broadcastable to `(batch, queries, source_steps)`.
        """
        scores = self.scores(query, keys)
        if score_bias is not None:
            scores += score_bias
        attention_weights = masked_softmax(scores, memory_mask[:, None, :])
        return tf.matmul(attention_weights, memory), attention_weights

    def call(self, inputs, memory_mask=None):
        query, memory = inputs
        if memory_mask is None:
            memory_mask = tf.ones(tf.shape(memory)[:2], tf.bool)
        return self.attend(query, memory, self.project_memory(memory), memory_mask)

    def compute_output_shape(self, input_shape):
        (batch, queries, _), (_, source_steps, memory_dim) = input_shape
        return (batch, queries, memory_dim), (batch, queries, source_steps)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("mmtrans")
class AttentionPooling(keras.layers.Layer):
    """Weighted sum over time with one shared weight vector (Pham et al. 2018, eq. 3-4).

    Call arguments:
        inputs: `(batch, steps, dim)` float32.
        source_mask: `(batch, steps)` bool.

    Returns:
        `(pooled (batch, dim), attention_weights (batch, steps))`.

    Example:
        ```pycon
        >>> mask = tf.constant([[True, True, False]])
        >>> pooled, weights = AttentionPooling()(tf.ones([1, 3, 4]), source_mask=mask)
        >>> weights.numpy().tolist()
        [[0.5, 0.5, 0.0]]
        ```
    """

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 1), initializer="glorot_uniform")
        self.built = True

    def call(self, inputs, source_mask):
        scores = tf.tensordot(inputs, tf.convert_to_tensor(self.kernel)[:, 0], 1)
        attention_weights = masked_softmax(scores, source_mask)
        return tf.einsum("bs,bsd->bd", attention_weights, inputs), attention_weights

    def compute_output_shape(self, input_shape):
        batch, steps, dim = input_shape
        return (batch, dim), (batch, steps)


@keras.saving.register_keras_serializable("mmtrans")
class MeanPooling(keras.layers.Layer):
    """Mean over time.

    Call arguments:
        inputs: `(batch, steps, dim)` float32.
        source_mask: `(batch, steps)` bool.

    Returns:
        `(pooled (batch, dim), attention_weights (batch, steps))`, the latter equal at valid steps, and 0 elsewhere.

    Example:
        ```pycon
        >>> mask = tf.constant([[True, True, False]])
        >>> pooled, weights = MeanPooling()(tf.constant([[[1.0], [3.0], [9.0]]]), source_mask=mask)
        >>> pooled.numpy().tolist()
        [[2.0]]
        ```
    """

    def call(self, inputs, source_mask):
        attention_weights = masked_softmax(tf.zeros_like(inputs[:, :, 0]), source_mask)
        return tf.einsum("bs,bsd->bd", attention_weights, inputs), attention_weights

    def compute_output_shape(self, input_shape):
        batch, steps, dim = input_shape
        return (batch, dim), (batch, steps)


@keras.saving.register_keras_serializable("mmtrans")
class LastStep(keras.layers.Layer):
    """Attention weights of a regressor that reads the last valid step only.

    Call arguments:
        inputs: `(batch, steps)` bool, right-padded.

    Returns:
        `(batch, steps)` float32, 1 at the last valid step.

    Example:
        ```pycon
        >>> LastStep()(tf.constant([[True, True, False]])).numpy().tolist()
        [[0.0, 1.0, 0.0]]
        ```
    """

    def call(self, inputs):
        following = tf.pad(inputs[:, 1:], [[0, 0], [0, 1]])
        return tf.cast(inputs & ~following, tf.float32)
