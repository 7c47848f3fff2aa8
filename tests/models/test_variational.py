from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.models.build import build_translator
from mmtrans.models.losses import feature_log_likelihood
from mmtrans.models.regressor import build_regressor
from mmtrans.models.representation import build_representation
from mmtrans.models.statistics import Statistics
from mmtrans.models.variational import kl_term, segment_kl
from mmtrans.recipe import parse

BATCH, STEPS, TARGET_STEPS, LATENT, TOKENS = 3, 5, 4, 2, 7
DIMS = {"text": 6, "audio": 2, "video": 3}
STATISTICS = Statistics({name: np.zeros(dim) for name, dim in DIMS.items()}, {n: np.ones(d) for n, d in DIMS.items()})
SIZES = {"units": 3, "attention_units": 4, "decoder_units": 6, "dropout": 0.0, "bottleneck": "vae"}
LENGTH, TARGET_LENGTH = np.array([5, 3, 1], np.int32), np.array([2, 4, 0], np.int32)
MASK = np.arange(STEPS) < LENGTH[:, None]


def config_of(**fields):
    return Config(**{"latent_units": LATENT, "kl_weight": 1.0, **SIZES, **fields})


def make_translator(recipe="A->V", **fields):
    config = config_of(**fields)
    translator = build_translator(
        parse(recipe), config, STATISTICS, TOKENS if config.output.target == "tokens" else None
    )
    randomize(translator.model)
    return translator


def randomize(model):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.4 for w in model.get_weights()])


def make_batch(recipe="A->V", tokens=False, target_length=TARGET_LENGTH):
    recipe, rng = parse(recipe), np.random.default_rng(2)
    source = rng.normal(size=(BATCH, STEPS, STATISTICS.dim(recipe.inputs))).astype(np.float32)
    if tokens:
        target = rng.integers(2, TOKENS, size=(BATCH, TARGET_STEPS)).astype(np.int32)
        decoder_input = np.pad(target[:, :-1], ((0, 0), (1, 0)))
    else:
        target = rng.normal(size=(BATCH, TARGET_STEPS, STATISTICS.dim(recipe.target))).astype(np.float32)
        decoder_input = np.pad(target[:, :-1], ((0, 0), (1, 0), (0, 0)))
    batch = {"source": source, "source_length": LENGTH, "decoder_input": decoder_input, "target": target}
    return {name: tf.constant(value) for name, value in {**batch, "target_length": target_length}.items()}


def make_encoded(seed=0, scale=1.0):
    """What a representation gives, with posteriors of padding that are the prior."""
    rng, shapes = np.random.default_rng(seed), {"memory": (BATCH, STEPS, LATENT), "final_state": (BATCH, LATENT)}
    found = {}
    for name, shape in shapes.items():
        for suffix in ("", "_log_variance"):
            values = scale * rng.normal(size=shape)
            found[name + suffix] = np.where(MASK[:, :, None], values, 0.0) if len(shape) == 3 else values
    return {name: tf.constant(values, tf.float32) for name, values in found.items()}


def unit_kl(encoded, name, *index):
    mean, log_variance = (float(encoded[name + suffix][index]) for suffix in ("", "_log_variance"))
    return 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance)


def kl_loop(encoded, row):
    """Divergence of one segment: over its steps and units, then its final state's."""
    steps = sum(unit_kl(encoded, "memory", row, t, u) for t in range(LENGTH[row]) for u in range(LATENT))
    return steps + sum(unit_kl(encoded, "final_state", row, u) for u in range(LATENT))


@pytest.mark.smoke
def test_the_divergence_of_segments_and_its_term():
    encoded, batch = make_encoded(), make_batch()
    expected = [kl_loop(encoded, row) for row in range(BATCH)]
    np.testing.assert_allclose(segment_kl(encoded), expected, rtol=1e-5)
    term = kl_term(encoded, batch, config_of(kl_weight=0.6).latent, nats=1.5, training=False)
    # The third row has no target: it only fills the batch.
    assert float(term.total) == pytest.approx(expected[0] + expected[1], rel=1e-5)
    assert float(term.count) == 6.0
    assert float(term.weight) == pytest.approx(0.4)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (3, 0.6), (10, 2.0), (99, 2.0)])
