"""Modality-invariant and -specific subspaces: their losses against NumPy, their model, and how they are trained."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.models.regressor import Regressor, build_regressor, own_representation
from mmtrans.models.rivals.build import OWN_TERMS
from mmtrans.models.rivals.misa import discrepancy, overlap, subspace_terms
from mmtrans.recipe import parse
from mmtrans.training.objectives import SentimentObjective
from tests.models.test_regressor import DIMS, STATISTICS, make_inputs

SIZES = {"regressor_units": 4, "fusion_units": 6, "fusion_heads": 3}

ROWS, UNITS = 5, 4
IS_ROW = np.array([1, 1, 0, 1, 1], np.float32)
RNG = np.random.default_rng(0)
GIVEN, SHARED, PRIVATE, REBUILT = (RNG.uniform(size=(ROWS, 3, UNITS)).astype(np.float32) for _ in range(4))


def kept(vectors):
    """Each modality's vectors in the rows that count."""
    return [vectors[IS_ROW > 0, i].astype(np.float64) for i in range(vectors.shape[1])]


def central_moment_discrepancy(first, second, moments):
    """Of two samples, by loops over the moments and the units."""
    total = 0.0
    for k in range(1, moments + 1):
        squares = 0.0
        for unit in range(first.shape[1]):
            a, b = first[:, unit], second[:, unit]
            left, right = (
                (a.mean(), b.mean()) if k == 1 else (np.mean((a - a.mean()) ** k), np.mean((b - b.mean()) ** k))
            )
            squares += (left - right) ** 2
        total += math.sqrt(squares)
    return total


