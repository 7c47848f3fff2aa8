"""Attention decoder: the whole teacher-forced sequence in one loop, or one step at a time with the same weights."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.attention import BahdanauAttention

#: Gates of each cell, in the order of the kernels' columns.
GATES = {"lstm": 4, "gru": 3}


def lstm_step(gates, state):
    """One LSTM step from pre-activations.

    Args:
        gates: `(…, 4 units)`: input, forget, candidate, output.
        state: `(output (…, units), cell (…, units))`.

    Returns:
        the new `(output, cell)`.
    """
    i, f, candidate, o = tf.split(gates, 4, axis=-1)
    cell = tf.sigmoid(f) * state[1] + tf.sigmoid(i) * tf.tanh(candidate)
    return tf.sigmoid(o) * tf.tanh(cell), cell


def gru_step(gates, recurrent_gates, state):
    """One GRU step; the reset gate acts after the recurrent product (Keras' `reset_after`).

    Args:
        gates: `(…, 3 units)` from the inputs: update, reset, candidate.
        recurrent_gates: `(…, 3 units)` from the previous output.
        state: `(output (…, units),)`.

    Returns:
        the new `(output,)`.
    """
    z, r, candidate = tf.split(gates, 3, axis=-1)
    recurrent_z, recurrent_r, recurrent_candidate = tf.split(recurrent_gates, 3, axis=-1)
    z = tf.sigmoid(z + recurrent_z)
    candidate = tf.tanh(candidate + tf.sigmoid(r + recurrent_r) * recurrent_candidate)
    return (z * state[0] + (1 - z) * candidate,)


@keras.saving.register_keras_serializable("mmtrans")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent decoder with input feeding: [previous target; previous context] → cell → attention → [output; context].

    What does not depend on the state stays outside of the loop: the keys of the memory and the products of the
    teacher-forced inputs; whatever reads the outputs runs after it.

    Args:
        units: units of the cell.
        cell: `lstm` or `gru`.
        attention_units: units of Bahdanau's attention, or `None` for a plain decoder that only has the initial state.

    Call arguments:
        inputs: `[decoder_input (batch, target_steps, dim), memory (batch, source_steps, memory_dim), *initial_state]`,
            float32, with as many states `(batch, units)` as the cell has (`num_states`).
        memory_mask: `(batch, source_steps)` bool.

    Returns:
        `(outputs (batch, target_steps, output_dim), attention_weights (batch, target_steps, source_steps))`, where
        `output_dim` is `units + memory_dim`, or `units` without attention (the weights are then zero).
    """

    def __init__(self, units, cell="lstm", attention_units=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.cell = cell
        self.attention_units = attention_units
        self.num_states = 2 if cell == "lstm" else 1
        self.attention = None if attention_units is None else BahdanauAttention(attention_units, name="attention")

    def build(self, input_shape):
        input_dim, memory_shape = input_shape[0][-1], input_shape[1]
        gates = GATES[self.cell] * self.units
        self.input_kernel = self.add_weight(name="input_kernel", shape=(input_dim, gates), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, gates), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(gates,), initializer=self._initial_bias)
        if self.cell == "gru":
            self.recurrent_bias = self.add_weight(name="recurrent_bias", shape=(gates,), initializer="zeros")
        if self.attention is not None:
            self.attention.build([(None, None, self.units), memory_shape])
            self.context_kernel = self.add_weight(
                name="context_kernel", shape=(memory_shape[-1], gates), initializer="glorot_uniform"
            )
        self.built = True

    def _initial_bias(self, shape, dtype=None):
        """Zeros, but 1 for an LSTM's forget gate (Jozefowicz et al. 2015)."""
        if self.cell == "gru":
            return tf.zeros(shape, dtype)
        block = [0.0] * self.units
        return tf.constant([*block, *([1.0] * self.units), *block, *block], dtype)

    def project_inputs(self, inputs):
        """The inputs' share of the gates, `(…, gates)`, computed for all steps at once."""
        return tf.tensordot(inputs, tf.convert_to_tensor(self.input_kernel), 1) + self.bias

    def project_memory(self, memory):
        """Keys of the memory `(batch, source_steps, attention_units)`; an empty last axis without attention."""
        return memory[:, :, :0] if self.attention is None else self.attention.project_memory(memory)

    def initial_context(self, memory, queries=1):
        """The zero context before the first step, `(batch, queries, memory_dim)` (width 0 without attention)."""
        width = 0 if self.attention is None else memory.shape[-1]
        return tf.zeros([tf.shape(memory)[0], queries, width], memory.dtype)

    def step(self, gates, state, context, keys, memory, memory_mask):
        """One decoding step for any number of hypotheses that share a memory.

        Args:
            gates: `(batch, queries, gates)`, from `project_inputs` of the previous target.
            state: tuple of `(batch, queries, units)`.
            context: `(batch, queries, memory_dim)`, the previous context.
            keys: from `project_memory(memory)`.
            memory: `(batch, source_steps, memory_dim)`.
            memory_mask: `(batch, source_steps)` bool.

        Returns:
            `(output (batch, queries, output_dim), state, context, attention_weights (batch, queries, source_steps))`.
        """
        if self.attention is not None:
            gates = gates + tf.tensordot(context, tf.convert_to_tensor(self.context_kernel), 1)
        recurrent_gates = tf.tensordot(state[0], tf.convert_to_tensor(self.recurrent_kernel), 1)
        if self.cell == "lstm":
            state = lstm_step(gates + recurrent_gates, state)
        else:
            state = gru_step(gates, recurrent_gates + self.recurrent_bias, state)
        if self.attention is None:
            zeros = tf.zeros([tf.shape(memory)[0], tf.shape(state[0])[1], tf.shape(memory)[1]], memory.dtype)
            return state[0], state, context, zeros
        context, attention_weights = self.attention.attend(state[0], keys, memory, memory_mask)
        return tf.concat([state[0], context], -1), state, context, attention_weights

    def call(self, inputs, memory_mask):
        decoder_input, memory, *initial_state = inputs
        target_steps = tf.shape(decoder_input)[1]
        gates = tf.transpose(self.project_inputs(decoder_input), [1, 0, 2])[:, :, None, :]
        keys = self.project_memory(memory)
        outputs = tf.TensorArray(memory.dtype, size=target_steps)
        weights = tf.TensorArray(memory.dtype, size=target_steps)

        def body(t, state, context, outputs, weights):
            output, state, context, attention_weights = self.step(gates[t], state, context, keys, memory, memory_mask)
            return t + 1, state, context, outputs.write(t, output[:, 0]), weights.write(t, attention_weights[:, 0])

        state = tuple(s[:, None, :] for s in initial_state)
        loop = (tf.constant(0), state, self.initial_context(memory), outputs, weights)
        *_, outputs, weights = tf.while_loop(
            lambda t, *_: t < target_steps, body, loop, maximum_iterations=target_steps
        )
        outputs, weights = tf.transpose(outputs.stack(), [1, 0, 2]), tf.transpose(weights.stack(), [1, 0, 2])
        outputs.set_shape([decoder_input.shape[0], decoder_input.shape[1], self.output_dim(memory.shape[-1])])
        return outputs, weights

    def output_dim(self, memory_dim):
        """Width of an output, given the memory's."""
        return self.units + (0 if self.attention is None else memory_dim)

    def compute_output_shape(self, input_shape):
        (batch, target_steps, _), (_, source_steps, memory_dim) = input_shape[:2]
        return (batch, target_steps, self.output_dim(memory_dim)), (batch, target_steps, source_steps)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "attention_units": self.attention_units,
        }


@keras.saving.register_keras_serializable("mmtrans")
class StartFrame(keras.layers.Layer):
    """Puts a learned vector in place of the first decoder input, which no target precedes.

    Call arguments:
        inputs: `(batch, target_steps, dim)` float32; the first step is ignored.

    Returns:
        the same shape.
    """

    def build(self, input_shape):
        self.frame = self.add_weight(name="frame", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, inputs):
        first = tf.range(tf.shape(inputs)[1]) == 0
        return tf.where(first[None, :, None], tf.convert_to_tensor(self.frame), inputs)

    def compute_output_shape(self, input_shape):
        return input_shape