def test_the_weight_rises_in_training(step, weight):
    config = config_of(kl_weight=2.0, kl_annealing_steps=10)
    with random_step([0, step]):
        term = kl_term(make_encoded(), make_batch(), config.latent, nats=1.0, training=True)
    assert float(term.weight) == pytest.approx(weight)
    assert kl_term(make_encoded(), make_batch(), config.latent, nats=1.0, training=False).weight == 2.0


def test_free_bits_are_those_of_each_unit_s_mean():
    encoded, batch, config = make_encoded(scale=0.8), make_batch(), config_of(free_bits=0.3)
    memory = [
        np.mean([unit_kl(encoded, "memory", b, t, u) for b in (0, 1) for t in range(LENGTH[b])]) for u in range(LATENT)
    ]
    final = [np.mean([unit_kl(encoded, "final_state", b, u) for b in (0, 1)]) for u in range(LATENT)]
    held = [mean < 0.3 for mean in (*memory, *final)]
    assert 0 < sum(held) < 4
    expected = sum(8 * max(0.3, mean) for mean in memory) + sum(2 * max(0.3, mean) for mean in final)
    with tf.GradientTape() as tape, random_step([0, 0]):
        tape.watch(encoded)
        term = kl_term(encoded, batch, config.latent, nats=1.0, training=True)
    assert float(term.total) == pytest.approx(expected, rel=1e-5)
    gradients = tape.gradient(term.total, encoded)
    moved = [*np.any(gradients["memory"], (0, 1)), *np.any(gradients["final_state"], 0)]
    assert moved == [not is_held for is_held in held]
    free = kl_term(encoded, batch, config.latent, nats=1.0, training=False)
    assert float(free.total) == pytest.approx(kl_loop(encoded, 0) + kl_loop(encoded, 1), rel=1e-5)


@pytest.mark.parametrize("names", [["audio"], ["text", "audio"]])
def test_the_log_likelihood_is_that_of_a_gaussian(names):
    rng, dims = np.random.default_rng(5), [DIMS[name] for name in names]
    stops = np.cumsum(dims).tolist()
    blocks = dict(zip(names, zip([0, *stops[:-1]], stops, strict=True), strict=True))
    prediction, target = (rng.normal(size=(BATCH, TARGET_STEPS, stops[-1])).astype(np.float32) for _ in range(2))
    target[0, 2:] = np.nan  # padding
    deviation = np.concatenate([np.full(dim, np.sqrt(len(dims) * dim / sum(dims))) for dim in dims])
    assert np.mean(deviation**-2) == pytest.approx(1.0)
    expected = [
        norm.logpdf(target[b, :n], prediction[b, :n], deviation).sum() for b, n in enumerate(TARGET_LENGTH.tolist())
    ]
    actual = feature_log_likelihood(prediction, target, TARGET_LENGTH, blocks)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "fields"),
    [
        ("A->V", {}),
        ("A->V", {"feature_sampling": 0.0}),
        ("T->concat(A,V)", {}),
        ("A->V", {"target": "tokens"}),
        ("A->V", {"attention": "none", "cell": "gru"}),
    ],
)
def test_the_loss_is_minus_the_bound_up_to_a_constant(recipe, fields):
    """Two models differ in loss and in bound by the same, the likelihood being that at the mean, as in validation."""
    batch, tokens = make_batch(recipe, "target" in fields), "target" in fields
    translator, losses, bounds = make_translator(recipe, **fields), [], []
    for _ in range(2):
        translator.model.set_weights([1.5 * w for w in translator.model.get_weights()])
        terms = translator.terms(batch, training=False)
        losses.append(sum(float(term.weight * term.total / term.count) for term in terms))
        encoded = translator.represent(batch["source"], batch["source_length"])
        likelihood = translator.target.log_likelihood(translator.write(encoded, batch, training=False), batch)
        # Without the row that only fills the batch.
        bounds.append(float(tf.reduce_sum((likelihood - segment_kl(encoded))[:2])))
        nats = 1.0 if tokens else STATISTICS.dim(parse(recipe).target) / 2
        assert translator.target.nats_per_loss == nats
    assert losses[1] - losses[0] == pytest.approx((bounds[0] - bounds[1]) / (nats * TARGET_LENGTH.sum()), rel=1e-4)
    assert abs(losses[1] - losses[0]) > 1e-2
    if tokens:
        assert losses[0] == pytest.approx(-bounds[0] / TARGET_LENGTH.sum(), rel=1e-5)


