"""An LSTM of several views with a code that all of them read, which several attentions make (Zadeh et al. 2018b)."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.multiview import MultiViewLSTM
from mmtrans.layers.recurrence import empty_arrays, lstm_cell, run_forward, unstacked, write


@keras.saving.register_keras_serializable("mmtrans")
class MultiAttentionLSTM(keras.layers.Layer):
    """Long-short term hybrid memories with a multi-attention block (Zadeh et al. 2018b).

    Each view has an LSTM, whose gates also read a code of what all views said one step before. After each step several
    attentions, each a softmax over the outputs of all views, weigh these outputs. For each view a dense layer with ReLU
    reduces what all attentions let pass of it; a last one with tanh makes the next code of what all views have left.
    Padding comes last, and what comes of it is for nobody to read.

    Args:
        units: units of each view's cell.
        reduced_units: units that each view is reduced to.
        code_units: units of the code.
        num_attentions: attentions that weigh the outputs.

    Call arguments:
        inputs: a list of `(batch, steps, dim)` float32, one a view.

    Returns:
        `(batch, steps, all units + code_units)`: the outputs, view after view, and the code.

    Example:
        ```pycon
        >>> layer = MultiAttentionLSTM(units=[3, 4], reduced_units=2, code_units=5, num_attentions=2)
        >>> layer([tf.ones([2, 6, 8]), tf.ones([2, 6, 9])]).shape.as_list()
        [2, 6, 12]
        ```
    """

    def __init__(self, units, reduced_units, code_units, num_attentions, **kwargs):
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.reduced_units = reduced_units
        self.code_units = code_units
        self.num_attentions = num_attentions
        self.views = MultiViewLSTM(units, name="views")
        self.attention = keras.layers.Dense(num_attentions * sum(units), name="attention")
        self.code = keras.layers.Dense(code_units, activation="tanh", name="code")

    def build(self, input_shape):
        width = sum(self.units)
        self.views.build(input_shape)
        self.code_kernel = self.add_weight(name="code_kernel", shape=(self.code_units, 4 * width))
        self.attention.build((None, width))
        self.reductions = [
            self.add_weight(name=f"reduction_{i}", shape=(self.num_attentions * units, self.reduced_units))
            for i, units in enumerate(self.units)
        ]
        reduced = len(self.units) * self.reduced_units
        self.reduction_bias = self.add_weight(name="reduction_bias", shape=(reduced,), initializer="zeros")
        self.code.build((None, reduced))
        self.built = True

    def call(self, inputs):
        gates = self.views.input_gates(inputs)
        given, steps, width = unstacked(gates), tf.shape(gates)[0], sum(self.units)
        kernel = tf.concat([self.views.recurrent_kernel(), tf.convert_to_tensor(self.code_kernel)], 0)
        reduction = self._reduction()

        def step(t, outputs_and_code, cells, arrays):
            outputs, cells, _ = lstm_cell(given.read(t) + tf.matmul(outputs_and_code, kernel), cells)
            both = tf.concat([outputs, self._code(outputs, reduction)], -1)
            return t + 1, both, cells, write(arrays, t, (both,))

        zeros = tf.zeros_like(gates[0, :, :width])
        first = tf.concat([zeros, tf.zeros([tf.shape(gates)[1], self.code_units], gates.dtype)], -1)
        (found,) = run_forward(step, steps, (first, zeros), empty_arrays(1, steps, gates.dtype))
        return tf.transpose(found, [1, 0, 2])

    def _code(self, outputs, reduction):
        """The code `(batch, code_units)` of all views' outputs `(batch, all units)`."""
        width = sum(self.units)
        weights = tf.nn.softmax(tf.reshape(self.attention(outputs), [-1, self.num_attentions, width]))
        passed = tf.reshape(weights * outputs[:, None], [-1, self.num_attentions * width])
        return self.code(tf.nn.relu(tf.matmul(passed, reduction) + self.reduction_bias))

    def _reduction(self):
        """The kernel of all views' reductions, `(num_attentions all units, all reduced_units)`: a view reads itself."""
        columns = []
        for i, (kernel, units) in enumerate(zip(self.reductions, self.units, strict=True)):
            block = tf.reshape(tf.convert_to_tensor(kernel), [self.num_attentions, units, self.reduced_units])
            columns.append(tf.pad(block, [[0, 0], [sum(self.units[:i]), sum(self.units[i + 1 :])], [0, 0]]))
        return tf.reshape(tf.concat(columns, -1), [self.num_attentions * sum(self.units), -1])

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:2], sum(self.units) + self.code_units)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("reduced_units", "code_units", "num_attentions")}
        return {**super().get_config(), "units": list(self.units), **own}
