import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.decoding.beam_search import FORBIDDEN
from mmtrans.decoding.options import SearchOptions
from mmtrans.layers.dropout import random_step
from mmtrans.layers.tokens import BOS
from mmtrans.models.build import build_translator
from mmtrans.models.losses import feature_loss
from mmtrans.models.representation import build_representation
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse

BATCH, STEPS, TARGET_STEPS = 3, 5, 4
DIMS = {"text": 6, "audio": 2, "video": 7}
RNG = np.random.default_rng(0)
STATISTICS = Statistics(
    {name: RNG.normal(size=dim) for name, dim in DIMS.items()},
    {name: RNG.uniform(0.5, 2.0, size=dim) for name, dim in DIMS.items()},
)
SIZES = {"units": 3, "attention_units": 8, "decoder_units": 9, "num_layers": 1}
LENGTH, TARGET_LENGTH = np.array([5, 3, 1], np.int32), np.array([2, 4, 3], np.int32)
MASK = np.arange(STEPS) < LENGTH[:, None]
OPTIONS = [
    pytest.param("lstm", True, "bahdanau", marks=pytest.mark.smoke),
    ("gru", False, "bahdanau"),
    ("gru", True, "none"),
    ("lstm", False, "none"),
]
options = pytest.mark.parametrize(("cell", "bidirectional", "attention"), OPTIONS)


def make_translator(recipe="A->V", **fields):
    """A translator with random weights, biases and start frame included."""
    translator = build_translator(parse(recipe), Config(**{**SIZES, **fields}), STATISTICS)
    randomize(translator.model)
    return translator


def randomize(model):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.4 for w in model.get_weights()])


def make_inputs(recipe="A->V"):
    recipe, rng = parse(recipe), np.random.default_rng(2)
    return {
        "source": rng.normal(size=(BATCH, STEPS, STATISTICS.dim(recipe.inputs))).astype(np.float32),
        "source_length": LENGTH,
        "decoder_input": rng.normal(size=(BATCH, TARGET_STEPS, STATISTICS.dim(recipe.target))).astype(np.float32),
    }


def with_garbage(source):
    """The source with two more steps, and numbers that would be noticed in all its padding."""
    longer = np.full((BATCH, STEPS + 2, source.shape[2]), 30.0, np.float32)
    longer[:, :STEPS] = np.where(MASK[:, :, None], source, -30.0)
    return longer


@options
def test_padding_and_batch_order_change_nothing(cell, bidirectional, attention):
    translator = make_translator(cell=cell, bidirectional=bidirectional, attention=attention)
    inputs, order = make_inputs(), [1, 2, 0]
    outputs = translator.model(inputs)
    frames, _ = translator.rollout(inputs["source"], LENGTH, TARGET_LENGTH)
    source = with_garbage(inputs["source"])[order]
    decoder_input = np.pad(inputs["decoder_input"], [(0, 0), (0, 1), (0, 0)], constant_values=30.0)[order]
    padded = translator.model({"source": source, "source_length": LENGTH[order], "decoder_input": decoder_input})
    np.testing.assert_allclose(padded["prediction"][:, :TARGET_STEPS], outputs["prediction"].numpy()[order], atol=1e-5)
    weights = padded["attention_weights"].numpy()[:, :TARGET_STEPS]
    np.testing.assert_allclose(weights[:, :, :STEPS], outputs["attention_weights"].numpy()[order], atol=1e-5)
    np.testing.assert_array_equal(weights[:, :, STEPS:], 0.0)
    padded_frames, _ = translator.rollout(source, LENGTH[order], TARGET_LENGTH[order])
    np.testing.assert_allclose(padded_frames, frames.numpy()[order], atol=1e-5)


@options
def test_rollout_equals_teacher_forcing_on_its_own_frames(cell, bidirectional, attention):
    """The stepwise decoder and the loop over the whole sequence give the same numbers."""
    translator, inputs = make_translator(cell=cell, bidirectional=bidirectional, attention=attention), make_inputs()
    frames, weights = translator.rollout(inputs["source"], LENGTH, np.full(BATCH, TARGET_STEPS))
    raw = frames * STATISTICS.std["video"] + STATISTICS.mean["video"]
    previous = np.concatenate([np.full((BATCH, 1, DIMS["video"]), 99.0), raw[:, :-1]], 1).astype(np.float32)
    forced = translator.model({**inputs, "decoder_input": previous})
    np.testing.assert_allclose(forced["prediction"], frames, atol=1e-5)
    np.testing.assert_allclose(forced["attention_weights"], weights, atol=1e-5)
    assert np.abs(frames[:, 1:] - frames[:, :-1]).max(-1).min() > 1e-3


