"""Recurrent encoders, of steps and of the segments of a video, and the bridge to a decoder."""

from __future__ import annotations

import keras
import tensorflow as tf

from mmtrans.layers.dropout import Dropout
from mmtrans.layers.recurrence import lstm_sequence, turned
from mmtrans.layers.wide import WIDE

RECURRENT = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
CELLS = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}


@keras.saving.register_keras_serializable("mmtrans")
class Encoder(keras.layers.Layer):
    """Stacked, optionally bidirectional recurrent layers with dropout on each one's input.

    A frozen encoder (`trainable = False`) has no dropout. It decides that itself: a functional model of Keras 3 hands
    its own `training` down to every layer, over a `training=False` that the layer was called with when it was built.

    Args:
        units: units of each direction.
        cell: `lstm` or `gru`.
        num_layers: number of stacked layers.
        bidirectional: whether each layer reads both ways.
        dropout: rate on the input of every layer.

    Call arguments:
        inputs: `(batch, source_steps, dim)` float32.
        source_mask: `(batch, source_steps)` bool, right-padded.
        training: whether dropout is on, unless the encoder is frozen.

    Returns:
        `(memory (batch, source_steps, memory_dim), final_state (batch, memory_dim))`, with `memory_dim` = `units`
        times the directions. The memory is zero at masked steps. The final state is each direction's output after
        its last valid step, so it equals `[forward at length - 1; backward at 0]`.

    Example:
        ```pycon
        >>> mask = tf.sequence_mask([5, 2])
        >>> memory, final_state = Encoder(units=3)(tf.ones([2, 5, 4]), source_mask=mask)
        >>> memory.shape, final_state.shape
        (TensorShape([2, 5, 6]), TensorShape([2, 6]))
        ```
    """

    def __init__(self, units, cell="lstm", num_layers=1, bidirectional=True, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.cell = cell
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.memory_dim = units * (2 if bidirectional else 1)
        self.dropouts = [Dropout(dropout, f"{self.name}/dropout_{i}", name=f"dropout_{i}") for i in range(num_layers)]
        self.recurrent = [self._recurrent_layer(i) for i in range(num_layers)]

    def _recurrent_layer(self, index):
        options = {"return_sequences": True, "return_state": True, "name": f"{self.cell}_{index}"}
        if keras.__version__ < "3" and not tf.config.list_physical_devices("GPU"):
            # Whenever they are called, LSTM and GRU of Keras 2 trace cuDNN's version and its gradient too: most of the
            # time that building a model takes, and operations that an exported graph should not hold.
            layer = keras.layers.RNN(CELLS[self.cell](self.units), **options)
        else:
            layer = RECURRENT[self.cell](self.units, **options)
        if not self.bidirectional:
            return layer
        both = keras.layers.Bidirectional(layer, name=f"bidirectional_{index}")
        # Bidirectional keeps copies, not `layer` itself. Keras 3 memoises by id() while it loads a file, so a layer at
        # the address of a freed one would be mistaken for it: keep this one alive.
        object.__setattr__(both, "copied_layer", layer)
        return both

    def build(self, input_shape):
        dim = input_shape[-1]
        for layer in self.recurrent:
            layer.build((None, None, dim))
            dim = self.memory_dim
        self.built = True

    def call(self, inputs, source_mask, training=False):
        memory = inputs
        final_state = None
        training = training and self.trainable
        # Keras' own layer is cuDNN's on a GPU; on a CPU it is a loop of many small operations a step.
        read = lstm_outputs if self.cell == "lstm" and not tf.config.list_physical_devices("GPU") else keras_outputs
        for dropout, recurrent in zip(self.dropouts, self.recurrent, strict=True):
            memory, final_state = read(recurrent, dropout(memory, training=training), source_mask)
        return memory, final_state

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.memory_dim), (input_shape[0], self.memory_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
        }


