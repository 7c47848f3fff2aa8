"""Recurrent cells, and LSTMs over whole sequences with their gradients written out.

TensorFlow differentiates a loop one step at a time: each step multiplies out its share of every weight's gradient and
adds it to a sum as large as the weight. Here the loop that goes back computes only what the step before it needs. What
depends on stored values alone, the cell's derivatives, is computed for all steps before that loop; the gradients of
weights are one product over all steps after it.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

#: Gates of each cell, in the order of the kernels' columns.
GATES = {"lstm": 4, "gru": 3}


def lstm_cell(gates, cell):
    """One LSTM step from pre-activations.

    Args:
        gates: `(…, 4 units)`: input, forget, candidate, output.
        cell: `(…, units)`, the cell state before.

    Returns:
        `(output (…, units), cell (…, units), activations)`, the activations as a list of the four gates' `(…, units)`.
    """
    i, f, candidate, o = tf.split(gates, 4, axis=-1)
    i, f, candidate, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(candidate), tf.sigmoid(o)
    cell = f * cell + i * candidate
    return o * tf.tanh(cell), cell, [i, f, candidate, o]


def lstm_step(gates, state):
    """One LSTM step from pre-activations.

    Args:
        gates: `(…, 4 units)`: input, forget, candidate, output.
        state: `(output (…, units), cell (…, units))`.

    Returns:
        the new `(output, cell)`.
    """
    output, cell, _ = lstm_cell(gates, state[1])
    return output, cell


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


def unstacked(tensor) -> tf.TensorArray:
    """The first axis of a tensor as an array: a loop reads its elements without the gradient of a slice, which is as
    large as the whole, at every step."""
    return tf.TensorArray(tensor.dtype, size=tf.shape(tensor)[0], clear_after_read=False).unstack(tensor)


def _empty_arrays(number, steps, dtype):
    return tuple(tf.TensorArray(dtype, size=steps) for _ in range(number))


def _write(arrays, t, values):
    return tuple(array.write(t, value) for array, value in zip(arrays, values, strict=True))


def _forward(body, steps, state, arrays):
    """Runs `body(t, *state, arrays)` for t = 0 … steps - 1; returns the arrays' contents, steps first."""
    loop = (tf.constant(0), *state, arrays)
    *_, arrays = tf.while_loop(lambda t, *_: t < steps, body, loop, maximum_iterations=steps)
    return [array.stack() for array in arrays]


def _backward(body, steps, state, arrays):
    """Runs `body(t, *state, arrays)` for t = steps - 1 … 0; returns the last state and the arrays' contents."""
    loop = (steps - 1, *state, arrays)
    _, *state, arrays = tf.while_loop(lambda t, *_: t >= 0, body, loop, maximum_iterations=steps)
    return state, [array.stack() for array in arrays]


def _before(first, values):
    """`values (steps, …)` one step later: `first (…)` is what stands before step 0."""
    return tf.concat([first[None], values[:-1]], 0)


def _derivatives(activations, cells, cells_before):
    """The LSTM cell's derivatives, for all steps at once, each of the shape of `cells` but for the third.

    Returns:
        of the output by the cell; of the output by its gate's pre-activation; of the cell by the other three
        pre-activations `(…, 3 units)`; of the cell by the cell before.
    """
    i, f, candidate, o = tf.split(activations, 4, axis=-1)
    squashed = tf.tanh(cells)
    by_others = tf.concat(
        [candidate * i * (1 - i), cells_before * f * (1 - f), i * (1 - candidate * candidate)], axis=-1
    )
    return [o * (1 - squashed * squashed), squashed * o * (1 - o), by_others, f]


def _cell_gradients(d_output, d_cell, derivatives):
    """One step back through the LSTM cell: gradients of its pre-activations `(…, 4 units)` and of the cell before."""
    output_by_cell, output_by_gate, cell_by_others, cell_by_cell = derivatives
    d_cell += d_output * output_by_cell
    d_others = tf.concat([d_cell, d_cell, d_cell], axis=-1) * cell_by_others
    return tf.concat([d_others, d_output * output_by_gate], axis=-1), d_cell * cell_by_cell