def test_rollout_ends_at_each_length():
    translator, inputs = make_translator(), make_inputs()
    full, _ = translator.rollout(inputs["source"], LENGTH, np.full(BATCH, TARGET_STEPS))
    frames, weights = translator.rollout(inputs["source"], LENGTH, TARGET_LENGTH)
    assert tuple(frames.shape) == (BATCH, TARGET_STEPS, DIMS["video"])
    assert tuple(weights.shape) == (BATCH, TARGET_STEPS, STEPS)
    valid = (np.arange(TARGET_STEPS) < TARGET_LENGTH[:, None])[:, :, None]
    np.testing.assert_allclose(frames, np.where(valid, full, 0.0), atol=1e-6)


def test_shapes_and_the_sum_of_attention():
    recipe = "concat(T,A)->concat(V,T)"
    translator, inputs = make_translator(recipe), make_inputs(recipe)
    outputs = translator.model(inputs)
    assert tuple(outputs["prediction"].shape) == (BATCH, TARGET_STEPS, 13)
    assert tuple(outputs["attention_weights"].shape) == (BATCH, TARGET_STEPS, STEPS)
    np.testing.assert_allclose(np.sum(outputs["attention_weights"], -1), 1.0, rtol=1e-5)
    assert sorted(tensor.name for tensor in translator.model.inputs) == ["decoder_input", "source", "source_length"]


def test_the_first_decoder_input_is_not_read_and_the_others_are():
    translator, inputs = make_translator(), make_inputs()
    expected = translator.model(inputs)["prediction"].numpy()
    changed = inputs["decoder_input"].copy()
    changed[:, 0] = 77.0
    actual = translator.model({**inputs, "decoder_input": changed})["prediction"]
    np.testing.assert_array_equal(actual, expected)
    changed[:, 1] += 1.0
    actual = translator.model({**inputs, "decoder_input": changed})["prediction"].numpy()
    np.testing.assert_array_equal(actual[:, 0], expected[:, 0])
    assert np.abs(actual - expected)[:, 1:].max(-1).min() > 1e-3


@pytest.mark.parametrize(("recipe", "scaled"), [("A->V", True), ("T->V", False)])
def test_raw_features_are_standardised_inside_but_word_vectors_are_not(recipe, scaled):
    identity = Statistics(
        {name: np.zeros(dim) for name, dim in DIMS.items()}, {name: np.ones(dim) for name, dim in DIMS.items()}
    )
    plain = build_translator(parse(recipe), Config(**SIZES), identity)
    translator, inputs = make_translator(recipe), make_inputs(recipe)
    plain.model.set_weights(translator.model.get_weights())
    standardized = {
        **inputs,
        "decoder_input": (inputs["decoder_input"] - STATISTICS.mean["video"]) / STATISTICS.std["video"],
    }
    if scaled:
        standardized["source"] = (inputs["source"] - STATISTICS.mean["audio"]) / STATISTICS.std["audio"]
    standardized = {name: np.asarray(v, inputs[name].dtype) for name, v in standardized.items()}
    expected = plain.model(standardized)["prediction"]
    np.testing.assert_allclose(translator.model(inputs)["prediction"], expected, atol=1e-5)


