import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.models.losses import sentiment_loss
from mmtrans.models.regressor import build_regressor
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse

BATCH, STEPS = 3, 5
DIMS = {"text": 6, "audio": 2, "video": 7}
RNG = np.random.default_rng(0)
STATISTICS = Statistics(
    {name: RNG.normal(size=dim) for name, dim in DIMS.items()},
    {name: RNG.uniform(0.5, 2.0, size=dim) for name, dim in DIMS.items()},
)
SIZES = {"units": 3, "regressor_units": 4}
LENGTH = np.array([5, 3, 1], np.int32)
MASK = np.arange(STEPS) < LENGTH[:, None]


def make_regressor(recipe="A->V", **fields):
    """A regressor with random weights, biases included."""
    model = build_regressor(parse(recipe), Config(**{**SIZES, **fields}), STATISTICS)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.4 for w in model.get_weights()])
    return model


def make_inputs(recipe="A->V"):
    inputs = parse(recipe).inputs
    numbers = {"video_number": np.array([4, 9, 4]), "segment_number": np.array([1, 0, 0])}
    return {
        "source": np.random.default_rng(2).normal(size=(BATCH, STEPS, STATISTICS.dim(inputs))).astype(np.float32),
        "source_length": LENGTH,
        **(numbers if inputs.reads_videos else {}),
    }


def scores(model, inputs, step=None):
    """Scores outside of training, or at a step of it."""
    with random_step([0, step]):
        return model(inputs, training=step is not None)["score"].numpy()


OPTIONS = [
    ("lstm", False, "attention", "sequence", "A->V"),
    ("lstm", True, "last", "sequence", "A->V"),
    ("lstm", True, "attention", "final", "A->V"),
    ("gru", False, "last", "final", "A->V"),
    ("gru", True, "attention", "sequence", "concat(T,A)"),
    ("lstm", False, "last", "sequence", "embed(A,V)->T"),
    ("gru", False, "mean", "sequence", "A->V"),
    ("gru", True, "attention", "both", "A->V"),
]


@pytest.mark.parametrize(("cell", "bidirectional", "pooling", "representation", "recipe"), OPTIONS)
def test_padding_and_batch_order_change_nothing(cell, bidirectional, pooling, representation, recipe):
    model = make_regressor(
        recipe, cell=cell, bidirectional=bidirectional, pooling=pooling, representation=representation
    )
    inputs, order = make_inputs(recipe), [1, 2, 0]
    source = np.full((BATCH, STEPS + 2, inputs["source"].shape[2]), 30.0, np.float32)
    source[:, :STEPS] = np.where(MASK[:, :, None], inputs["source"], -30.0)
    expected = model(inputs)
    actual = model({"source": source[order], "source_length": LENGTH[order]})
    np.testing.assert_allclose(actual["score"], expected["score"].numpy()[order], atol=1e-5)
    steps = expected["attention_weights"].shape[1]
    weights = actual["attention_weights"].numpy()
    np.testing.assert_allclose(weights[:, :steps], expected["attention_weights"].numpy()[order], atol=1e-5)
    np.testing.assert_array_equal(weights[:, steps:], 0.0)
    assert np.abs(np.diff(expected["score"])).min() > 1e-4


@pytest.mark.parametrize("pooling", [pytest.param("attention", marks=pytest.mark.smoke), "last"])
def test_the_score_is_linear_in_the_pooled_outputs(pooling):
    model, inputs = make_regressor("A", pooling=pooling), make_inputs("A")
    features = (inputs["source"] - STATISTICS.mean["audio"]) / STATISTICS.std["audio"]
    outputs, final_output = model.get_layer("regressor")(features.astype(np.float32), source_mask=MASK)
    outputs, final_output = outputs.numpy(), final_output.numpy()
    kernel, bias = model.get_layer("linear").get_weights()
    actual = model(inputs)
    assert actual["score"].shape == (BATCH,)
    for b, n in enumerate(LENGTH):
        weights = np.zeros(STEPS)
        if pooling == "last":
            weights[n - 1], pooled = 1.0, final_output[b]
        else:
            exponentials = np.exp(outputs[b, :n] @ model.get_layer("pooling").get_weights()[0][:, 0])
            weights[:n] = exponentials / exponentials.sum()
            pooled = weights @ outputs[b]
        np.testing.assert_allclose(actual["score"][b], pooled @ kernel[:, 0] + bias[0], atol=1e-5)
        np.testing.assert_allclose(actual["attention_weights"][b], weights, atol=1e-6)


