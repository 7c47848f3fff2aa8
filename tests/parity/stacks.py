"""Our layers and tensorflow-addons' own with the same random weights; importing this skips where that is missing."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.attention import BahdanauAttention
from mmtrans.layers.decoder import AttentionDecoder

tfa = pytest.importorskip("tensorflow_addons", reason="only the [addons] lane has tensorflow-addons")


def normal(rng, *shape):
    """Random float32 values, half as large as unit normal ones: gates and tanh stay out of saturation."""
    return (0.5 * rng.normal(size=shape)).astype(np.float32)


def randomize(layer, rng):
    """Gives a built layer random weights, biases included."""
    layer.set_weights([normal(rng, *weight.shape) for weight in layer.get_weights()])


def addons_attention(ours: BahdanauAttention, memory, memory_mask):
    """`tfa.seq2seq.BahdanauAttention` with the weights of ours.

    Args:
        ours: built.
        memory: `(batch, source_steps, memory_dim)` float32.
        memory_mask: `(batch, source_steps)` bool, of any form.
    """
    theirs = tfa.seq2seq.BahdanauAttention(ours.units)
    theirs.setup_memory(memory, memory_mask=memory_mask)
    query_dim = ours.query_kernel.shape[0]
    theirs([tf.zeros([len(memory), query_dim]), tf.zeros(memory.shape[:2])])
    theirs.query_layer.set_weights([np.array(ours.query_kernel)])
    theirs.memory_layer.set_weights([np.array(ours.memory_kernel)])
    theirs.attention_v.assign(np.array(ours.score_kernel)[:, 0])
    # The keys of the memory were computed with the weights before.
    theirs.setup_memory(memory, memory_mask=memory_mask)
    return theirs


def addons_decoder(ours: AttentionDecoder, memory, memory_mask):
    """`tfa.seq2seq.AttentionWrapper` that is the same function as our decoder without a distance bias.

    Its defaults are Luong's decoder. Ours puts out `[output; context]` and feeds back the context alone: an attention
    layer that changes nothing makes `[output; context]` their "attention", and the cell's input takes its end.
    """
    if ours.cell == "lstm":
        cell = tf.keras.layers.LSTMCell(ours.units)
        bias = np.array(ours.bias)
    else:
        cell = tf.keras.layers.GRUCell(ours.units, reset_after=True)
        bias = np.stack([ours.bias, ours.recurrent_bias])
    kernel = np.concatenate([ours.input_kernel, ours.context_kernel])
    cell.build((None, len(kernel)))
    cell.set_weights([kernel, np.array(ours.recurrent_kernel), bias])
    return tfa.seq2seq.AttentionWrapper(
        cell,
        addons_attention(ours.attention, memory, memory_mask),
        attention_layer=tf.keras.layers.Activation("linear"),
        cell_input_fn=lambda inputs, attention: tf.concat([inputs, attention[:, ours.units :]], -1),
    )


def first_state(wrapper, states):
    """The wrapper's state before its first step, given the cell's states, each `(batch, units)`."""
    zeros = wrapper.get_initial_state(batch_size=len(states[0]), dtype=tf.float32)
    return zeros.clone(cell_state=tf.nest.pack_sequence_as(zeros.cell_state, [tf.constant(s) for s in states]))


class DecoderCase(NamedTuple):
    """A decoder of ours with random weights and what it attends to.

    Args:
        decoder: built, without a distance bias.
        memory: `(batch, source_steps, memory_dim)` float32.
        mask: `(batch, source_steps)` bool, right-padded.
        states: the cell's first states, each `(batch, units)` float32.
    """

    decoder: AttentionDecoder
    memory: tf.Tensor
    mask: np.ndarray
    states: list


def make_decoder(cell, seed, batch=3, input_dim=6) -> DecoderCase:
    """A `DecoderCase` of 5 source steps, memory 4, 7 units, and attention 8; the first row has no padding."""
    rng = np.random.default_rng(seed)
    decoder = AttentionDecoder(7, cell, 8, max_distance=0)
    states = [normal(rng, batch, 7) for _ in range(decoder.num_states)]
    decoder.build([(batch, None, input_dim), (batch, 5, 4), *[state.shape for state in states]])
    randomize(decoder, rng)
    length = np.array([5, *rng.integers(1, 6, batch - 1)])
    memory = tf.constant(normal(rng, batch, 5, 4) * 4)
    return DecoderCase(decoder, memory, np.arange(5) < length[:, None], states)
