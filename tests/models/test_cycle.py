import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.models.build import build_translator
from mmtrans.models.cycle import build_cycle, cycle_terms
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse

BATCH, STEPS, TARGET_STEPS, TOKENS = 3, 5, 4, 7
STATISTICS = Statistics(
    {"audio": np.array([1.0, -2.0]), "video": np.array([0.5, 0.0, -1.0])},
    {"audio": np.array([0.5, 4.0]), "video": np.array([2.0, 1.0, 0.25])},
)
SIZES = {"units": 3, "attention_units": 8, "decoder_units": 6, "embedding_units": 4, "dropout": 0.0}
LENGTH, TARGET_LENGTH = np.array([5, 3, 1], np.int32), np.array([2, 4, 3], np.int32)
TARGETS = [{"feature_sampling": 0.0}, {"feature_sampling": 1.0}, {"target": "tokens", "feature_sampling": 0.0}]


def make_pair(recipe="A->V", **fields):
    """A translator and its way back, with random weights."""
    config, rng = Config(**{**SIZES, **fields}), np.random.default_rng(1)
    tokens = TOKENS if config.output.target == "tokens" else None
    translator = build_translator(parse(recipe), config, STATISTICS, tokens)
    cycle = build_cycle(parse(recipe), config, STATISTICS, translator)
    for model in (translator.model, cycle.model):
        model.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.5 for w in model.get_weights()])
    return translator, cycle


def make_batch(config):
    rng = np.random.default_rng(2)
    batch = {"source": rng.normal(size=(BATCH, STEPS, 2)).astype(np.float32), "source_length": LENGTH}
    if config.output.target == "tokens":
        target = rng.integers(2, TOKENS, (BATCH, TARGET_STEPS)).astype(np.int32)
        previous = np.pad(target, ((0, 0), (1, 0)))[:, :-1]
    else:
        target = rng.normal(size=(BATCH, TARGET_STEPS, 3)).astype(np.float32)
        previous = np.pad(target, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return {**batch, "target": target, "decoder_input": previous, "target_length": TARGET_LENGTH}


def terms_back(cycle, decoded, batch):
    batch = {name: tf.convert_to_tensor(values) for name, values in batch.items()}
    (term,) = cycle_terms(cycle, tf.convert_to_tensor(decoded), batch, training=False)
    return term


def back_loss(translator, cycle, batch):
    decoded = translator.target.decoded(translator.outputs(batch, training=False))
    term = terms_back(cycle, decoded, batch)
    return term.total / term.count


def test_the_loss_is_over_the_source_s_valid_standardised_steps():
    translator, cycle = make_pair(feature_sampling=0.0)
    batch = make_batch(translator.target.config)
    decoded = np.random.default_rng(3).normal(size=(BATCH, TARGET_STEPS, 3)).astype(np.float32)
    source = batch["source"]
    previous = np.concatenate([np.zeros((BATCH, 1, 2), np.float32), source[:, :-1]], 1)
    inputs = {"source": decoded, "source_length": TARGET_LENGTH, "decoder_input": previous}
    prediction = cycle.model(inputs)["prediction"].numpy()
    error = np.square(prediction - (source - STATISTICS.mean["audio"]) / STATISTICS.std["audio"]).mean(-1)
    batch["target_length"] = np.array([2, 4, 0], np.int32)  # the last row fills up a replica's share
    term = terms_back(cycle, decoded, batch)
    assert float(term.total) == pytest.approx(error[0].sum() + error[1, :3].sum(), rel=1e-5)
    assert (float(term.count), term.name) == (8.0, "cycle")


def test_the_way_back_does_not_read_beyond_the_target_s_length():
    _, cycle = make_pair()
    batch = make_batch(Config())
    decoded = np.random.default_rng(3).normal(size=(BATCH, TARGET_STEPS, 3)).astype(np.float32)
    losses = []
    for garbage in (0.0, 50.0):
        valid = np.arange(TARGET_STEPS) < TARGET_LENGTH[:, None]
        term = terms_back(cycle, np.where(valid[:, :, None], decoded, garbage).astype(np.float32), batch)
        losses.append(float(term.total))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_tokens_are_read_as_the_mean_of_their_vectors():
    translator, cycle = make_pair(target="tokens")
    logits = np.random.default_rng(4).normal(size=(BATCH, TARGET_STEPS, TOKENS))
    vectors = translator.target.embedding.get_weights()[0]
    odds = np.exp(logits)
    expected = np.einsum("bst,td->bsd", odds / odds.sum(-1, keepdims=True), vectors)
    decoded = translator.target.decoded({"logits": tf.constant(logits, tf.float32)})
    np.testing.assert_allclose(decoded, expected, rtol=1e-5)
    assert cycle.representation.input["source"].shape[-1] == 4


@pytest.mark.parametrize("fields", TARGETS)
def test_the_gradient_reaches_the_encoder_through_what_was_decoded(fields):
    """Against finite differences along random directions of the encoder's weights."""
    translator, cycle = make_pair(**fields)
    batch, encoder = make_batch(translator.target.config), translator.representation
    before, rng = encoder.get_weights(), np.random.default_rng(5)
    with tf.GradientTape() as tape:
        loss = back_loss(translator, cycle, batch)
    gradients = [gradient.numpy() for gradient in tape.gradient(loss, encoder.trainable_variables)]
    assert min(np.abs(gradient).max() for gradient in gradients) > 1e-4
    for _ in range(2):
        directions, losses = [rng.normal(size=w.shape).astype(np.float32) for w in before], []
        for step in (5e-3, -5e-3):
            encoder.set_weights([w + step * d for w, d in zip(before, directions, strict=True)])
            losses.append(float(back_loss(translator, cycle, batch)))
        expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
        assert (losses[0] - losses[1]) / 1e-2 == pytest.approx(expected, rel=0.03)


def trained_back_loss(cut):
    """Back loss after some steps on it alone, of a target whose columns are the source's, turned round."""
    keras.utils.set_random_seed(3)
    translator, cycle = make_pair("A->A", feature_sampling=0.0)
    source = np.random.default_rng(6).normal(size=(BATCH, STEPS, 2)).astype(np.float32)
    batch = make_batch(Config())
    batch |= {"source": source, "target": source[:, :, ::-1], "target_length": LENGTH}
    batch["decoder_input"] = np.zeros_like(source)
    moving = [cycle.model] if cut else [cycle.model, translator.model]
    variables = [variable for model in moving for variable in model.trainable_variables]
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            decoded = translator.target.decoded(translator.outputs(batch, training=False))
            term = terms_back(cycle, tf.stop_gradient(decoded) if cut else decoded, batch)
            loss = term.total / term.count
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    losses = [float(step()) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    return losses[-1]


@pytest.mark.slow
def test_the_translation_learns_to_write_what_the_way_back_needs():
    assert trained_back_loss(cut=False) < 0.8 * trained_back_loss(cut=True)