def batch_of(recipe="A->V"):
    inputs = make_inputs(recipe)
    target = np.random.default_rng(4).normal(size=inputs["decoder_input"].shape).astype(np.float32)
    shifted = np.pad(target, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return {**inputs, "target": target, "decoder_input": shifted, "target_length": TARGET_LENGTH}


def loss_of(prediction, translator, batch):
    target = translator.target.normalization(batch["target"])
    total, _ = feature_loss("mse", prediction, target, TARGET_LENGTH, translator.target.blocks)
    return float(total)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_scheduled_sampling_goes_from_teacher_forcing_to_rollout(cell):
    translator = make_translator(dropout=0.0, cell=cell, feature_sampling=1.0, sampling_steps=10)
    batch, inputs = batch_of(), ("source", "source_length", "decoder_input")
    forced = loss_of(translator.model({name: batch[name] for name in inputs})["prediction"], translator, batch)
    frames, _ = translator.rollout(batch["source"], LENGTH, TARGET_LENGTH)
    free = loss_of(frames, translator, batch)
    losses = {}
    for step in (0, 5, 10):
        with random_step([0, step]):
            (term,) = translator.terms(batch, training=True)
        losses[step] = float(term.total)
    assert losses[0] == pytest.approx(forced, rel=1e-5)
    assert losses[10] == pytest.approx(free, rel=1e-5)
    assert losses[5] not in (pytest.approx(forced, rel=1e-4), pytest.approx(free, rel=1e-4))
    (term,) = translator.terms(batch, training=False)
    assert float(term.total) == pytest.approx(free, rel=1e-5)


def test_without_sampling_features_are_teacher_forced_throughout():
    translator, batch = make_translator(dropout=0.0, feature_sampling=0.0), batch_of()
    inputs = {name: batch[name] for name in ("source", "source_length", "decoder_input")}
    expected = loss_of(translator.model(inputs)["prediction"], translator, batch)
    (valid,) = translator.terms(batch, training=False)
    with random_step([0, 100]):
        (train,) = translator.terms(batch, training=True)
    assert float(valid.total) == pytest.approx(expected, rel=1e-5)
    assert float(train.total) == pytest.approx(expected, rel=1e-5)


def test_the_stop_head_ends_a_rollout():
    translator, source = make_translator(stop=True), make_inputs()["source"]
    limit = np.full(BATCH, TARGET_STEPS, np.int32)
    full, weights = translator.rollout(source, LENGTH, limit)
    stop = translator.target.stop_head
    kernel, bias = stop.get_weights()
    for shift, expected in ((-50.0, TARGET_STEPS), (50.0, 1)):
        stop.set_weights([kernel, bias + shift])
        frames, length, own_weights = translator.rollout_until_stop(source, LENGTH, limit)
        np.testing.assert_array_equal(length, expected)
        np.testing.assert_allclose(frames[:, :expected], full[:, :expected], atol=1e-6)
        np.testing.assert_allclose(own_weights[:, :expected], weights[:, :expected], atol=1e-6)
        assert not np.any(frames[:, expected:])
    with pytest.raises(ValueError, match="not learned when to stop"):
        make_translator().rollout_until_stop(source, LENGTH, limit)


@pytest.mark.parametrize("options", [{"beam_width": 3, "n_best": 3}, {"n_best": 4, "sample_top_k": 9}], ids=str)
def test_what_is_decoded_never_holds_the_token_that_begins_it(options):
    translator = build_translator(parse("T->A"), Config(**SIZES, target="tokens"), STATISTICS, 7)
    bias = np.zeros(7, np.float32)
    bias[BOS] = 50.0
    translator.target.projection.bias.assign(bias)
    source, length = np.ones((2, 5, DIMS["text"]), np.float32), np.array([5, 3], np.int32)
    found = translator.search(source, length, (length, length), SearchOptions(**options))
    assert (found.ids.numpy() != BOS).all()
    assert (found.log_probs.numpy() > FORBIDDEN / 2).all()


def test_training_needs_a_step_and_follows_from_it():
    translator, inputs = make_translator(dropout=0.5), make_inputs()
    with pytest.raises(RuntimeError, match="need to know the step"):
        translator.model(inputs, training=True)
    predictions = []
    for step in (1, 1, 2):
        with random_step([0, step]):
            predictions.append(translator.model(inputs, training=True)["prediction"].numpy())
    np.testing.assert_array_equal(predictions[0], predictions[1])
    assert np.abs(predictions[0] - predictions[2]).max() > 1e-3


@pytest.mark.smoke
def test_the_inner_representation_of_a_hierarchical_recipe_has_no_dropout_and_does_not_move():
    representation = build_representation(parse("embed(A,V)->T"), Config(**SIZES, dropout=0.5), STATISTICS)
    randomize(representation)
    inputs = {name: make_inputs()[name] for name in ("source", "source_length")}
    expected = representation(inputs)["memory"].numpy()

    def trained():
        with random_step([0, 3]):
            return representation(inputs, training=True)["memory"].numpy()

    outer = representation.get_layer("encoder_2")
    assert np.abs(trained() - expected).max() > 1e-3
    outer.dropouts[0].rate = 0.0
    np.testing.assert_allclose(trained(), expected, atol=1e-6)
    assert len(representation.get_layer("representation_1").weights) == 6
    assert {id(v) for v in representation.trainable_variables} == {id(v) for v in outer.weights}


def test_a_hierarchical_recipe_chains_the_encoders():
    config = Config(**SIZES)
    inner = build_representation(parse("A->V"), config, STATISTICS)
    chained = build_representation(parse("embed(A,V)->T"), config, STATISTICS)
    randomize(chained)
    inner.set_weights(chained.get_layer("representation_1").get_weights())
    inputs = {name: make_inputs()[name] for name in ("source", "source_length")}
    memory, final_state = chained.get_layer("encoder_2")(inner(inputs)["memory"], source_mask=MASK)
    np.testing.assert_allclose(chained(inputs)["memory"], memory, atol=1e-6)
    np.testing.assert_allclose(chained(inputs)["final_state"], final_state, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "cell", "attention"),
    [
        pytest.param("A->V", "gru", "bahdanau", marks=pytest.mark.smoke),
        ("embed(A,T)->concat(V,A)", "lstm", "none"),
    ],
)
def test_the_keras_file_round_trips(tmp_path, recipe, cell, attention):
    translator, inputs = make_translator(recipe, cell=cell, attention=attention), make_inputs(recipe)
    translator.model.save(tmp_path / "translator.keras")
    loaded = keras.models.load_model(tmp_path / "translator.keras")
    expected = translator.model(inputs)
    for name, output in loaded(inputs).items():
        np.testing.assert_allclose(output, expected[name], atol=1e-6)


