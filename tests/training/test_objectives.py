import numpy as np
import pytest
import tensorflow as tf

from mmtrans.layers.dropout import random_step
from mmtrans.models.build import build_translator
from mmtrans.models.cycle import build_cycle
from mmtrans.models.regressor import Regressor, own_representation
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse
from mmtrans.training.objectives import (
    JointObjective,
    SentimentObjective,
    TranslationObjective,
    kept_weights,
)

STATISTICS = Statistics(
    {"text": np.zeros(3, np.float32), "audio": np.array([1.0, -2.0], np.float32)},
    {"text": np.ones(3, np.float32), "audio": np.array([2.0, 0.5], np.float32)},
)


def make_batch():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(3, 4, 2)).astype(np.float32)
    return {
        "source": rng.normal(size=(3, 5, 3)).astype(np.float32),
        "source_length": np.array([5, 2, 3], np.int32),
        "target": target,
        "decoder_input": np.pad(target, ((0, 0), (1, 0), (0, 0)))[:, :-1],
        "target_length": np.array([4, 1, 2], np.int32),
        "label": np.array([1.0, np.nan, -2.0], np.float32),
    }


def make_regressor(recipe, config, bias=0.0):
    return Regressor.over(own_representation(parse(recipe), config, STATISTICS), config, bias)


@pytest.mark.parametrize(("kind", "item"), [("mse", np.square), ("mae", np.abs)])
def test_translation_loss_is_over_valid_standardised_steps(tiny, kind, item):
    batch = make_batch()
    translator = build_translator(parse("T->A"), tiny(recipe="T->A", translation_loss=kind), STATISTICS)
    inputs = {name: batch[name] for name in ("source", "source_length", "decoder_input")}
    prediction = translator.model(inputs, training=False)["prediction"].numpy()
    expected, count = 0.0, 0
    for row, length in enumerate(batch["target_length"]):
        for step in range(length):
            standardised = (batch["target"][row, step] - STATISTICS.mean["audio"]) / STATISTICS.std["audio"]
            expected += item(prediction[row, step] - standardised).mean()
            count += 1
    objective = TranslationObjective(translator)
    (term,) = objective.terms(batch, training=False)
    assert float(term.total) == pytest.approx(expected, rel=1e-4)
    assert float(term.count) == count == 7
    assert term.weight == 1.0
    assert objective.model is translator.model


@pytest.mark.parametrize(("kind", "item"), [("mae", np.abs), ("mse", np.square)])
def test_sentiment_loss_leaves_out_unlabelled_segments(tiny, kind, item):
    batch = make_batch()
    regressor = make_regressor("T", tiny(), bias=0.5)
    inputs = {name: batch[name] for name in ("source", "source_length")}
    score = regressor.model(inputs, training=False)["score"].numpy()
    (term,) = SentimentObjective(regressor, tiny(sentiment_loss=kind).regressor).terms(batch, training=False)
    assert float(term.total) == pytest.approx(item(score[0] - 1.0) + item(score[2] + 2.0), rel=1e-5)
    assert float(term.count) == 2


def test_the_representation_is_the_part_that_phases_share(tiny):
    config = tiny(recipe="T->A")
    translator = build_translator(parse("T->A"), config, STATISTICS)
    translation = TranslationObjective(translator)
    sentiment = SentimentObjective(make_regressor("T->A", config), config.regressor)
    assert translation.representation is translator.model.get_layer("representation_1")
    assert sentiment.representation is sentiment.model.get_layer("representation_1")
    shapes = [[w.shape for w in each.representation.get_weights()] for each in (translation, sentiment)]
    assert shapes[0] == shapes[1] != []
    assert make_regressor("T", tiny()).representation.name == "features"


def test_a_phase_inherits_what_its_encoder_reads_and_a_regressor_what_it_reads(tiny):
    config, recipe = tiny(recipe="embed(T,A)->T"), parse("embed(T,A)->T")
    translator = build_translator(recipe, config, STATISTICS)
    translation = TranslationObjective(translator)
    sentiment = SentimentObjective(make_regressor(config.plan.recipe, config), config.regressor)
    assert translation.inherited is translator.representation.get_layer("representation_1")
    assert sentiment.inherited is sentiment.model.get_layer("representation_2")
    assert JointObjective(translation, sentiment, config.joint).inherited is translation.inherited