@tf.custom_gradient
def lstm_sequence(gates, kernel):
    """LSTMs over whole sequences, side by side (a bidirectional layer has two), from zero states.

    Args:
        gates: `(steps, lstms, batch, 4 units)` float32, the inputs' share of the pre-activations, bias included.
        kernel: `(lstms, units, 4 units)` float32, the recurrent kernels.

    Returns:
        outputs `(steps, lstms, batch, units)`.
    """
    steps, lstms, dtype = tf.shape(gates)[0], kernel.shape[0], gates.dtype
    inputs = unstacked(gates)
    zeros = tf.zeros_like(tf.split(gates[0], 4, axis=-1)[0])

    def step(t, output, cell, arrays):
        output, cell, activations = lstm_cell(inputs.read(t) + tf.matmul(output, kernel), cell)
        return t + 1, output, cell, _write(arrays, t, (output, cell, tf.concat(activations, -1)))

    outputs, cells, activations = _forward(step, steps, (zeros, zeros), _empty_arrays(3, steps, dtype))

    def gradient(d_outputs):
        given = [unstacked(d_outputs), *map(unstacked, _derivatives(activations, cells, _before(zeros, cells)))]
        transposed = tf.linalg.matrix_transpose(kernel)

        def step(t, d_output, d_cell, arrays):
            d_given, *derivatives = [array.read(t) for array in given]
            d_gates, d_cell = _cell_gradients(d_output + d_given, d_cell, derivatives)
            return t - 1, tf.matmul(d_gates, transposed), d_cell, _write(arrays, t, (d_gates,))

        _, (d_gates,) = _backward(step, steps, (zeros, zeros), _empty_arrays(1, steps, dtype))
        each = zip(tf.unstack(_before(zeros, outputs), lstms, 1), tf.unstack(d_gates, lstms, 1), strict=True)
        return d_gates, tf.stack([_weight_gradient(before, d_gate) for before, d_gate in each])

    return outputs, gradient


def attention_lstm_sequence(gates, state, memory, score_bias, kernel, attention_kernels, own=None):
    """An LSTM with input feeding and Bahdanau's attention over whole sequences: `AttentionDecoder.step` for one query.

    Each step reads the previous output and context, and attends with its own output. Where `own` is true, it also reads
    the frame that a linear head makes of them: a product of the head's and the inputs' kernels, thus one more kernel.

    Args:
        gates: `(steps, batch, 4 units)` float32, the inputs' share of the pre-activations, biases included.
        state: `[output (batch, units), cell (batch, units)]` before the first step; the context before it is zero.
        memory: `[values (batch, source_steps, memory_dim), keys (batch, source_steps, attention_units)]`.
        score_bias: `[(batch, source_steps), (steps, source_steps)]`, added to the attention scores.
        kernel: `(units + memory_dim, 4 units)`, of output and context; with `own` `(units + memory_dim, 8 units)`, the
            second half for the steps and rows where it is true.
        attention_kernels: `[of the query (units, attention_units), of the scores (attention_units,)]`.
        own: `(steps, batch, 1)` bool, or `None`.

    Returns:
        `(outputs (steps, batch, units + memory_dim), attention_weights (steps, batch, source_steps))`, each output
        beside its context.
    """
    own = None if own is None else tf.cast(own, gates.dtype)

    @tf.custom_gradient
    def sequence(*tensors):
        inputs = _Attended(*tensors)
        outputs, weights, *stored = _attention_forward(inputs, own)

        def gradient(d_outputs, d_weights):
            return _attention_gradient(inputs, own, (outputs, weights, *stored), (d_outputs, d_weights))

        return (outputs, weights), gradient

    return sequence(gates, *state, *memory, *score_bias, kernel, *attention_kernels)


class _Attended(NamedTuple):
    """The tensors that `attention_lstm_sequence` reads, and in the same places their gradients."""

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
        """Output and context before the first step."""
        context = tf.zeros([tf.shape(self.values)[0], self.values.shape[-1]], self.values.dtype)
        return tf.concat([self.first_output, context], -1)