def outputs_of(translator, batch):
    inputs = {name: batch[name] for name in ("source", "source_length", "decoder_input")}
    frames, _ = translator.rollout(batch["source"], batch["source_length"], tf.constant([2, 4, 3]))
    return np.concatenate([np.ravel(frames), np.ravel(translator.model(inputs)["prediction"])])


@pytest.mark.parametrize("attention", ["bahdanau", "none"])
def test_the_decoder_sees_the_source_through_the_latents_alone(attention):
    translator, batch = make_translator(attention=attention), make_batch()
    other = {**batch, "source": batch["source"] + 1.0}
    assert np.abs(outputs_of(translator, batch) - outputs_of(translator, other)).max() > 1e-3
    for layer in translator.representation.layers:
        if "bottleneck" in layer.name:
            layer.set_weights([np.zeros_like(layer.get_weights()[0]), layer.get_weights()[1]])
    np.testing.assert_array_equal(outputs_of(translator, batch), outputs_of(translator, other))


def with_latent(translator, latent, batch, step=0):
    """A rollout, which must be the one that comes of the latent."""
    with random_step([0, step]):
        frames, _ = replace(translator, latent=latent).rollout(
            batch["source"], batch["source_length"], tf.constant([2, 4, 3])
        )
    return frames.numpy()


def test_what_is_decoded_of_a_latent():
    translator, batch = make_translator(), make_batch()
    other = {**batch, "source": batch["source"] + 1.0}
    mean, posterior, prior = (with_latent(translator, kind, batch) for kind in ("mean", "posterior", "prior"))
    np.testing.assert_array_equal(
        mean, translator.rollout(batch["source"], batch["source_length"], tf.constant([2, 4, 3]))[0]
    )
    assert np.abs(posterior - mean).max() > 1e-3
    np.testing.assert_array_equal(posterior, with_latent(translator, "posterior", batch))
    assert np.abs(posterior - with_latent(translator, "posterior", other)).max() > 1e-3
    np.testing.assert_array_equal(prior, with_latent(translator, "prior", other))
    assert np.abs(prior - with_latent(translator, "prior", batch, step=1)).max() > 1e-3


def test_training_draws_and_validation_does_not():
    translator, batch = make_translator(feature_sampling=0.0), make_batch()
    totals = []
    for step in (200, 200, 201):
        with random_step([0, step]):
            totals.append([float(term.total) for term in translator.terms(batch, training=True)])
    assert totals[0] == totals[1]
    assert totals[0][0] != totals[2][0]
    assert totals[0][1] == totals[2][1]  # the divergence is not a matter of chance
    valid, again = (translator.terms(batch, training=False) for _ in range(2))
    assert float(valid[0].total) == float(again[0].total) != totals[0][0]


@pytest.mark.parametrize("representation", ["sequence", "final"])
def test_the_regressor_reads_the_mean_frozen_or_not(representation):
    config = config_of(recipe="embed(A,V)->T", representation=representation, finetune=True, regressor_dropout=0.0)
    regressor, batch = build_regressor(parse(config.plan.recipe), config, STATISTICS), make_batch("A->T")
    randomize(regressor)
    inputs = {name: batch[name] for name in ("source", "source_length")}
    inner = regressor.get_layer("representation_2")
    assert inner(inputs)["memory"].shape[-1] == LATENT
    expected = regressor(inputs)["score"].numpy()
    with random_step([0, 1]):
        np.testing.assert_allclose(regressor(inputs, training=True)["score"], expected, atol=1e-6)