def make_joint(config, cycle_weight=0.0):
    recipe = parse("T->A")
    translator = build_translator(recipe, config, STATISTICS)
    cycle = build_cycle(recipe, config, STATISTICS, translator) if cycle_weight else None
    regressor = Regressor.over(translator.representation, config, 0.5)
    translation = TranslationObjective(translator, cycle, cycle_weight)
    return JointObjective(translation, SentimentObjective(regressor, config.regressor), config.joint)


def as_tensors(batch):
    return {name: tf.convert_to_tensor(values) for name, values in batch.items()}


def gradients_of(objective, batch, variables, step=4):
    """Gradients of the weighted means, zero where there is none."""
    with tf.GradientTape() as tape, random_step([3, step]):
        loss = sum(t.weight * t.total / tf.maximum(t.count, 1.0) for t in objective.terms(batch, training=True))
    pairs = zip(tape.gradient(loss, variables), variables, strict=True)
    return [np.zeros(v.shape) if g is None else tf.convert_to_tensor(g).numpy() for g, v in pairs]


def test_joint_gradients_are_the_weighted_sum_of_the_separate_ones(tiny):
    """With dropout, whose masks depend on the step alone: both parts see the same encoder."""
    config = tiny(
        recipe="T->A",
        translation_weight=0.3,
        sentiment_weight=2.0,
        joint_warmup_steps=8,
        feature_sampling=0.5,
        stop=True,
        sentiment_loss="mse",
    )
    joint, batch = make_joint(config, cycle_weight=0.7), as_tensors(make_batch())
    variables = joint.model.trainable_variables
    assert len(variables) == len({id(v) for v in variables})
    assert {id(v) for v in joint.translator.representation.trainable_variables} <= {id(v) for v in variables}
    translation, sentiment, both = (
        gradients_of(objective, batch, variables) for objective in (joint.translation, joint.sentiment, joint)
    )
    for variable, left, right, received in zip(variables, translation, sentiment, both, strict=True):
        assert np.abs(left).max() + np.abs(right).max() > 0, variable.name
        np.testing.assert_allclose(received, 0.3 * left + 2.0 * 4 / 8 * right, rtol=1e-4, atol=1e-6)


def test_the_weight_of_the_sentiment_rises_and_validation_looks_at_it_alone(tiny):
    batch = as_tensors(make_batch())

    def weights(step, training, **fields):
        joint = make_joint(tiny(recipe="T->A", sentiment_weight=2.0, translation_weight=0.3, **fields))
        with random_step([0, tf.constant(step)]):
            return [(t.name, float(t.weight)) for t in joint.terms(batch, training)]

    for step, expected in ((0, 0.0), (5, 1.0), (10, 2.0), (15, 2.0)):
        found = weights(step, True, joint_warmup_steps=10)
        assert found == [("sentiment", pytest.approx(expected)), ("translation", pytest.approx(0.3))]
    assert weights(0, True)[0] == ("sentiment", 2.0)
    assert weights(0, False, joint_warmup_steps=10) == [("sentiment", 1.0), ("translation", 0.0)]


def test_segments_without_labels_move_the_translation_and_not_the_regressor(tiny):
    joint = make_joint(tiny(recipe="T->A"))
    batch = as_tensors({**make_batch(), "label": np.full(3, np.nan, np.float32)})
    own = joint.sentiment.model.trainable_variables
    shared = {id(v) for v in joint.translator.representation.trainable_variables}
    for variable, gradient in zip(own, gradients_of(joint, batch, own), strict=True):
        assert (np.abs(gradient).max() > 0) == (id(variable) in shared), variable.name
    assert [float(t.count) for t in joint.terms(batch, training=False)] == [0.0, 7.0]


def test_models_trained_together_are_kept_apart(tiny):
    config = tiny(recipe="T->A")
    plain, cyclic, joint = make_joint(config).translation, make_joint(config, 0.5).translation, make_joint(config, 0.5)
    assert plain.model is plain.translator.model
    assert list(kept_weights(plain)) == ["model", "representation"]
    assert list(kept_weights(cyclic)) == ["model", "representation", "translator", "cycle"]
    kept = kept_weights(joint)
    assert list(kept) == ["model", "representation", "translator", "regressor", "cycle"]
    assert kept["representation"] is joint.translator.representation
    assert len(joint.model.get_weights()) == len({id(w) for part in list(kept.values())[1:] for w in part.weights})