def keras_outputs(layer, inputs, mask):
    """Memory and final state (see `Encoder`) of one recurrent layer, as Keras computes them.

    Args:
        layer: Keras' LSTM, GRU, or a bidirectional one.
        inputs: `(batch, source_steps, dim)` float32.
        mask: `(batch, source_steps)` bool, right-padded.

    Returns:
        `(memory (batch, source_steps, memory_dim), final_state (batch, memory_dim))`.
    """
    memory, *states = layer(inputs, mask=mask)
    outputs = states[:: len(states) // 2] if isinstance(layer, keras.layers.Bidirectional) else states[:1]
    return tf.where(mask[:, :, None], memory, 0.0), tf.concat(outputs, -1)


def lstm_outputs(layer, inputs, mask):
    """The same of an LSTM or a bidirectional one: a loop for each direction, side by side, and no mask in it.

    The backward direction reads each sequence reversed within its length, so its padding comes last too, and what
    comes of padding is never read. Arguments and result have the shapes of `keras_outputs`.
    """
    both = isinstance(layer, keras.layers.Bidirectional)
    cells = [layer.forward_layer.cell, layer.backward_layer.cell] if both else [layer.cell]
    length = tf.reduce_sum(tf.cast(mask, tf.int32), 1)

    outputs = [
        lstm_sequence(gates, tf.convert_to_tensor(cell.recurrent_kernel))
        for cell, gates in zip(cells, input_gates(cells, inputs, mask, length), strict=True)
    ]
    memory = tf.transpose(tf.concat([outputs[0], *(turned(output, length) for output in outputs[1:])], -1), [1, 0, 2])
    last = tf.stack([tf.maximum(length - 1, 0), tf.range(tf.shape(length)[0])], 1)
    final_state = tf.concat([tf.gather_nd(output, last) for output in outputs], -1)
    return tf.where(mask[:, :, None], memory, 0.0), tf.where(length[:, None] > 0, final_state, 0.0)


def input_gates(cells, inputs, mask, length):
    """The inputs' share of the pre-activations of each cell, bias included.

    Of wide inputs the valid steps alone are multiplied, and the products are put into their places: padding costs
    nothing, and no row of the inputs is copied twice. The kernels' gradients are then added up in another order.

    Args:
        cells: the forward direction's cell and, if there is one, the backward direction's.
        inputs: `(batch, source_steps, dim)` float32.
        mask: `(batch, source_steps)` bool, right-padded.
        length: `(batch,)` int32, the valid steps.

    Returns:
        for each cell `(source_steps, batch, 4 units)`, in the order in which its direction reads.
    """
    if inputs.shape[-1] < WIDE:
        sequence = tf.transpose(inputs, [1, 0, 2])
        sequences = [sequence, turned(sequence, length)] if len(cells) > 1 else [sequence]
        return [_product(cell, sequence) for cell, sequence in zip(cells, sequences, strict=True)]
    places = tf.cast(tf.where(mask), tf.int32)
    rows, steps = places[:, 0], places[:, 1]
    valid = tf.gather_nd(inputs, places)
    read_at = [steps, tf.gather(length, rows) - 1 - steps][: len(cells)]
    shape = [tf.shape(mask)[1], tf.shape(mask)[0], cells[0].kernel.shape[-1]]
    return [
        tf.scatter_nd(tf.stack([at, rows], 1), _product(cell, valid), shape)
        for cell, at in zip(cells, read_at, strict=True)
    ]


def _product(cell, inputs):
    """Inputs `(…, dim)` times a cell's kernel, and its bias."""
    return tf.tensordot(inputs, tf.convert_to_tensor(cell.kernel), 1) + cell.bias


@keras.saving.register_keras_serializable("mmtrans")
class AlongVideos(keras.layers.Layer):
    """A bidirectional LSTM that reads the segments of each video in their order (Poria et al. 2017, section 3.2).

    Rows may come in any order: numbers tell the video of each, and its place there. Of two rows with equal numbers the
    first one comes first. A video of one segment is a sequence of one step.

    Args:
        units: units of each direction.
        dropout: rate on the vectors that are read.

    Call arguments:
        inputs: `[vectors (batch, dim) float32, video_number (batch,) integer, segment_number (batch,) integer]`.
        training: whether dropout is on.

    Returns:
        `(batch, 2 units)` float32, for each row the outputs of both directions at its segment.

    Example:
        ```pycon
        >>> along = AlongVideos(units=3)
        >>> along([tf.ones([4, 5]), tf.constant([7, 7, 2, 7]), tf.constant([9, 1, 0, 4])]).shape
        TensorShape([4, 6])
        ```
    """

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.encoder = Encoder(units, dropout=dropout, name=f"{self.name}_encoder")

    def build(self, input_shape):
        (_, dim), *_ = input_shape
        self.encoder.build((None, None, dim))
        self.built = True

    def call(self, inputs, training=False):
        vectors, video_number, segment_number = inputs
        places, counts = places_in_videos(video_number, segment_number)
        dim = vectors.shape[-1]
        shape = tf.stack([tf.size(counts), tf.reduce_max(counts), dim])
        sequences = tf.ensure_shape(tf.scatter_nd(places, vectors, shape), [None, None, dim])
        outputs, _ = self.encoder(sequences, source_mask=tf.sequence_mask(counts), training=training)
        return tf.gather_nd(outputs, places)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], 2 * self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


def places_in_videos(video_number, segment_number):
    """Where each row stands among its video's, when videos are counted as they come and segments by their numbers.

    Args:
        video_number: `(batch,)` integer, equal for the segments of a video.
        segment_number: `(batch,)` integer, which rises within a video.

    Returns:
        `(batch, 2)` int32, the row's video and its place there, both from 0; and `(videos,)` int32, rows of each video.
    """
    _, video, counts = tf.unique_with_counts(video_number)
    order = tf.argsort(segment_number, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(video, order), stable=True))
    starts = tf.cumsum(counts, exclusive=True)
    places = tf.range(tf.size(order)) - tf.gather(starts, tf.gather(video, order))
    places = tf.scatter_nd(order[:, None], places, tf.shape(order))
    return tf.stack([video, places], 1), counts


@keras.saving.register_keras_serializable("mmtrans")
class Bridge(keras.layers.Layer):
    """Turns the encoder's final state into the decoder's initial state, through a tanh projection.

    Args:
        units: units of the decoder's cell.
        num_states: states of that cell: 2 for an LSTM, 1 for a GRU.

    Call arguments:
        inputs: `(batch, memory_dim)` float32.

    Returns:
        a list of `num_states` tensors `(batch, units)`.

    Example:
        ```pycon
        >>> [state.shape for state in Bridge(units=3, num_states=2)(tf.ones([4, 6]))]
        [TensorShape([4, 3]), TensorShape([4, 3])]
        ```
    """

    def __init__(self, units, num_states, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.num_states = num_states
        self.projection = keras.layers.Dense(units * num_states, activation="tanh", name="projection")

    def build(self, input_shape):
        self.projection.build(input_shape)
        self.built = True

    def call(self, inputs):
        return tf.split(self.projection(inputs), self.num_states, axis=-1)

    def compute_output_shape(self, input_shape):
        return [(input_shape[0], self.units)] * self.num_states

    def get_config(self):
        return {**super().get_config(), "units": self.units, "num_states": self.num_states}
