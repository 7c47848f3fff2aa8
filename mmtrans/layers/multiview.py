"""LSTMs of several views side by side, and how much of each other they read (Rajagopalan et al. 2016; Zadeh et al.
2018)."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.recurrence import lstm_states


@keras.saving.register_keras_serializable("mmtrans")
class MultiViewLSTM(keras.layers.Layer):
    """An LSTM for each view, step by step together (Rajagopalan et al. 2016; a system of LSTMs in Zadeh et al. 2018a).

    A view's gates read its own input and outputs of the step before: the first `own` share of its own, and the last
    `others` share of each other view's. With `own=1` and `others=0` the views know nothing of each other. Padding comes
    last, and what comes of it is for nobody to read.

    Args:
        units: units of each view's cell.
        own: share of its own outputs that a view reads.
        others: share of another view's outputs that it reads.

    Call arguments:
        inputs: a list of `(batch, steps, dim)` float32, one a view.

    Returns:
        `(outputs (batch, steps, all units), cells (batch, steps, all units))`, view after view.

    Example:
        ```pycon
        >>> outputs, cells = MultiViewLSTM(units=[3, 4])([tf.ones([2, 5, 6]), tf.ones([2, 5, 7])])
        >>> outputs.shape
        TensorShape([2, 5, 7])
        ```
    """

    def __init__(self, units, own=1.0, others=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.own = own
        self.others = others

    def build(self, input_shape):
        self.kernels = [
            self.add_weight(name=f"kernel_{i}", shape=(shape[-1], 4 * units), initializer="glorot_uniform")
            for i, (shape, units) in enumerate(zip(input_shape, self.units, strict=True))
        ]
        # A view of one that reads others alone has nothing to read.
        self.recurrent_kernels = [
            self.add_weight(name=f"recurrent_kernel_{i}", shape=(rows, 4 * units), initializer="orthogonal")
            if (rows := sum(self._rows_read(i)))
            else None
            for i, units in enumerate(self.units)
        ]
        self.bias = self.add_weight(name="bias", shape=(4 * sum(self.units),), initializer=_initial_bias)
        self.built = True

    def _rows_read(self, view):
        """How many outputs of each view this one reads."""
        return [round((self.own if i == view else self.others) * units) for i, units in enumerate(self.units)]

    def call(self, inputs):
        outputs, cells = lstm_states(self.input_gates(inputs), self.recurrent_kernel())
        return tf.transpose(outputs, [1, 0, 2]), tf.transpose(cells, [1, 0, 2])

    def input_gates(self, inputs):
        """The inputs' share of the pre-activations, bias included: `(steps, batch, 4 all units)`."""
        gates = []
        for stream, kernel, units in zip(inputs, self.kernels, self.units, strict=True):
            product = tf.tensordot(tf.transpose(stream, [1, 0, 2]), tf.convert_to_tensor(kernel), 1)
            shape = tf.shape(product)
            gates.append(tf.reshape(product, [shape[0], shape[1], 4, units]))
        joined = tf.concat(gates, -1)
        shape = tf.shape(joined)
        return tf.reshape(joined, [shape[0], shape[1], 4 * sum(self.units)]) + self.bias

    def recurrent_kernel(self):
        """The kernel of all views' outputs, `(all units, 4 all units)`: zero where a view does not read."""
        columns = tf.concat([self._columns(view) for view in range(len(self.units))], -1)
        return tf.reshape(columns, [sum(self.units), 4 * sum(self.units)])

    def _columns(self, view):
        """What a view makes of all views' outputs, `(all units, 4, units)`."""
        units, kernel = self.units[view], self.recurrent_kernels[view]
        if kernel is None:
            return tf.zeros([sum(self.units), 4, units])
        read, blocks = self._rows_read(view), []
        for i, part in enumerate(tf.split(tf.convert_to_tensor(kernel), read)):
            rest = self.units[i] - read[i]
            blocks.append(tf.pad(part, [[0, rest], [0, 0]] if i == view else [[rest, 0], [0, 0]]))
        return tf.reshape(tf.concat(blocks, 0), [-1, 4, units])

    def compute_output_shape(self, input_shape):
        shape = (*input_shape[0][:2], sum(self.units))
        return shape, shape

    def get_config(self):
        return {**super().get_config(), "units": list(self.units), "own": self.own, "others": self.others}


def _initial_bias(shape, dtype=None):
    """Zeros, but 1 for the forget gates (Jozefowicz et al. 2015)."""
    units = shape[0] // 4
    return tf.concat([tf.zeros([units], dtype), tf.ones([units], dtype), tf.zeros([2 * units], dtype)], 0)
