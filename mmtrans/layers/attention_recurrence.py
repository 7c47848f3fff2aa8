"""An attention LSTM over whole sequences with its gradient written out, as `recurrence` has it for LSTMs."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from mmtrans.layers.recurrence import (
    before,
    cell_gradients,
    derivatives_of_cell,
    empty_arrays,
    lstm_cell,
    run_backward,
    run_forward,
    unstacked,
    weight_gradient,
    write,
)


class Attended(NamedTuple):
    """The tensors that `attention_lstm_sequence` reads, and in the same places their gradients.

    Attributes:
        gates: `(steps, batch, 4 units)` float32, the inputs' share of the pre-activations, biases included.
        first_output: `(batch, units)`, the output before the first step; the context before it is zero.
        first_cell: `(batch, units)`, the cell before the first step.
        values: `(batch, source_steps, memory_dim)`, the memory.
        keys: `(batch, source_steps, attention_units)`, the memory's keys.
        row_bias: `(batch, source_steps)`, added to the attention scores of all steps.
        step_bias: `(steps, source_steps)` or `(steps, batch, source_steps)`, added to those of each step.
        kernel: `(units + memory_dim, 4 units)`, of output and context; with `use_own_output` `(units + memory_dim,
            8 units)`, the second half for the steps and rows where it is true.
        query_kernel: `(units, attention_units)`.
        score_kernel: `(attention_units,)`.
    """

    gates: tf.Tensor
    first_output: tf.Tensor
    first_cell: tf.Tensor
    values: tf.Tensor
    keys: tf.Tensor
    row_bias: tf.Tensor
    step_bias: tf.Tensor
    kernel: tf.Tensor
    query_kernel: tf.Tensor
    score_kernel: tf.Tensor

    @property
    def first(self):
        """Output and context before the first step, `(batch, units + memory_dim)`."""
        context = tf.zeros([tf.shape(self.values)[0], self.values.shape[-1]], self.values.dtype)
        return tf.concat([self.first_output, context], -1)


def attention_lstm_sequence(inputs: Attended, use_own_output=None):
    """An LSTM with input feeding and Bahdanau's attention over whole sequences: `AttentionDecoder.step` for one query.

    Each step reads the previous output and context, and attends with its own output. Where `use_own_output` is true, it
    also reads the frame that a linear head makes of them: a product of the head's and the inputs' kernels, thus one
    more kernel.

    Args:
        inputs: what is read.
        use_own_output: `(steps, batch, 1)` bool, or `None` for nowhere.

    Returns:
        `(outputs (steps, batch, units + memory_dim), attention_weights (steps, batch, source_steps))`, each output
        beside its context.
    """
    use_own_output = None if use_own_output is None else tf.cast(use_own_output, inputs.gates.dtype)
    # Rows know nothing of each other. A loop keeps little more than one core busy, so each half has its own.
    results = [_attention_sequence(*half) for half in _halves(inputs, use_own_output)]
    return tuple(tf.concat(halves, 1) for halves in zip(*results, strict=True))


#: The axis of the batch, in those tensors of `Attended` that have one; a step's bias may have one too.
_BATCH_AXIS = {"gates": 1, "first_output": 0, "first_cell": 0, "values": 0, "keys": 0, "row_bias": 0}


def _halves(inputs: Attended, use_own_output):
    """The arguments of `_attention_sequence` for the first half of the rows, and for the rest."""
    rows = tf.shape(inputs.values)[0]
    sizes = tf.stack([rows // 2, rows - rows // 2])
    owns = (None, None) if use_own_output is None else tf.split(use_own_output, sizes, 1, num=2)
    axes = _BATCH_AXIS if inputs.step_bias.shape.rank == 2 else {**_BATCH_AXIS, "step_bias": 1}
    pairs = {name: tf.split(getattr(inputs, name), sizes, axis, num=2) for name, axis in axes.items()}
    return [(inputs._replace(**{name: pair[i] for name, pair in pairs.items()}), owns[i]) for i in range(2)]


def _attention_sequence(inputs: Attended, use_own_output):
    """Outputs beside contexts, and attention weights, of some rows."""

    @tf.custom_gradient
    def sequence(*tensors):
        inputs = Attended(*tensors)
        outputs, weights, *stored = _attention_forward(inputs, use_own_output)

        def gradient(d_outputs, d_weights):
            return _attention_gradient(inputs, use_own_output, (outputs, weights, *stored), (d_outputs, d_weights))

        return (outputs, weights), gradient

    return sequence(*inputs)


def _attention_forward(inputs: Attended, use_own_output):
    """Outputs beside contexts, attention weights, and what the gradient needs besides: cells and activations."""
    steps = tf.shape(inputs.gates)[0]
    dtype = inputs.gates.dtype
    gates, biases = unstacked(inputs.gates), unstacked(inputs.step_bias)
    use_own_output = None if use_own_output is None else unstacked(use_own_output)

    def step(t, output_and_context, cell, arrays):
        product = tf.matmul(output_and_context, inputs.kernel)
        if use_own_output is not None:
            product, fed_back = tf.split(product, 2, axis=-1)
            product += use_own_output.read(t) * fed_back
        output, cell, activations = lstm_cell(gates.read(t) + product, cell)
        energy = tf.tanh(inputs.keys + tf.matmul(output, inputs.query_kernel)[:, None])
        scores = tf.tensordot(energy, inputs.score_kernel, 1) + inputs.row_bias + biases.read(t)
        weights = tf.nn.softmax(scores)
        context = tf.matmul(weights[:, None], inputs.values)[:, 0]
        both = tf.concat([output, context], -1)
        return t + 1, both, cell, write(arrays, t, (both, weights, cell, tf.concat(activations, -1)))

    return run_forward(step, steps, (inputs.first, inputs.first_cell), empty_arrays(4, steps, dtype))


def _attention_gradient(inputs: Attended, use_own_output, stored, upstream) -> Attended:
    """Gradients of all inputs, given what `_attention_forward` returned and the gradients of its first two results.

    The energies `(steps, batch, source_steps, attention_units)` are computed again, as they would be by far the most
    that is kept.
    """
    outputs, weights, cells, activations = stored
    steps = tf.shape(inputs.gates)[0]
    dtype = inputs.gates.dtype
    units = inputs.first_output.shape[-1]
    local = derivatives_of_cell(activations, cells, before(inputs.first_cell, cells))
    queries = tf.tensordot(outputs[:, :, :units], inputs.query_kernel, 1)
    given = [unstacked(value) for value in (*upstream, weights, queries, *local)]
    own_steps = None if use_own_output is None else unstacked(use_own_output)
    kernel, query_kernel = tf.transpose(inputs.kernel), tf.transpose(inputs.query_kernel)

    def step(t, d_both, d_cell, d_keys, d_score_kernel, arrays):
        d_given, d_weight, weight, query, *derivatives = [array.read(t) for array in given]
        d_output, d_context = tf.split(d_both + d_given, [units, -1], axis=-1)
        d_weight += tf.linalg.matvec(inputs.values, d_context)
        d_scores = weight * (d_weight - tf.reduce_sum(weight * d_weight, -1, keepdims=True))
        energy = tf.tanh(inputs.keys + query[:, None])
        d_energy = d_scores[:, :, None] * ((1 - energy * energy) * inputs.score_kernel)
        d_query = tf.reduce_sum(d_energy, 1)
        d_output += tf.matmul(d_query, query_kernel)
        d_gates, d_cell = cell_gradients(d_output, d_cell, derivatives)
        arrays = write(arrays, t, (d_gates, d_scores, d_context, d_query))
        d_both = tf.matmul(_product_gradient(d_gates, None if use_own_output is None else own_steps.read(t)), kernel)
        d_score_kernel += weight_gradient(energy, d_scores[:, :, None])
        return t - 1, d_both, d_cell, d_keys + d_energy, d_score_kernel, arrays

    first = (inputs.first, inputs.first_cell, inputs.keys, inputs.score_kernel[:, None])
    last, written = run_backward(step, steps, tuple(map(tf.zeros_like, first)), empty_arrays(4, steps, dtype))
    d_first, d_cell, d_keys, d_score_kernel = last
    d_gates, d_scores, d_contexts, d_queries = written
    return Attended(
        gates=d_gates,
        first_output=d_first[:, :units],
        first_cell=d_cell,
        values=tf.einsum("tbs,tbm->bsm", weights, d_contexts),
        keys=d_keys,
        row_bias=tf.reduce_sum(d_scores, 0),
        step_bias=tf.reduce_sum(d_scores, 1) if inputs.step_bias.shape.rank == 2 else d_scores,
        kernel=weight_gradient(before(inputs.first, outputs), _product_gradient(d_gates, use_own_output)),
        query_kernel=weight_gradient(outputs[:, :, :units], d_queries),
        score_kernel=d_score_kernel[:, 0],
    )


def _product_gradient(d_gates, use_own_output):
    """Gradient of the product of outputs and kernel, whose second half counts where `use_own_output` is 1."""
    return d_gates if use_own_output is None else tf.concat([d_gates, use_own_output * d_gates], -1)