def test_the_same_inside_a_graph():
    translator, inputs = make_translator(), make_inputs()
    traced = tf.function(lambda inputs: translator.model(inputs))(inputs)
    np.testing.assert_allclose(traced["prediction"], translator.model(inputs)["prediction"], atol=1e-6)
    traced, _ = tf.function(translator.rollout)(inputs["source"], LENGTH, TARGET_LENGTH)
    expected, _ = translator.rollout(inputs["source"], LENGTH, TARGET_LENGTH)
    np.testing.assert_allclose(traced, expected, atol=1e-6)


@pytest.mark.slow
def test_it_overfits_eight_segments():
    rng = np.random.default_rng(3)
    config = Config(units=8, attention_units=8, decoder_units=16, dropout=0.0)
    translator = build_translator(parse("A->V"), config, STATISTICS)
    length = np.array([4, 3, 2, 4, 1, 3, 4, 2], np.int32)
    target = rng.normal(size=(8, 4, DIMS["video"])).astype(np.float32)
    raw = (target * STATISTICS.std["video"] + STATISTICS.mean["video"]).astype(np.float32)
    inputs = {
        "source": rng.normal(size=(8, 4, DIMS["audio"])).astype(np.float32),
        "source_length": length,
        "decoder_input": np.concatenate([raw[:, :1], raw[:, :-1]], 1),
    }
    optimizer = keras.optimizers.Adam(0.02)
    variables = translator.model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def train_step():
        with tf.GradientTape() as tape, random_step([0, 0]):
            prediction = translator.model(inputs, training=True)["prediction"]
            total, count = feature_loss("mse", prediction, target, length, {"video": (0, DIMS["video"])})
            loss = total / count
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    losses = [float(train_step()) for _ in range(150)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.05
    frames, _ = translator.rollout(inputs["source"], length, length)
    valid = np.arange(4) < length[:, None]
    assert np.square(frames - target)[valid].mean() < 0.2


def test_tokens_need_the_size_of_their_vocabulary():
    with pytest.raises(ValueError, match=r"number of tokens is not known.*vocabulary_size=None"):
        build_translator(parse("T->A"), Config(recipe="T->A", target="tokens"), STATISTICS)