@pytest.mark.parametrize("pooling", ["attention", "last", "mean"])
def test_without_a_recurrent_layer_the_steps_themselves_are_pooled(pooling):
    model, inputs = make_regressor("A", pooling=pooling, recurrent=False), make_inputs("A")
    assert "regressor" not in [layer.name for layer in model.layers]
    features = (inputs["source"] - STATISTICS.mean["audio"]) / STATISTICS.std["audio"]
    kernel, bias = model.get_layer("linear").get_weights()
    actual = model(inputs)
    for b, n in enumerate(LENGTH):
        weights = np.zeros(STEPS)
        if pooling == "attention":
            exponentials = np.exp(features[b, :n] @ model.get_layer("pooling").get_weights()[0][:, 0])
            weights[:n] = exponentials / exponentials.sum()
        elif pooling == "mean":
            weights[:n] = 1 / n
        else:
            weights[n - 1] = 1.0
        np.testing.assert_allclose(actual["score"][b], weights @ features[b] @ kernel[:, 0] + bias[0], atol=1e-5)
        np.testing.assert_allclose(actual["attention_weights"][b], weights, atol=1e-6)


@pytest.mark.parametrize(("representation", "steps"), [("sequence", STEPS), ("final", 1)])
def test_what_is_read_of_a_translation(representation, steps):
    model, inputs = make_regressor(representation=representation), make_inputs()
    weights = model(inputs)["attention_weights"].numpy()
    assert weights.shape == (BATCH, steps)
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-6)
    encoded = model.get_layer("representation_1")(inputs)
    sequence, mask = (
        (encoded["memory"], MASK) if steps == STEPS else (encoded["final_state"][:, None, :], np.ones((BATCH, 1), bool))
    )
    outputs, _ = model.get_layer("regressor")(sequence, source_mask=mask)
    pooled, _ = model.get_layer("pooling")(outputs, source_mask=mask)
    expected = model.get_layer("linear")(pooled)[:, 0]
    np.testing.assert_allclose(model(inputs)["score"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "fields"),
    [
        pytest.param("A->V", {}, marks=pytest.mark.smoke),
        ("embed(A,V)->T", {}),
        # Its memory is one latent, which stands beside each step.
        ("A->V", {"bottleneck": "vae", "attention": "none", "latent_units": 5}),
    ],
)
def test_both_is_the_concatenation_by_hand(recipe, fields):
    """The scores are those of a regressor of features that are given the source's and the encoder's, side by side."""
    model, inputs = make_regressor(recipe, representation="both", **fields), make_inputs(recipe)
    representation = model.get_layer(f"representation_{len(parse(recipe).translations)}")
    names = parse(recipe).inputs.modalities
    mean, std = (np.concatenate([values[name] for name in names]) for values in (STATISTICS.mean, STATISTICS.std))
    own = np.where(MASK[..., None], (inputs["source"] - mean) / std, 0.0)
    memory = np.broadcast_to(
        representation(inputs)["memory"], (BATCH, STEPS, representation.output["memory"].shape[-1])
    )
    beside = np.concatenate([own, memory], axis=-1).astype(np.float32)

    plain = Statistics({"audio": np.zeros(beside.shape[-1])}, {"audio": np.ones(beside.shape[-1])})
    other = build_regressor(parse("A"), Config(**{**SIZES, **fields}), plain)
    inner = {id(weight) for weight in representation.weights}
    values = [weight.numpy() for weight in model.weights if id(weight) not in inner]
    other.set_weights(values)
    expected = other({"source": beside, "source_length": LENGTH})
    for name, found in model(inputs).items():
        np.testing.assert_allclose(found, expected[name], atol=1e-5)


def test_a_baseline_has_no_encoder_to_read():
    kinds = ("sequence", "final", "both")
    sequence, *others = (make_regressor("A", representation=kind)(make_inputs("A")) for kind in kinds)
    for other in others:
        np.testing.assert_allclose(other["score"], sequence["score"], atol=1e-6)


def test_filling_rows_give_finite_scores():
    inputs = {**make_inputs(), "source_length": np.array([5, 0, 2], np.int32)}
    inputs["source"][1] = 0.0
    assert np.isfinite(scores(make_regressor(), inputs)).all()


def test_the_score_starts_at_the_bias():
    model = build_regressor(parse("A"), Config(**SIZES), STATISTICS, bias=0.75)
    kernel, bias = model.get_layer("linear").get_weights()
    np.testing.assert_array_equal(bias, [0.75])
    model.get_layer("linear").set_weights([np.zeros_like(kernel), bias])
    np.testing.assert_array_equal(scores(model, make_inputs("A")), [0.75] * BATCH)