@pytest.mark.parametrize("moments", [1, 2, 5])
def test_the_discrepancy_is_that_of_each_pair(moments):
    pairs = itertools.combinations(kept(SHARED), 2)
    expected = np.mean([central_moment_discrepancy(a, b, moments) for a, b in pairs])
    assert float(discrepancy(SHARED, IS_ROW, moments)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.once
def test_samples_of_the_same_distribution_do_not_differ_and_have_a_gradient():
    vectors = tf.constant(np.repeat(SHARED[:, :1], 2, axis=1))
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        found = discrepancy(vectors, IS_ROW, 5)
    assert float(found) == pytest.approx(0.0, abs=1e-10)
    np.testing.assert_array_equal(tape.gradient(found, vectors), 0.0)
    assert float(discrepancy(SHARED[:, :1], IS_ROW, 5)) == 0.0


def unit_rows(matrix):
    centred = matrix - matrix.mean(0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def test_the_overlap_is_that_of_shared_and_private_and_of_private_ones():
    shared, private = ([unit_rows(matrix) for matrix in kept(vectors)] for vectors in (SHARED, PRIVATE))
    expected = 0.0
    for first, second in (*zip(shared, private, strict=True), *itertools.combinations(private, 2)):
        expected += np.linalg.norm(first.T @ second) ** 2 / UNITS**2
    assert float(overlap(SHARED, PRIVATE, IS_ROW)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.once
def test_orthogonal_subspaces_do_not_overlap():
    """Shared vectors move along the first unit, private ones along the second, at other times."""
    shared, private = np.zeros((4, 1, 2), np.float32), np.zeros((4, 1, 2), np.float32)
    shared[:, 0, 0], private[:, 0, 1] = (1, 1, -1, -1), (1, -1, 1, -1)
    assert float(overlap(shared, private, np.ones(4, np.float32))) == 0.0
    # The same times: all four products are 1, of the one entry out of four that is not 0.
    private[:, 0, 1] = shared[:, 0, 0]
    assert float(overlap(shared, private, np.ones(4, np.float32))) == 4.0**2 / 4


def test_rows_without_a_label_have_no_part():
    outputs = {"given": GIVEN, "shared": SHARED, "private": PRIVATE, "rebuilt": REBUILT}
    batch = {"label": np.where(IS_ROW > 0, 0.5, np.nan).astype(np.float32)}
    fusion = Config(
        similarity_weight=0.7, similarity_moments=3, difference_weight=0.2, reconstruction_weight=2.0
    ).fusion
    terms = {term.name: term for term in subspace_terms(outputs, batch, fusion)}
    assert {name: term.weight for name, term in terms.items()} == {
        **{"similarity": 0.7, "difference": 0.2, "reconstruction": 2.0}
    }
    means = {name: float(term.total / term.count) for name, term in terms.items()}
    errors = [np.square(a - b).sum(1) / UNITS for a, b in zip(kept(GIVEN), kept(REBUILT), strict=True)]
    assert means["reconstruction"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert means["similarity"] == pytest.approx(float(discrepancy(SHARED, IS_ROW, 3)))
    assert means["difference"] == pytest.approx(float(overlap(SHARED, PRIVATE, IS_ROW)))


def dense(width, units):
    return width * units + units


def test_there_are_as_many_parameters_as_the_parts_have():
    model = build_regressor(parse("misa(T,A,V)"), Config(bidirectional=False, **SIZES), STATISTICS)
    cell, units = 4, 6

    def lstm(width):
        return 4 * dense(width + cell, cell)

    vectors = sum(lstm(dim) + 2 * cell + lstm(cell) + dense(2 * cell, units) + 2 * units for dim in DIMS.values())
    subspaces = dense(units, units) + 3 * dense(units, units) + 3 * dense(units, units)
    block = 4 * dense(units, units) + dense(units, 4 * units) + dense(4 * units, units) + 2 * 2 * units
    ends = dense(2 * 3 * units, 3 * units) + dense(3 * units, 1)
    assert model.count_params() == vectors + subspaces + block + ends


def make_objective(recipe="misa(T,V)", **fields):
    config = Config(recipe=recipe, regressor_dropout=0.0, **SIZES, **fields)
    regressor = Regressor.over(own_representation(parse(recipe), config, STATISTICS), config)

    def own_terms(outputs, batch):
        return OWN_TERMS["misa"](outputs, batch, config.fusion)

    return SentimentObjective(regressor, config.regressor, own_terms)


def make_batch(recipe="misa(T,V)"):
    return {**make_inputs(recipe), "label": np.array([1.0, -0.5, 2.0], np.float32)}


def test_the_score_is_read_from_what_the_block_makes_of_all_vectors():
    objective, batch = make_objective(), make_batch()
    fusion = objective.model.get_layer("fusion")
    inputs = {name: batch[name] for name in ("source", "source_length")}
    found = {name: value.numpy() for name, value in fusion(inputs).items()}
    vectors = np.concatenate([found["private"], found["shared"]], 1)
    read = fusion.get_layer("subspaces_block")(vectors, source_mask=np.ones((3, 4), bool)).numpy()
    kernel, bias = fusion.get_layer("fused").get_weights()
    fused = np.maximum(read.reshape(3, -1) @ kernel + bias, 0.0)
    np.testing.assert_allclose(found["fused"], fused, rtol=1e-4, atol=1e-5)
    kernel, bias = objective.model.get_layer("linear").get_weights()
    np.testing.assert_allclose(objective.model(inputs)["score"], (fused @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5)
    # One encoder makes all shared vectors.
    kernel, bias = fusion.get_layer("shared").get_weights()
    np.testing.assert_allclose(found["shared"], 1 / (1 + np.exp(-(found["given"] @ kernel + bias))), rtol=1e-4)


def test_each_loss_moves_its_part_and_validation_looks_at_the_sentiment_alone():
    objective, batch = make_objective(similarity_weight=0.5), make_batch()
    variables = objective.model.trainable_variables
    names = [getattr(variable, "path", variable.name) for variable in variables]
    with tf.GradientTape(persistent=True) as tape, random_step([0, 1]):
        terms = objective.terms(batch, training=True)
        losses = {term.name: term.total / term.count for term in terms}
    assert [(term.name, term.weight) for term in terms] == [
        *(("sentiment", 1.0), ("similarity", 0.5), ("difference", 0.3), ("reconstruction", 1.0))
    ]
    moved = {
        loss: {
            name for name, gradient in zip(names, tape.gradient(value, variables), strict=True) if gradient is not None
        }
        for loss, value in losses.items()
    }
    rebuilt = {name for name in names if "rebuilt" in name}
    private = {name for name in names if "private" in name}
    assert len(rebuilt) == len(private) == 4
    assert {loss for loss, those in moved.items() if those & rebuilt} == {"reconstruction"}
    assert {loss for loss, those in moved.items() if those & private} == {"sentiment", "difference", "reconstruction"}
    assert set.union(*moved.values()) == set(names)
    assert [term.weight for term in objective.terms(batch, training=False)] == [1.0, 0.0, 0.0, 0.0]
