"""Between words and the pieces that a text encoder reads: words' pieces as one sequence, and its outputs by word."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mmtrans")
class PieceSequence(keras.layers.Layer):
    """Puts the pieces of all words of a segment into one sequence, between the marks of a sentence.

    Args:
        begin: id of the mark that begins a sentence.
        end: id of the mark that ends it.
        most: most pieces of a sequence, without the marks; those beyond are left out.

    Call arguments:
        inputs: `(batch, steps, columns)` float32, ids of each word's pieces; what is negative is none.
        source_mask: `(batch, steps)` bool, true at words.

    Returns:
        a dict of `pieces` `(batch, longest + 2)` int32, right-padded with the end mark; `length` `(batch,)` int32, with
        the marks; and `steps` `(batch, longest)` int32, the step of each piece's word, -1 beyond the last.

    Example:
        ```pycon
        >>> ids = tf.constant([[[7.0, 8.0], [9.0, -1.0]]])  # two words, of two pieces and of one
        >>> found = PieceSequence(begin=1, end=2, most=10)(ids, source_mask=tf.constant([[True, True]]))
        >>> found["pieces"].numpy().tolist(), found["steps"].numpy().tolist()
        ([[1, 7, 8, 9, 2]], [[0, 0, 1]])
        ```
    """

    def __init__(self, begin, end, most, **kwargs):
        super().__init__(**kwargs)
        self.begin, self.end, self.most = begin, end, most

    def call(self, inputs, source_mask):
        columns = inputs.shape[-1]
        batch, steps = tf.unstack(tf.shape(inputs)[:2])
        cells = steps * columns
        is_piece = tf.reshape((inputs >= 0) & source_mask[:, :, None], [batch, cells])
        count = tf.minimum(tf.reduce_sum(tf.cast(is_piece, tf.int32), 1), self.most)
        longest = tf.reduce_max(tf.concat([count, [0]], 0))
        # The cells of pieces first, each in its order: what sorts differs in all cells, so that no tie decides.
        order = -tf.range(cells)
        _, places = tf.math.top_k(tf.where(is_piece, order, order - cells), k=cells)
        places = places[:, :longest]
        valid = tf.sequence_mask(count, longest)
        ids = tf.gather(tf.cast(tf.reshape(inputs, [batch, cells]), tf.int32), places, batch_dims=1)
        ids = tf.pad(tf.where(valid, ids, self.end), [[0, 0], [1, 0]], constant_values=self.begin)
        return {
            "pieces": tf.pad(ids, [[0, 0], [0, 1]], constant_values=self.end),
            "length": count + 2,
            "steps": tf.where(valid, places // columns, -1),
        }

    def get_config(self):
        return {**super().get_config(), "begin": self.begin, "end": self.end, "most": self.most}


@keras.saving.register_keras_serializable("mmtrans")
class WordMeans(keras.layers.Layer):
    """Takes the mean of an encoder's outputs over the pieces of each word, at the word's step.

    Call arguments:
        inputs: `(batch, longest + 2, width)` float32, outputs at the pieces of `PieceSequence`, marks included.
        piece_steps: `(batch, longest)` int32, its `steps`.
        source_mask: `(batch, steps)` bool, of which only the shape is read.

    Returns:
        `(batch, steps, width)` float32, zero at words without pieces.

    Example:
        ```pycon
        >>> outputs = tf.constant([[[0.0], [1.0], [3.0], [5.0], [0.0]]])
        >>> mask = tf.constant([[True, True]])
        >>> WordMeans()(outputs, piece_steps=tf.constant([[0, 0, 1]]), source_mask=mask).numpy().tolist()
        [[[2.0], [5.0]]]
        ```
    """

    def call(self, inputs, piece_steps, source_mask):
        is_of_word = tf.one_hot(piece_steps, tf.shape(source_mask)[1], dtype=inputs.dtype)
        sums = tf.matmul(is_of_word, inputs[:, 1:-1], transpose_a=True)
        return sums / tf.maximum(tf.reduce_sum(is_of_word, 1)[:, :, None], 1.0)


@keras.saving.register_keras_serializable("mmtrans")
class Columns(keras.layers.Layer):
    """Takes some of a sequence's columns.

    Args:
        kept: `(start, stop)` of each block that is kept, in this order.

    Call arguments:
        inputs: `(batch, steps, dim)` float32.

    Returns:
        `(batch, steps, kept columns)` float32.

    Example:
        ```pycon
        >>> Columns([(2, 3), (0, 1)])(tf.constant([[[10.0, 20.0, 30.0]]])).numpy().tolist()
        [[[30.0, 10.0]]]
        ```
    """

    def __init__(self, kept, **kwargs):
        super().__init__(**kwargs)
        self.kept = [tuple(block) for block in kept]

    def call(self, inputs):
        blocks = [inputs[:, :, start:stop] for start, stop in self.kept]
        return blocks[0] if len(blocks) == 1 else tf.concat(blocks, -1)

    def get_config(self):
        return {**super().get_config(), "kept": self.kept}