@pytest.mark.parametrize(("run_format", "memory"), [(2, (None, 1, LATENT)), (1, (None, None, 3))])
def test_without_attention_the_final_state_alone_is_a_latent(run_format, memory):
    config = config_of(attention="none", bidirectional=False)
    representation = build_representation(parse("A->V"), config, STATISTICS, run_format)
    latent = (None, LATENT)
    assert {name: tuple(tensor.shape) for name, tensor in representation.output.items()} == {
        "memory": memory,
        "final_state": latent,
        "final_state_log_variance": latent,
    }
    batch = make_batch()
    encoded = representation({name: batch[name] for name in ("source", "source_length")})
    if run_format == 2:
        np.testing.assert_array_equal(encoded["memory"][:, 0], encoded["final_state"])


@pytest.mark.parametrize(("recipe", "depth"), [("A->V", 1), ("embed(A,V)->T", 1), ("embed(A,V)->T", 2)])
@pytest.mark.parametrize(
    ("representation", "attention"),
    [pytest.param("sequence", "none", marks=pytest.mark.smoke), ("final", "none"), ("sequence", "bahdanau")],
)
def test_the_regressor_sees_the_source_through_the_latents_alone(recipe, depth, representation, attention):
    """Where a latent says nothing of the encoder, neither a score nor a gradient goes past it."""
    config = config_of(recipe=recipe, attention=attention, representation=representation, finetune=True)
    regressor, batch = build_regressor(parse(recipe), config, STATISTICS), make_batch("A->V")
    randomize(regressor)
    inputs = {name: batch[name] for name in ("source", "source_length")}
    other = {**inputs, "source": inputs["source"] + 1.0}
    assert np.abs(regressor(inputs)["score"] - regressor(other)["score"]).max() > 1e-4
    outer = regressor.get_layer(f"representation_{len(parse(recipe).translations)}")
    part = outer if outer.name.endswith(str(depth)) else outer.get_layer(f"representation_{depth}")
    bottlenecks = [layer for layer in part.layers if layer.name.endswith(f"_bottleneck_{depth}")]
    for layer in bottlenecks:
        layer.set_weights([np.zeros_like(layer.get_weights()[0]), layer.get_weights()[1]])
    encoder = part.get_layer(f"encoder_{depth}").weights
    kernels = [layer.projection.kernel for layer in bottlenecks]
    variables = [w if isinstance(w, tf.Variable) else w.value for w in (*encoder, *kernels)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        score = regressor(inputs)["score"]
    np.testing.assert_array_equal(regressor(other)["score"], score)
    gradients = tape.gradient(score, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert not any(np.any(gradient) for gradient in gradients[: len(encoder)])
    assert any(np.any(gradient) for gradient in gradients[len(encoder) :])


def test_without_a_bottleneck_nothing_is_added():
    plain = build_translator(parse("A->V"), config_of(bottleneck="none"), STATISTICS)
    assert set(plain.representation.output) == {"memory", "final_state"}
    assert not plain.is_variational
    assert len(plain.terms(make_batch(), training=False)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kl_weight", [0.0, 300.0])
def test_a_heavy_divergence_vanishes_and_a_free_one_lets_the_target_through(kl_weight):
    config = config_of(
        units=8, decoder_units=16, attention_units=8, latent_units=4, kl_weight=kl_weight, kl_annealing_steps=1
    )
    translator, batch = build_translator(parse("A->V"), config, STATISTICS), make_batch(target_length=LENGTH - 1)
    optimizer, variables = keras.optimizers.Adam(0.03), translator.model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def train_step(step):
        with tf.GradientTape() as tape, random_step(tf.stack([0, step])):
            loss = sum(t.weight * t.total / t.count for t in translator.terms(batch, training=True))
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    for step in range(1, 121):
        train_step(tf.constant(step))
    mse, kl = translator.terms(batch, training=False)
    mse, kl = float(mse.total / mse.count), float(kl.total / kl.count)
    if kl_weight:
        assert kl < 0.01
    else:
        assert mse < 0.1
        assert kl > 1.0
