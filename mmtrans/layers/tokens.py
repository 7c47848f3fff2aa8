"""Token targets: the ids that every vocabulary has, and the layer of their vectors."""

from __future__ import annotations

import keras
import tensorflow as tf

#: Ids of the tokens that begin and end a sequence, and of words that are in no vocabulary.
BOS, EOS, UNK = 0, 1, 2


@keras.saving.register_keras_serializable("mmtrans")
class ReversibleEmbedding(keras.layers.Layer):
    """Vectors of tokens; in reverse, logits of tokens from vectors, with the same weights (Press and Wolf 2017).

    Args:
        vocabulary_size: number of tokens.
        units: width of a vector.

    Call arguments:
        inputs: `(batch, steps)` integer; in reverse `(batch, steps, units)` float32.
        reverse: whether to go the other way, from vectors to logits.

    Returns:
        `(batch, steps, units)` float32; in reverse `(batch, steps, vocabulary_size)` logits.

    Example:
        ```pycon
        >>> embedding = ReversibleEmbedding(vocabulary_size=7, units=3)
        >>> vectors = embedding(tf.constant([[1, 2]]))
        >>> vectors.shape, embedding(vectors, reverse=True).shape
        (TensorShape([1, 2, 3]), TensorShape([1, 2, 7]))
        ```
    """

    def __init__(self, vocabulary_size, units, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units

    def build(self, input_shape):
        shape = (self.vocabulary_size, self.units)
        self.embeddings = self.add_weight(name="embeddings", shape=shape, initializer="uniform")
        self.built = True

    def call(self, inputs, reverse=False):
        embeddings = tf.convert_to_tensor(self.embeddings)
        if reverse:
            return tf.tensordot(inputs, embeddings, [[-1], [1]])
        return tf.gather(embeddings, tf.cast(inputs, tf.int32))

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size, "units": self.units}
