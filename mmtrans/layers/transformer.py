"""The layers of a BERT encoder: embeddings of pieces, and blocks of self-attention (Devlin et al. 2019, section 3)."""

from __future__ import annotations

import functools
import math

import keras
import tensorflow as tf

from mmtrans.layers.attention import masked_softmax
from mmtrans.layers.dropout import Dropout

#: Name of an activation in `config.json` → the function.
ACTIVATIONS = {
    "gelu": functools.partial(tf.nn.gelu, approximate=False),
    "gelu_new": functools.partial(tf.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(tf.nn.gelu, approximate=True),
    "relu": tf.nn.relu,
}

#: Standard deviation of random weights.
DEVIATION = 0.02


@keras.saving.register_keras_serializable("mmtrans")
class PieceEmbeddings(keras.layers.Layer):
    """Sum of a piece's embedding, its position's and that of the first segment type, normalised.

    Args:
        vocabulary: number of pieces.
        positions: rows of the table of positions.
        first_position: row of the first piece; RoBERTa's is 2.
        num_types: segment types, 0 for DistilBERT; the first is that of all pieces.
        width: size of the vectors.
        epsilon: added to the variance in the normalisation.
        dropout: share of the output that training drops.
        deviation: standard deviation of the first weights; 0 spares the time of drawing those that are to be replaced.

    Call arguments:
        inputs: `(batch, steps)` int32, ids of pieces.
        training: whether to drop. Needs `random_step` around it.

    Returns:
        `(batch, steps, width)` float32.

    Example:
        ```pycon
        >>> sizes = {"vocabulary": 9, "positions": 6, "first_position": 0, "num_types": 2, "width": 4}
        >>> PieceEmbeddings(**sizes, epsilon=1e-12)(tf.constant([[3, 1, 2]])).shape
        TensorShape([1, 3, 4])
        ```
    """

    def __init__(
        self,
        vocabulary,
        positions,
        first_position,
        num_types,
        width,
        epsilon,
        dropout=0.0,
        deviation=DEVIATION,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.deviation = deviation
        self.vocabulary, self.positions, self.first_position = vocabulary, positions, first_position
        self.num_types, self.width, self.epsilon, self.dropout = num_types, width, epsilon, dropout
        self.norm = keras.layers.LayerNormalization(epsilon=epsilon, name="norm")
        self.drop = Dropout(dropout, f"{self.name}/dropout", name="drop")

    def build(self, input_shape):
        self.pieces = self._table("pieces", self.vocabulary)
        self.places = self._table("places", self.positions)
        self.types = self._table("types", self.num_types) if self.num_types else None
        self.norm.build((None, None, self.width))
        self.built = True

    def _table(self, name, rows):
        return self.add_weight(name=name, shape=(rows, self.width), initializer=_initializer(self.deviation))

    def call(self, inputs, training=False):
        places = tf.convert_to_tensor(self.places)[self.first_position : self.first_position + tf.shape(inputs)[1]]
        vectors = tf.gather(tf.convert_to_tensor(self.pieces), inputs) + places
        if self.types is not None:
            vectors += tf.convert_to_tensor(self.types)[0]
        return self.drop(self.norm(vectors), training=training and self.trainable)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.width)

    def get_config(self):
        names = ("vocabulary", "positions", "first_position", "num_types", "width", "epsilon", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("mmtrans")
class TransformerBlock(keras.layers.Layer):
    """Self-attention with several heads, then a feed-forward layer; each is added to its input, and the sum normalised.

    Args:
        width: size of the vectors.
        num_heads: heads of the attention, a divisor of `width`.
        inner: units of the feed-forward layer.
        activation: one of `ACTIVATIONS`.
        epsilon: added to the variance in the normalisations.
        dropout: share of the attention weights and of both outputs that training drops.
        deviation: standard deviation of the first weights; 0 spares the time of drawing those that are to be replaced.

    Call arguments:
        inputs: `(batch, steps, width)` float32.
        source_mask: `(batch, steps)` bool, true at steps that are attended to; `None` for all.
        training: whether to drop. Needs `random_step` around it.

    Returns:
        `(batch, steps, width)` float32.

    Example:
        ```pycon
        >>> block = TransformerBlock(width=4, num_heads=2, inner=8)
        >>> block(tf.ones([1, 3, 4]), source_mask=tf.ones([1, 3], bool)).shape
        TensorShape([1, 3, 4])
        ```
    """

    def __init__(
        self, width, num_heads, inner, activation="gelu", epsilon=1e-12, dropout=0.0, deviation=DEVIATION, **kwargs
    ):
        super().__init__(**kwargs)
        self.deviation = deviation
        self.width, self.num_heads, self.inner = width, num_heads, inner
        self.activation, self.epsilon, self.dropout = activation, epsilon, dropout
        self.query, self.key, self.value = (self._dense(name, width) for name in ("query", "key", "value"))
        self.attended, self.expand, self.contract = (
            self._dense(name, units) for name, units in (("attended", width), ("expand", inner), ("contract", width))
        )
        self.attended_norm = keras.layers.LayerNormalization(epsilon=epsilon, name="attended_norm")
        self.norm = keras.layers.LayerNormalization(epsilon=epsilon, name="norm")
        self.weights_drop, self.attended_drop, self.drop = (
            Dropout(dropout, f"{self.name}/{name}", name=name) for name in ("weights_drop", "attended_drop", "drop")
        )

    def _dense(self, name, units):
        return keras.layers.Dense(units, kernel_initializer=_initializer(self.deviation), name=name)

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value, self.attended, self.expand, self.attended_norm, self.norm):
            layer.build((None, None, self.width))
        self.contract.build((None, None, self.inner))
        self.built = True

    def call(self, inputs, source_mask, training=False):
        training = training and self.trainable
        attended = self.attended(self._attend(inputs, source_mask, training))
        hidden = self.attended_norm(inputs + self.attended_drop(attended, training=training))
        expanded = ACTIVATIONS[self.activation](self.expand(hidden))
        return self.norm(hidden + self.drop(self.contract(expanded), training=training))

    def _attend(self, inputs, source_mask, training):
        """The values of the steps that each step attends to, the heads side by side: `(batch, steps, width)`."""
        drop = functools.partial(self.weights_drop, training=training)
        return attend_by_head(
            self.query(inputs), self.key(inputs), self.value(inputs), source_mask, self.num_heads, drop
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("width", "num_heads", "inner", "activation", "epsilon", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def attend_by_head(query, key, value, source_mask, num_heads, drop):
    """Scaled dot-product attention of several heads (Vaswani et al. 2017, section 3.2).

    Args:
        query: `(batch, queries, width)` float32.
        key, value: `(batch, steps, width)` float32.
        source_mask: `(batch, steps)` bool, true at steps that are attended to; `None` for all.
        num_heads: heads, a divisor of `width`; each has its columns, in their order.
        drop: called with the weights `(batch, num_heads, queries, steps)`.

    Returns:
        `(batch, queries, width)` float32, the heads side by side.
    """
    head_width = query.shape[-1] // num_heads
    query, key, value = (_by_head(vectors, num_heads) for vectors in (query, key, value))
    scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(head_width)
    weights = tf.nn.softmax(scores) if source_mask is None else masked_softmax(scores, source_mask[:, None, None, :])
    attended = tf.transpose(tf.matmul(drop(weights), value), (0, 2, 1, 3))
    shape = tf.shape(attended)
    return tf.reshape(attended, [shape[0], shape[1], num_heads * head_width])


def _by_head(vectors, num_heads):
    """`(batch, steps, width)` as `(batch, num_heads, steps, width / num_heads)`."""
    shape = tf.shape(vectors)
    return tf.transpose(tf.reshape(vectors, [shape[0], shape[1], num_heads, -1]), (0, 2, 1, 3))


def _initializer(deviation):
    return keras.initializers.TruncatedNormal(stddev=deviation) if deviation else keras.initializers.Zeros()
