"""Recurrent cells, and LSTMs over whole sequences with their gradients written out.

TensorFlow differentiates a loop one step at a time: each step multiplies out its share of every weight's gradient and
adds it to a sum as large as the weight. Here the loop that goes back computes only what the step before it needs. What
depends on stored values alone, the cell's derivatives, is computed for all steps before that loop; the gradients of
weights are one product over all steps after it.
"""

from __future__ import annotations

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
    """The first axis of a tensor `(steps, …)` as an array of `steps` elements `(…)`: a loop reads them without the
    gradient of a slice, which is as large as the whole, at every step."""
    return tf.TensorArray(tensor.dtype, size=tf.shape(tensor)[0], clear_after_read=False).unstack(tensor)


def turned(sequences, length):
    """Sequences, each reversed within its length; what lies beyond stays in its place.

    Whole rows are copied. TensorFlow's own operation copies number by number, which takes several times as long.

    Args:
        sequences: `(steps, batch, dim)`.
        length: `(batch,)` int32.

    Returns:
        the shape of `sequences`.
    """
    steps, batch = tf.shape(sequences)[0], tf.shape(sequences)[1]
    step = tf.range(steps)[:, None]
    rows = tf.where(step < length, length - 1 - step, step) * batch + tf.range(batch)

    @tf.custom_gradient
    def turn(values):
        # Turned twice, a sequence is what it was: so its gradient is turned as it is.
        return tf.gather(tf.reshape(values, [-1, values.shape[-1]]), rows), turn

    return turn(sequences)


def empty_arrays(number, steps, dtype):
    """Arrays for what a loop writes at every step."""
    return tuple(tf.TensorArray(dtype, size=steps) for _ in range(number))


def write(arrays, t, values):
    """The arrays, each with its value at step t."""
    return tuple(array.write(t, value) for array, value in zip(arrays, values, strict=True))


def run_forward(body, steps, state, arrays):
    """Runs `body(t, *state, arrays)` for t = 0 … steps - 1; returns the arrays' contents, each `(steps, …)`."""
    loop = (tf.constant(0), *state, arrays)
    *_, arrays = tf.while_loop(lambda t, *_: t < steps, body, loop, maximum_iterations=steps)
    return [array.stack() for array in arrays]


def run_backward(body, steps, state, arrays):
    """Runs `body(t, *state, arrays)` for t = steps - 1 … 0; returns the last state, and the arrays' `(steps, …)`."""
    loop = (steps - 1, *state, arrays)
    _, *state, arrays = tf.while_loop(lambda t, *_: t >= 0, body, loop, maximum_iterations=steps)
    return state, [array.stack() for array in arrays]


def before(first, values):
    """`(steps, …)`, `values (steps, …)` one step later: `first (…)` is what stands before step 0."""
    return tf.concat([first[None], values[:-1]], 0)


def derivatives_of_cell(activations, cells, cells_before):
    """The LSTM cell's derivatives, for all steps at once, each of the shape of `cells` but for the third.

    Args:
        activations: `(steps, batch, 4 units)`, the gates' as `lstm_cell` gives them, side by side.
        cells: `(steps, batch, units)`, the cell after each step.
        cells_before: `(steps, batch, units)`, the cell before each step.

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


def cell_gradients(d_output, d_cell, derivatives):
    """One step back through the LSTM cell.

    Args:
        d_output: `(batch, units)`, the gradient of the step's output.
        d_cell: `(batch, units)`, that of its cell.
        derivatives: what `derivatives_of_cell` gives, at this step.

    Returns:
        gradients of its pre-activations `(batch, 4 units)` and of the cell before `(batch, units)`.
    """
    output_by_cell, output_by_gate, cell_by_others, cell_by_cell = derivatives
    d_cell += d_output * output_by_cell
    d_others = tf.concat([d_cell, d_cell, d_cell], axis=-1) * cell_by_others
    return tf.concat([d_others, d_output * output_by_gate], axis=-1), d_cell * cell_by_cell


@tf.custom_gradient
def lstm_sequence(gates, kernel):
    """An LSTM over whole sequences, from a zero state.

    Args:
        gates: `(steps, batch, 4 units)` float32, the inputs' share of the pre-activations, bias included.
        kernel: `(units, 4 units)` float32, the recurrent kernel.

    Returns:
        outputs `(steps, batch, units)`.
    """
    outputs, cells, activations = _lstm_forward(gates, kernel)
    return outputs, lambda d_outputs: _lstm_gradient(kernel, (outputs, cells, activations), (d_outputs,))


@tf.custom_gradient
def lstm_states(gates, kernel):
    """What `lstm_sequence` gives, and beside it the cells `(steps, batch, units)`."""
    outputs, cells, activations = _lstm_forward(gates, kernel)

    def gradient(d_outputs, d_cells):
        return _lstm_gradient(kernel, (outputs, cells, activations), (d_outputs, d_cells))

    return (outputs, cells), gradient


def _lstm_forward(gates, kernel):
    """Outputs, cells, and the gates' activations of all steps."""
    inputs = unstacked(gates)
    zeros = tf.zeros_like(gates[0, :, : kernel.shape[0]])

    def step(t, output, cell, arrays):
        output, cell, activations = lstm_cell(inputs.read(t) + tf.matmul(output, kernel), cell)
        return t + 1, output, cell, write(arrays, t, (output, cell, tf.concat(activations, -1)))

    steps = tf.shape(gates)[0]
    return run_forward(step, steps, (zeros, zeros), empty_arrays(3, steps, gates.dtype))


def _lstm_gradient(kernel, stored, upstream):
    """Gradients of gates and kernel, given what `_lstm_forward` returned and the gradients of its outputs, and of its
    cells where somebody reads them."""
    outputs, cells, activations = stored
    steps = tf.shape(outputs)[0]
    zeros = tf.zeros_like(outputs[0])
    local = [unstacked(values) for values in derivatives_of_cell(activations, cells, before(zeros, cells))]
    given = [unstacked(values) for values in upstream]
    # A product with a kernel that is transposed as it is read takes several times as long.
    transposed = tf.transpose(kernel)

    def step(t, d_output, d_cell, arrays):
        d_given, *d_cells = [array.read(t) for array in given]
        d_cell = d_cell + d_cells[0] if d_cells else d_cell
        d_gates, d_cell = cell_gradients(d_output + d_given, d_cell, [array.read(t) for array in local])
        return t - 1, tf.matmul(d_gates, transposed), d_cell, write(arrays, t, (d_gates,))

    _, (d_gates,) = run_backward(step, steps, (zeros, zeros), empty_arrays(1, steps, outputs.dtype))
    return d_gates, weight_gradient(before(zeros, outputs), d_gates)


def weight_gradient(inputs, d_outputs):
    """Gradient of a kernel from all its inputs `(…, in)` and its outputs' gradients `(…, out)`: `(in, out)`."""
    inputs, d_outputs = (tf.reshape(values, [-1, values.shape[-1]]) for values in (inputs, d_outputs))
    return tf.matmul(inputs, d_outputs, transpose_a=True)