def adam_step(model, inputs):
    """One step on the sentiment loss; returns which of `weights` moved, by position."""
    before = [w.copy() for w in model.get_weights()]
    optimizer = keras.optimizers.Adam(0.1)
    with tf.GradientTape() as tape, random_step([0, 0]):
        score = model(inputs, training=True)["score"]
        loss = tf.add_n(sentiment_loss("mse", score, tf.constant([1.0, -2.0, 3.0]))[:1])
    variables = model.trainable_variables
    gradients = tape.gradient(loss, variables)
    assert all(gradient is not None for gradient in gradients)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    after = model.get_weights()
    return {id(v) for v, a, b in zip(model.weights, before, after, strict=True) if np.abs(a - b).max() > 0}


def ids(layer):
    return {id(v) for v in layer.weights}


@pytest.mark.parametrize(
    ("representation", "recipe"), [("sequence", "A->V"), ("final", "embed(A,V)->T"), ("both", "A->V")]
)
def test_sentiment_leaves_the_representation_untouched(representation, recipe):
    model = make_regressor(recipe, representation=representation)
    frozen = ids(model.get_layer(f"representation_{len(parse(recipe).translations)}"))
    assert frozen
    moved = adam_step(model, make_inputs(recipe))
    assert not moved & frozen
    assert ids(model.get_layer("linear")) <= moved
    assert moved & ids(model.get_layer("regressor"))


def test_finetune_moves_the_outer_encoder_only():
    model = make_regressor("embed(A,V)->T", finetune=True)
    representation = model.get_layer("representation_2")
    inner, outer = ids(representation.get_layer("representation_1")), ids(representation.get_layer("encoder_2"))
    moved = adam_step(model, make_inputs())
    assert inner
    assert not moved & inner
    assert outer <= moved


@pytest.mark.parametrize("recipe", [pytest.param("A->V", marks=pytest.mark.smoke), "embed(A,V)->T"])
def test_a_frozen_encoder_runs_without_dropout(recipe):
    inputs = make_inputs(recipe)
    frozen = make_regressor(recipe, dropout=0.5, regressor_dropout=0.0)
    np.testing.assert_allclose(scores(frozen, inputs, step=1), scores(frozen, inputs), atol=1e-6)
    moving = make_regressor(recipe, dropout=0.5, regressor_dropout=0.0, finetune=True)
    assert np.abs(scores(moving, inputs, step=1) - scores(moving, inputs)).max() > 1e-3


@pytest.mark.parametrize("pooling", ["attention", "last"])
def test_regressor_dropout_is_before_and_after_the_recurrent_layer(pooling):
    model, inputs = make_regressor("A", regressor_dropout=0.5, pooling=pooling), make_inputs("A")
    dropouts = [model.get_layer("regressor").dropouts[0], model.get_layer("output_dropout")]
    assert len({dropout.seed_name for dropout in dropouts}) == 2
    for silenced in dropouts:
        silenced.rate = 0.0
        assert np.abs(scores(model, inputs, step=1) - scores(model, inputs)).max() > 1e-3
        silenced.rate = 0.5


@pytest.mark.parametrize(
    ("recipe", "fields"),
    [
        pytest.param("concat(A,V)", {"cell": "gru", "pooling": "attention"}, marks=pytest.mark.smoke),
        ("embed(A,V)->T", {"cell": "lstm", "pooling": "last", "representation": "final"}),
        ("A->V", {"representation": "both"}),
    ],
)
def test_the_keras_file_round_trips(tmp_path, recipe, fields):
    model, inputs = make_regressor(recipe, dropout=0.5, regressor_dropout=0.0, **fields), make_inputs(recipe)
    model.save(tmp_path / "regressor.keras")
    loaded = keras.models.load_model(tmp_path / "regressor.keras")
    np.testing.assert_allclose(scores(loaded, inputs), scores(model, inputs), atol=1e-6)
    # Still without dropout in the frozen encoders.
    np.testing.assert_allclose(scores(loaded, inputs, step=1), scores(model, inputs), atol=1e-6)


@pytest.mark.slow
def test_it_overfits_eight_segments():
    rng = np.random.default_rng(3)
    config = Config(regressor_units=8, regressor_dropout=0.0)
    model = build_regressor(parse("A"), config, STATISTICS, bias=0.5)
    inputs = {
        "source": rng.normal(size=(8, 4, DIMS["audio"])).astype(np.float32),
        "source_length": np.array([4, 3, 2, 4, 1, 3, 4, 2], np.int32),
    }
    label = np.array([-3, 3, 1.4, -0.6, 0, 2.2, -1.8, np.nan], np.float32)
    optimizer = keras.optimizers.Adam(0.03)
    optimizer.build(model.trainable_variables)

    @tf.function
    def train_step():
        with tf.GradientTape() as tape, random_step([0, 0]):
            total, count = sentiment_loss("mae", model(inputs, training=True)["score"], label)
            loss = total / count
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    losses = [float(train_step()) for _ in range(200)]
    assert losses[0] > 1.0
    assert min(losses[-20:]) < 0.1