def _attention_forward(inputs: _Attended, own):
    """Outputs beside contexts, attention weights, and what the gradient needs besides: cells and activations."""
    steps, dtype = tf.shape(inputs.gates)[0], inputs.gates.dtype
    gates, biases = unstacked(inputs.gates), unstacked(inputs.step_bias)
    own = None if own is None else unstacked(own)

    def step(t, output_and_context, cell, arrays):
        product = tf.matmul(output_and_context, inputs.kernel)
        if own is not None:
            product, fed_back = tf.split(product, 2, axis=-1)
            product += own.read(t) * fed_back
        output, cell, activations = lstm_cell(gates.read(t) + product, cell)
        energy = tf.tanh(inputs.keys + tf.matmul(output, inputs.query_kernel)[:, None])
        scores = tf.tensordot(energy, inputs.score_kernel, 1) + inputs.row_bias + biases.read(t)
        weights = tf.nn.softmax(scores)
        context = tf.matmul(weights[:, None], inputs.values)[:, 0]
        both = tf.concat([output, context], -1)
        return t + 1, both, cell, _write(arrays, t, (both, weights, cell, tf.concat(activations, -1)))

    return _forward(step, steps, (inputs.first, inputs.first_cell), _empty_arrays(4, steps, dtype))


def _attention_gradient(inputs: _Attended, own, stored, upstream) -> _Attended:
    """Gradients of all inputs, given what `_attention_forward` returned and the gradients of its first two results.

    The energies `(steps, batch, source_steps, attention_units)` are computed again, as they would be by far the most
    that is kept.
    """
    outputs, weights, cells, activations = stored
    steps, dtype, units = tf.shape(inputs.gates)[0], inputs.gates.dtype, inputs.first_output.shape[-1]
    local = _derivatives(activations, cells, _before(inputs.first_cell, cells))
    queries = tf.tensordot(outputs[:, :, :units], inputs.query_kernel, 1)
    given = [unstacked(value) for value in (*upstream, weights, queries, *local)]
    own_steps = None if own is None else unstacked(own)
    # A product with a kernel that is transposed as it is read takes several times as long.
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
        d_gates, d_cell = _cell_gradients(d_output, d_cell, derivatives)
        arrays = _write(arrays, t, (d_gates, d_scores, d_context, d_query))
        d_both = tf.matmul(_product_gradient(d_gates, None if own is None else own_steps.read(t)), kernel)
        d_score_kernel += _weight_gradient(energy, d_scores[:, :, None])
        return t - 1, d_both, d_cell, d_keys + d_energy, d_score_kernel, arrays

    first = (inputs.first, inputs.first_cell, inputs.keys, inputs.score_kernel[:, None])
    last, written = _backward(step, steps, tuple(map(tf.zeros_like, first)), _empty_arrays(4, steps, dtype))
    d_first, d_cell, d_keys, d_score_kernel = last
    d_gates, d_scores, d_contexts, d_queries = written
    return _Attended(
        gates=d_gates,
        first_output=d_first[:, :units],
        first_cell=d_cell,
        values=tf.einsum("tbs,tbm->bsm", weights, d_contexts),
        keys=d_keys,
        row_bias=tf.reduce_sum(d_scores, 0),
        step_bias=tf.reduce_sum(d_scores, 1),
        kernel=_weight_gradient(_before(inputs.first, outputs), _product_gradient(d_gates, own)),
        query_kernel=_weight_gradient(outputs[:, :, :units], d_queries),
        score_kernel=d_score_kernel[:, 0],
    )


def _product_gradient(d_gates, own):
    """Gradient of the product of outputs and kernel, whose second half counts where `own` is 1."""
    return d_gates if own is None else tf.concat([d_gates, own * d_gates], -1)


def _weight_gradient(inputs, d_outputs):
    """Gradient of a kernel from all its inputs `(…, in)` and its outputs' gradients `(…, out)`: `(in, out)`."""
    inputs, d_outputs = (tf.reshape(values, [-1, values.shape[-1]]) for values in (inputs, d_outputs))
    return tf.matmul(inputs, d_outputs, transpose_a=True)
