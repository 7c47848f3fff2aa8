"""Attention decoder: the whole teacher-forced sequence in one loop, or one step at a time with the same weights."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.attention import MASKED_SCORE, BahdanauAttention, source_position
from mmtrans.layers.attention_recurrence import Attended, attention_lstm_sequence
from mmtrans.layers.decoder_state import DecoderState, Feedback, Memory
from mmtrans.layers.recurrence import GATES, gru_step, lstm_step, unstacked


@keras.saving.register_keras_serializable("mmtrans")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent decoder with input feeding: [previous target; previous context] → cell → attention → [output; context].

    What does not depend on the state stays outside of the loop: the keys of the memory and the products of the
    teacher-forced inputs; whatever reads the outputs runs after it.

    Args:
        units: units of the cell.
        cell: `lstm` or `gru`.
        attention_units: units of Bahdanau's attention, or `None` for a plain decoder that only has the initial state.
        max_distance: largest distance between target and source step that has a learned bias of its own; 0 for none.
            The biases, one for each distance in both directions (Raffel et al. 2020), are added to the attention
            scores. They start as minus the distance; larger distances have that of the largest.

    Call arguments:
        inputs: `[decoder_input (batch, target_steps, dim), memory (batch, source_steps, memory_dim), *initial_state]`,
            float32, with as many states `(batch, units)` as the cell has (`num_states`).
        memory_mask: `(batch, source_steps)` bool.
        target_length: see `Memory`.

    Returns:
        `(outputs (batch, target_steps, output_dim), attention_weights (batch, target_steps, source_steps))`, where
        `output_dim` is `units + memory_dim`, or `units` without attention (the weights are then zero).

    Example:
        ```pycon
        >>> decoder = AttentionDecoder(units=4, attention_units=3)
        >>> inputs = [tf.ones([2, 5, 6]), tf.ones([2, 7, 8]), tf.zeros([2, 4]), tf.zeros([2, 4])]
        >>> outputs, weights = decoder(inputs, memory_mask=tf.ones([2, 7], bool))
        >>> outputs.shape, weights.shape
        (TensorShape([2, 5, 12]), TensorShape([2, 5, 7]))
        ```
    """

    def __init__(self, units, cell="lstm", attention_units=None, max_distance=0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.cell = cell
        self.attention_units = attention_units
        self.max_distance = max_distance
        self.num_states = 2 if cell == "lstm" else 1
        self.attention = None if attention_units is None else BahdanauAttention(attention_units, name="attention")

    def build(self, input_shape):
        input_dim = input_shape[0][-1]
        memory_shape = input_shape[1]
        gates = GATES[self.cell] * self.units
        self.input_kernel = self._weight("input_kernel", (input_dim, gates))
        self.recurrent_kernel = self._weight("recurrent_kernel", (self.units, gates), "orthogonal")
        self.bias = self._weight("bias", (gates,), self._initial_bias)
        if self.cell == "gru":
            self.recurrent_bias = self._weight("recurrent_bias", (gates,), "zeros")
        if self.attention is not None:
            self.attention.build([(None, None, self.units), memory_shape])
            self.context_kernel = self._weight("context_kernel", (memory_shape[-1], gates))
            if self.max_distance:
                self.distance_bias = self._weight(
                    "distance_bias", (2 * self.max_distance + 1,), self._initial_distance_bias
                )
        self.built = True

    def _weight(self, name, shape, initializer="glorot_uniform"):
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def _initial_bias(self, shape, dtype=None):
        """Zeros, but 1 for an LSTM's forget gate (Jozefowicz et al. 2015)."""
        if self.cell == "gru":
            return tf.zeros(shape, dtype)
        block = [0.0] * self.units
        return tf.constant([*block, *([1.0] * self.units), *block, *block], dtype)

    def _initial_distance_bias(self, shape, dtype=None):
        """Minus the distance, so that the attention starts near the diagonal (Press, Smith and Lewis 2022)."""
        return -tf.abs(tf.range(-self.max_distance, self.max_distance + 1, dtype=dtype or tf.float32))

    def project_inputs(self, inputs):
        """The inputs' share of the gates, `(…, gates)`, computed for all steps at once."""
        return tf.tensordot(inputs, tf.convert_to_tensor(self.input_kernel), 1) + self.bias

    def prepare(self, memory, memory_mask, target_length=None) -> Memory:
        """The memory with its keys, computed once for all steps.

        Args:
            memory: `(batch, source_steps, memory_dim)` float32.
            memory_mask: `(batch, source_steps)` bool.
            target_length: `(batch,)` integer or `None`, see `Memory`.
        """
        keys = memory[:, :, :0] if self.attention is None else self.attention.project_memory(memory)
        return Memory(memory, keys, memory_mask, target_length)

    def start(self, initial_state, memory: Memory) -> DecoderState:
        """The state before the first step, with one query a row.

        Args:
            initial_state: the cell's states, each `(batch, units)`.
            memory: what `prepare` gives.
        """
        batch = tf.shape(memory.values)[0]
        width = 0 if self.attention is None else memory.values.shape[-1]
        context = tf.zeros([batch, 1, width], memory.values.dtype)
        return DecoderState(tuple(s[:, None, :] for s in initial_state), context, tf.zeros([batch, 1], tf.int32))

    def position_bias(self, position, memory: Memory):
        """Bias of the attention scores by distance in source steps, `(…, source_steps)`.

        Args:
            position: target steps, of any shape; where the memory has a target length `(batch or 1, queries)`.
            memory: what `prepare` gives.
        """
        if memory.target_length is not None:
            source_length = tf.reduce_sum(tf.cast(memory.mask, tf.int32), 1)
            position = source_position(position, source_length, memory.target_length)
        distance = position[..., None] - tf.range(tf.shape(memory.mask)[1])
        index = tf.clip_by_value(distance, -self.max_distance, self.max_distance) + self.max_distance
        return tf.gather(tf.convert_to_tensor(self.distance_bias), index)

    def step(self, gates, state: DecoderState, memory: Memory, position_bias=None):
        """One decoding step for any number of hypotheses that share a memory.

        Args:
            gates: `(batch, queries, gates)`, from `project_inputs` of the previous target.
            state: the state before.
            memory: what `prepare` gives.
            position_bias: `(batch or 1, queries or 1, source_steps)`, where a caller has it at hand.

        Returns:
            `(output (batch, queries, output_dim), state, attention_weights (batch, queries, source_steps))`.
        """
        cell, context = state.cell, state.context
        if self.attention is not None:
            gates = gates + tf.tensordot(context, tf.convert_to_tensor(self.context_kernel), 1)
        recurrent_gates = tf.tensordot(cell[0], tf.convert_to_tensor(self.recurrent_kernel), 1)
        if self.cell == "lstm":
            cell = lstm_step(gates + recurrent_gates, cell)
        else:
            cell = gru_step(gates, recurrent_gates + self.recurrent_bias, cell)
        output = cell[0]
        if self.attention is None:
            attention_weights = tf.zeros([tf.shape(output)[0], tf.shape(output)[1], tf.shape(memory.values)[1]])
        else:
            if self.max_distance and position_bias is None:
                position_bias = self.position_bias(state.position, memory)
            context, attention_weights = self.attention.attend(
                output, memory.values, memory.keys, memory.mask, position_bias
            )
            output = tf.concat([output, context], -1)
        return output, DecoderState(cell, context, state.position + 1), attention_weights

    def call(self, inputs, memory_mask, target_length=None):
        decoder_input, values, *initial_state = inputs
        return self.decode(decoder_input, initial_state, self.prepare(values, memory_mask, target_length))

    def decode(self, decoder_input, initial_state, memory: Memory, feedback: Feedback | None = None):
        """All steps of whole sequences.

        Args:
            decoder_input: `(batch, target_steps, dim)` float32, the previous targets.
            initial_state: the cell's states, each `(batch, units)`.
            memory: what `prepare` gives.
            feedback: tells where the decoder reads its own previous frames instead; `None` for nowhere.

        Returns:
            as a call.
        """
        gates = tf.transpose(self.project_inputs(decoder_input), [1, 0, 2])
        use_own_output = feedback_kernel = None
        if feedback is not None:
            use_own_output = tf.transpose(feedback.use_own_output)[:, :, None]
            # Head and inputs are linear, so what the cell reads of an own frame is one product of the output.
            feedback_kernel = tf.matmul(feedback.kernel, tf.convert_to_tensor(self.input_kernel))
            gates = tf.where(use_own_output, self.project_inputs(feedback.bias[None]), gates)
        score_bias = self._score_bias(tf.shape(gates)[0], memory)
        loop = self._fused_loop if self.attention is not None and self.cell == "lstm" else self._loop
        outputs, weights = loop(gates, initial_state, memory, score_bias, use_own_output, feedback_kernel)
        outputs, weights = tf.transpose(outputs, [1, 0, 2]), tf.transpose(weights, [1, 0, 2])
        outputs.set_shape([*decoder_input.shape[:2], self.output_dim(memory.values.shape[-1])])
        return outputs, weights

    def _score_bias(self, target_steps, memory: Memory):
        """Bias of all steps, `(target_steps, source_steps)`, or `(target_steps, batch, source_steps)` where each row
        has its own."""
        steps = tf.range(target_steps)
        if self.attention is None or not self.max_distance:
            return tf.zeros([target_steps, tf.shape(memory.values)[1]], memory.values.dtype)
        if memory.target_length is None:
            return self.position_bias(steps, memory)
        return tf.transpose(self.position_bias(steps[None], memory), [1, 0, 2])

    def _fused_loop(self, gates, initial_state, memory: Memory, score_bias, use_own_output, feedback_kernel):
        """All steps of an LSTM with attention: what `_loop` computes, with a gradient of its own."""
        row_bias = tf.where(memory.mask, 0.0, tf.constant(MASKED_SCORE, gates.dtype))
        kernel = tf.concat([tf.convert_to_tensor(k) for k in (self.recurrent_kernel, self.context_kernel)], 0)
        if use_own_output is not None:
            kernel = tf.concat([kernel, feedback_kernel], 1)
        first_output, first_cell = initial_state
        inputs = Attended(
            gates=gates,
            first_output=first_output,
            first_cell=first_cell,
            values=memory.values,
            keys=memory.keys,
            row_bias=row_bias,
            step_bias=score_bias,
            kernel=kernel,
            query_kernel=tf.convert_to_tensor(self.attention.query_kernel),
            score_kernel=tf.convert_to_tensor(self.attention.score_kernel)[:, 0],
        )
        return attention_lstm_sequence(inputs, use_own_output)

    def _loop(self, gates, initial_state, memory: Memory, score_bias, use_own_output, feedback_kernel):
        """All steps, one `step` after the other; steps first."""
        target_steps = tf.shape(gates)[0]
        gates, score_bias = unstacked(gates), unstacked(score_bias)
        use_own_output = None if use_own_output is None else unstacked(use_own_output)
        arrays = tuple(tf.TensorArray(memory.values.dtype, size=target_steps) for _ in range(2))

        def body(t, state, outputs, weights):
            gate, bias = gates.read(t)[:, None, :], score_bias.read(t)[..., None, :]
            if use_own_output is not None:
                fed_back = tf.tensordot(tf.concat([state.cell[0], state.context], -1), feedback_kernel, 1)
                gate = tf.where(use_own_output.read(t)[:, None, :], gate + fed_back, gate)
            output, state, attention_weights = self.step(gate, state, memory, bias)
            return t + 1, state, outputs.write(t, output[:, 0]), weights.write(t, attention_weights[:, 0])

        loop = (tf.constant(0), self.start(initial_state, memory), *arrays)
        *_, outputs, weights = tf.while_loop(
            lambda t, *_: t < target_steps, body, loop, maximum_iterations=target_steps
        )
        return outputs.stack(), weights.stack()

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
            "max_distance": self.max_distance,
        }


@keras.saving.register_keras_serializable("mmtrans")
class StartFrame(keras.layers.Layer):
    """Puts a learned vector in place of the first decoder input, which no target precedes.

    Call arguments:
        inputs: `(batch, target_steps, dim)` float32; the first step is ignored.

    Returns:
        the same shape.

    Example:
        ```pycon
        >>> StartFrame()(tf.ones([1, 3, 1])).numpy().tolist()
        [[[0.0], [1.0], [1.0]]]
        ```
    """

    def build(self, input_shape):
        self.frame = self.add_weight(name="frame", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, inputs):
        first = tf.range(tf.shape(inputs)[1]) == 0
        return tf.where(first[None, :, None], tf.convert_to_tensor(self.frame), inputs)

    def compute_output_shape(self, input_shape):
        return input_shape
