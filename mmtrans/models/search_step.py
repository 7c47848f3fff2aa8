"""One step of a tokens target for searching: the decoder's and the head's numbers from fewer products.

What a search can know beforehand is multiplied out once a batch. Token vectors only enter as their share of the gates,
a table. A context `weights · memory` only enters products with a kernel, and `weights · (memory · kernel)` is the
same, cheaper, and lets hypotheses carry their attention weights instead of contexts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from mmtrans.layers.attention import MASKED_SCORE, BahdanauAttention
from mmtrans.layers.decoder import AttentionDecoder
from mmtrans.layers.decoder_state import Memory
from mmtrans.layers.recurrence import gru_step, lstm_step
from mmtrans.models.targets import TokenTarget


class SearchState(NamedTuple):
    """What hypotheses carry from step to step.

    Attributes:
        cell: the cell's states, each `(batch, queries, units)`.
        attention_weights: `(batch, queries, source_steps)` of the step before, 0 before the first.
        position: `(batch, queries)` int32, the number of the next step.
    """

    cell: tuple
    attention_weights: tf.Tensor
    position: tf.Tensor


def make_search_step(
    decoder: AttentionDecoder, target: TokenTarget, memory: Memory, cell: tuple
) -> tuple[Callable, SearchState]:
    """The step function that `beam_search` takes, and the state before its first step.

    Args:
        decoder: the decoder, built.
        target: built, the owner of token vectors and head.
        memory: what `decoder.prepare` gives.
        cell: the cell's first states, each `(batch, units)`.

    Returns:
        `(step, state)`; `step(tokens (batch, queries) int32, state) → (logits (batch, queries, vocabulary_size),
        state, attention_weights (batch, queries, source_steps))`, all queries being at the same position.
    """
    batch, source_steps = tf.shape(memory.mask)[0], tf.shape(memory.mask)[1]
    recurrent = tf.convert_to_tensor(decoder.recurrent_kernel)
    head = tf.convert_to_tensor(target.projection.kernel)
    head_bias = tf.convert_to_tensor(target.projection.bias)
    table = decoder.project_inputs(tf.convert_to_tensor(target.embedding.embeddings))
    attends = decoder.attention is not None
    if attends:
        context_gates = tf.tensordot(memory.values, tf.convert_to_tensor(decoder.context_kernel), 1)
        # Weights sum to 1, so the bias can be added here once.
        context_head = tf.tensordot(memory.values, head[decoder.units :], 1) + head_bias
        scores = packed_scores(decoder.attention, memory)

    def attend(output, position):
        if not attends:
            return tf.zeros([batch, tf.shape(output)[1], source_steps])
        all_scores = scores(output)
        if decoder.max_distance:
            all_scores += decoder.position_bias(position[:1, :1], memory)
        return tf.nn.softmax(all_scores)

    def step(tokens, state):
        gates = [tf.gather(table, tokens)]
        if attends:
            gates.append(tf.matmul(state.attention_weights, context_gates))
        recurrent_gates = tf.tensordot(state.cell[0], recurrent, 1)
        if decoder.cell == "lstm":
            cell = lstm_step(tf.add_n([*gates, recurrent_gates]), state.cell)
        else:
            cell = gru_step(tf.add_n(gates), recurrent_gates + decoder.recurrent_bias, state.cell)
        attention_weights = attend(cell[0], state.position)
        written = tf.tensordot(cell[0], head[: decoder.units], 1)
        written += tf.matmul(attention_weights, context_head) if attends else head_bias
        logits = target.embedding(written, reverse=True) if target.config.output.tie_weights else written
        return logits, SearchState(cell, attention_weights, state.position + 1), attention_weights

    first = SearchState(
        tuple(state[:, None, :] for state in cell), tf.zeros([batch, 1, source_steps]), tf.zeros([batch, 1], tf.int32)
    )
    return step, first


def packed_scores(attention: BahdanauAttention, memory: Memory) -> Callable:
    """`query (batch, queries, query_dim) →` attention scores `(batch, queries, source_steps)`, masked ones included.

    The tanh is most of a search's work, so it is taken of valid source steps only: a batch of mixed lengths is
    mostly padding.
    """
    valid = tf.where(memory.mask)
    row = tf.cast(valid[:, 0], tf.int32)
    keys = tf.gather_nd(memory.keys, valid)[:, None, :]
    number = tf.shape(row)[0]
    count = tf.reshape(tf.cumsum(tf.cast(tf.reshape(memory.mask, [-1]), tf.int32)), tf.shape(memory.mask))
    place = tf.where(memory.mask, count - 1, number)
    query_kernel = tf.convert_to_tensor(attention.query_kernel)
    score_kernel = tf.convert_to_tensor(attention.score_kernel)[:, 0]

    def scores(query):
        energy = tf.tanh(tf.gather(tf.tensordot(query, query_kernel, 1), row) + keys)
        packed = tf.tensordot(energy, score_kernel, 1)
        padded = tf.pad(packed, [[0, 1], [0, 0]], constant_values=MASKED_SCORE)
        return tf.transpose(tf.gather(padded, place), [0, 2, 1])

    return scores
