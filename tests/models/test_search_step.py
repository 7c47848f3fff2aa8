from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.models.build import build_translator
from mmtrans.models.search_step import make_search_step
from mmtrans.models.statistics import Statistics, StepRatio
from mmtrans.recipe import parse

BATCH, QUERIES, STEPS, TARGET_STEPS, TOKENS = 3, 2, 5, 4, 11
LENGTH, TARGET_LENGTH = np.array([5, 1, 3], np.int32), np.array([3, 4, 2], np.int32)
DIMS = {"text": 6, "audio": 2}
STATISTICS = Statistics(*({name: fill(dim) for name, dim in DIMS.items()} for fill in (np.zeros, np.ones)))
RATIOS = {("text", "audio"): StepRatio(0.7, 4.0)}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, marks=pytest.mark.smoke),
        {"cell": "gru"},
        {"max_distance": 0},
        {"tie_weights": True},
        {"tie_weights": True, "attention": "none"},
        {"cell": "gru", "attention": "none"},
        {"ratios": RATIOS},
        {"cell": "gru", "ratios": RATIOS},
    ],
    ids=str,
)
def test_the_search_s_step_is_the_decoder_s_own(fields):
    """Hypotheses that are fed the same tokens get the teacher-forced model's numbers, step by step."""
    sizes = {"units": 3, "attention_units": 8, "decoder_units": 9, "embedding_units": 7, "max_distance": 2}
    config = Config(target="tokens", **{**sizes, **{name: fields[name] for name in fields if name != "ratios"}})
    statistics = replace(STATISTICS, ratios=fields.get("ratios", {}))
    translator = build_translator(parse("T->A"), config, statistics, TOKENS)
    rng = np.random.default_rng(0)
    translator.model.set_weights([0.6 * rng.normal(size=w.shape) for w in translator.model.get_weights()])
    source = rng.normal(size=(BATCH, STEPS, DIMS["text"])).astype(np.float32)
    tokens = rng.integers(0, TOKENS, (QUERIES, BATCH, TARGET_STEPS)).astype(np.int32)
    inputs = {"source": source, "source_length": LENGTH, "target_length": TARGET_LENGTH}
    forced = [
        translator.model(translator.model_inputs({**inputs, "decoder_input": tokens[query]}))
        for query in range(QUERIES)
    ]

    encoded = translator.representation({"source": source, "source_length": LENGTH})
    decoder = translator.decoder
    # EOS is no step over the source.
    steps = TARGET_LENGTH - 1 if "ratios" in fields else None
    memory = decoder.prepare(encoded["memory"], tf.sequence_mask(LENGTH, STEPS), steps)
    cell = tuple(translator.bridge(encoded["final_state"]))
    step, state = make_search_step(decoder, translator.target, memory, cell)
    state = tf.nest.map_structure(lambda x: tf.repeat(x, QUERIES, axis=1), state)
    for t in range(TARGET_STEPS):
        logits, state, weights = step(tf.constant(tokens[:, :, t].T), state)
        for query in range(QUERIES):
            np.testing.assert_allclose(logits[:, query], forced[query]["logits"][:, t], atol=1e-5)
            np.testing.assert_allclose(weights[:, query], forced[query]["attention_weights"][:, t], atol=1e-6)
    assert np.abs(logits[:, 0] - logits[:, 1]).max(-1).min() > 1e-3


def test_a_row_without_valid_steps_is_no_nan():
    config = Config(target="tokens", units=3, attention_units=8, decoder_units=9)
    translator = build_translator(parse("T->A"), config, STATISTICS, TOKENS)
    decoder = translator.decoder
    memory = decoder.prepare(tf.ones([2, STEPS, 6]), tf.sequence_mask([0, 2], STEPS))
    step, state = make_search_step(decoder, translator.target, memory, (tf.ones([2, 9]), tf.ones([2, 9])))
    logits, _, weights = step(tf.zeros([2, 1], tf.int32), state)
    assert np.isfinite(logits).all()
    assert np.isfinite(weights).all()
    np.testing.assert_array_equal(weights[1, 0, 2:], 0.0)
