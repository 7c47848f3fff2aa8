"""Copying and reversing sequences of tokens: the attention decoder and the beam search as a whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.data.batch import token_target
from mmtrans.decoding.options import SearchOptions
from mmtrans.layers.dropout import random_step
from mmtrans.models.build import build_translator
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse

SYMBOLS, LONGEST = 8, 8
MEANS, STDS = ({"audio": fill(SYMBOLS), "video": fill(1)} for fill in (np.zeros, np.ones))
STATISTICS = Statistics(MEANS, STDS)


def draw(rng, count, reverse):
    """Random sequences: one-hot sources, and as targets their symbols in the same or in reversed order."""
    length = rng.integers(3, LONGEST + 1, count).astype(np.int32)
    symbols = rng.integers(0, SYMBOLS, (count, LONGEST)).astype(np.int32)
    source = np.eye(SYMBOLS, dtype=np.float32)[symbols] * (np.arange(LONGEST) < length[:, None])[:, :, None]
    ids = symbols + 2
    if reverse:
        ids = np.stack([np.concatenate([row[:n][::-1], row[n:]]) for row, n in zip(ids, length, strict=True)])
    return {"source": source, "source_length": length, **token_target(tf.constant(ids), tf.constant(length))}


def trained(reverse, steps, max_distance):
    keras.utils.set_random_seed(0)
    config = Config(
        target="tokens",
        units=48,
        decoder_units=64,
        attention_units=48,
        embedding_units=16,
        dropout=0.0,
        max_distance=max_distance,
    )
    translator = build_translator(parse("A->V"), config, STATISTICS, SYMBOLS + 2)
    optimizer, variables = keras.optimizers.Adam(5e-3), translator.model.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def train_step(batch):
        with tf.GradientTape() as tape, random_step([0, 0]):
            (term,) = translator.terms(batch, training=True)
            loss = term.total / term.count
        gradients, _ = tf.clip_by_global_norm([tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)], 1.0)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    rng = np.random.default_rng(1)
    for _ in range(steps):
        train_step({name: tf.convert_to_tensor(value) for name, value in draw(rng, 64, reverse).items()})
    return translator


@pytest.mark.slow
@pytest.mark.parametrize(("reverse", "steps", "max_distance"), [(False, 300, 16), (True, 600, 0)])
def test_sequences_are_copied_and_reversed(reverse, steps, max_distance):
    translator = trained(reverse, steps, max_distance)
    test = draw(np.random.default_rng(99), 200, reverse)
    limits = (np.zeros(200, np.int32), np.full(200, LONGEST + 2, np.int32))
    found = {
        width: translator.search(test["source"], test["source_length"], limits, SearchOptions(beam_width=width))
        for width in (1, 5)
    }
    exact, focused = 0, 0
    for row, length in enumerate(test["source_length"]):
        steps = int(found[5].lengths[row, 0])
        exact += found[5].ids[row, 0, :steps].numpy().tolist() == test["target"][row, : length + 1].numpy().tolist()
        order = np.arange(length)[::-1] if reverse else np.arange(length)
        weights = found[5].attention_weights[row, 0].numpy()[:length, :length]
        focused += weights.shape[0] == length and np.abs(weights.argmax(1) - order).mean() <= 1
    assert exact >= 0.99 * 200
    assert focused >= 0.9 * 200
    assert np.mean(found[5].log_probs) >= np.mean(found[1].log_probs) - 1e-6
