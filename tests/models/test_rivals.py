"""Fusion models of other papers: each step against NumPy, and what padding, batches and modalities must not change."""

import math

import keras
import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.layers.crossmodal import CrossmodalBlock, Positions
from mmtrans.layers.fusion import LowRankProduct, OuterProduct
from mmtrans.models.regressor import build_regressor
from mmtrans.models.rivals.build import METHODS
from mmtrans.recipe import FUSIONS, parse
from tests.models.test_regressor import DIMS, LENGTH, MASK, STATISTICS, make_inputs, make_regressor

SIZES = {"fusion_units": 3, "fused_units": 5, "fusion_rank": 2, "bidirectional": False}
SIZES |= {"fusion_heads": 3, "fusion_layers": 2}
PRODUCTS = ("tfn", "lmf")
RECIPES = [f"{method}({letters})" for method in FUSIONS for letters in ("T,A,V", "V,T", "A")]
SHAPES = (3, 2, 4)


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, width)).astype(np.float32) for width in SHAPES]


def outer(vectors):
    """By loops over the rows and the numbers of three vectors, a one behind each."""
    rows = []
    for row in range(len(vectors[0])):
        first, second, third = ([*vector[row], 1.0] for vector in vectors)
        rows.append([a * b * c for a in first for b in second for c in third])
    return np.array(rows)


def test_each_fusion_has_a_builder():
    assert set(METHODS) == set(FUSIONS)


def test_the_outer_product_holds_every_product(vectors):
    layer = OuterProduct()
    found = layer(vectors)
    np.testing.assert_allclose(found, outer(vectors), rtol=1e-6)
    assert tuple(layer.compute_output_shape([(None, width) for width in SHAPES])) == (None, found.shape[-1])


def test_low_rank_factors_read_the_outer_product_as_their_full_tensor(vectors):
    layer = LowRankProduct(units=2, rank=3)
    layer.build([(None, width) for width in SHAPES])
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    *factors, bias = layer.get_weights()
    tensor = np.einsum("iru,jru,kru->ijku", *(factor.reshape(len(factor), 3, 2) for factor in factors))
    expected = outer(vectors) @ tensor.reshape(-1, 2) + bias
    np.testing.assert_allclose(layer(vectors), expected, rtol=1e-4, atol=1e-5)


def test_a_full_rank_gives_any_tensor(vectors):
    """Of two modalities: factors of the rank of the smaller side, one of them a selection, hold any matrix."""
    first, second = vectors[:2]
    tensor = np.random.default_rng(2).normal(size=(4, 3))
    layer = LowRankProduct(units=1, rank=3)
    layer.build([(None, 3), (None, 2)])
    layer.set_weights([tensor, np.eye(3), np.zeros(1)])
    with_one = [np.concatenate([vector, np.ones((2, 1))], 1) for vector in (first, second)]
    expected = np.einsum("bi,ij,bj->b", with_one[0], tensor, with_one[1])
    np.testing.assert_allclose(layer([first, second])[:, 0], expected, rtol=1e-5)


def lively(model):
    """The model, of whose rectified units above a context none is off: few of random weights might all be."""
    for layer in model.get_layer("fusion").layers:
        if layer.name == "context_dense":
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, np.abs(bias) + 0.5])
    return model


@pytest.mark.parametrize("recipe", RECIPES)
def test_padding_and_batch_order_change_nothing(recipe):
    model = lively(make_regressor(recipe, **{**SIZES, "fusion_units": 6}))
    inputs, order = make_inputs(recipe), [1, 2, 0]
    batch, steps, dim = inputs["source"].shape
    source = np.full((batch, steps + 2, dim), np.nan, np.float32)
    source[:, :steps] = np.where(MASK[:, :, None], inputs["source"], 30.0)
    expected = model(inputs)
    actual = model({name: values[order] for name, values in {**inputs, "source": source}.items()})
    np.testing.assert_allclose(actual["score"], expected["score"].numpy()[order], atol=1e-5)
    weights = expected["attention_weights"].numpy()
    np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(weights > 0, MASK)
    # One method has weights of its own.
    assert (np.abs(weights - MASK / LENGTH[:, None]).max() > 1e-5) == recipe.startswith("gme")
    assert np.abs(np.diff(expected["score"])).min() > 1e-5


@pytest.mark.parametrize("method", PRODUCTS)
def test_the_fusion_of_signals_equals_numpy(method):
    """Mean, dense layers, fusion and score, by hand; words have the encoder that has tests of its own."""
    recipe = f"{method}(A,V)"
    model, inputs = make_regressor(recipe, **SIZES), make_inputs(recipe)
    named = {layer.name: layer.get_weights() for part in (model, model.get_layer("fusion")) for layer in part.layers}
    summaries = []
    start = 0
    for name in ("audio", "video"):
        stop = start + DIMS[name]
        values = (inputs["source"][:, :, start:stop] - STATISTICS.mean[name]) / STATISTICS.std[name]
        vector = np.stack([row[:length].mean(0) for row, length in zip(values, LENGTH, strict=True)])
        for i in range(3):
            kernel, bias = named[f"{name}_dense_{i}"]
            vector = np.maximum(vector @ kernel + bias, 0.0)
        summaries.append(np.concatenate([vector, np.ones((len(vector), 1))], 1))
        start = stop
    if method == "tfn":
        fused = np.einsum("bi,bj->bij", *summaries).reshape(len(LENGTH), -1)
        for i in range(2):
            kernel, bias = named[f"fused_{i}"]
            fused = np.maximum(fused @ kernel + bias, 0.0)
    else:
        *factors, bias = named["low_rank_product"]
        terms = [vector @ factor for vector, factor in zip(summaries, factors, strict=True)]
        fused = (terms[0] * terms[1]).reshape(len(LENGTH), 2, 5).sum(1) + bias
    kernel, bias = named["linear"]
    np.testing.assert_allclose(model(inputs)["score"], (fused @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5)


def dense(width, units):
    return width * units + units


@pytest.mark.parametrize("method", PRODUCTS)
def test_there_are_as_many_parameters_as_the_paper_says(method):
    model = build_regressor(parse(f"{method}(T,A,V)"), Config(regressor_units=4, **SIZES), STATISTICS)
    words = 4 * (dense(DIMS["text"] + 4, 4)) + dense(4, 4)
    signals = sum(dense(DIMS[name], 3) + 2 * dense(3, 3) for name in ("audio", "video"))
    widths = [4 + 1, 3 + 1, 3 + 1]
    fused = dense(math.prod(widths), 5) + dense(5, 5) if method == "tfn" else sum(widths) * 2 * 5 + 5
    assert model.count_params() == words + signals + fused + dense(5, 1)
    assert all(weight.trainable for weight in model.weights if "standardize" not in weight.name)


def normalised(values, weights):
    gamma, beta = weights
    mean, variance = values.mean(-1, keepdims=True), values.var(-1, keepdims=True)
    return (values - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def through(layer, values):
    """A dense layer, by hand."""
    kernel, bias = layer.get_weights()
    return values @ kernel + bias


@pytest.mark.parametrize("adds_input", [True, False])
def test_a_crossmodal_block_equals_loops_over_rows_heads_and_steps(adds_input):
    rng = np.random.default_rng(0)
    block = CrossmodalBlock(width=6, num_heads=3, adds_input=adds_input)
    target, source = (rng.normal(size=(2, steps, 6)).astype(np.float32) for steps in (4, 5))
    lengths = (3, 5)
    mask = np.arange(5) < np.array(lengths)[:, None]
    block.build([target.shape, source.shape])
    layers = ("query", "key", "value", "attended", "expand", "contract", "target_norm", "source_norm", "sum_norm")
    for layer in (getattr(block, name) for name in layers):
        layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    source[0, 3:] = 1e3
    found = block([target, source], source_mask=mask).numpy()
    for row, length in enumerate(lengths):
        x = normalised(target[row], block.target_norm.get_weights())
        read = normalised(source[row, :length], block.source_norm.get_weights())
        query, key, value = through(block.query, x), through(block.key, read), through(block.value, read)
        attended = np.zeros((4, 6))
        for head in (slice(0, 2), slice(2, 4), slice(4, 6)):
            for step in range(4):
                scores = np.array([query[step, head] @ key[other, head] / np.sqrt(2) for other in range(length)])
                weights = np.exp(scores - scores.max())
                attended[step, head] = weights / weights.sum() @ value[:, head]
        total = (target[row] if adds_input else x) + through(block.attended, attended)
        z = normalised(total, block.sum_norm.get_weights())
        expected = (total if adds_input else z) + through(block.contract, np.maximum(through(block.expand, z), 0.0))
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)


def test_positions_are_sines_and_cosines():
    found = Positions()(np.zeros((1, 7, 5), np.float32)).numpy()[0]
    for step in range(7):
        for column in range(5):
            angle = step / 10_000 ** (2 * (column // 2) / 5)
            expected = math.sin(angle) if column % 2 == 0 else math.cos(angle)
            assert found[step, column] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("run_format", [3, 2])
def test_crossmodal_transformers_have_as_many_parameters_as_the_paper_says(run_format):
    """Beside these, new ones have a normalisation behind each stack of blocks."""
    model = build_regressor(parse("mult(T,A,V)"), Config(**SIZES), STATISTICS, run_format=run_format)

    def block(width):
        return 4 * dense(width, width) + dense(width, 4 * width) + dense(4 * width, width) + 3 * 2 * width

    convolutions = 3 * (DIMS["text"] + 3 * DIMS["audio"] + 3 * DIMS["video"])
    ends = 2 * dense(18, 18) + dense(18, 1)
    norms = 6 * 2 * 3 + 3 * 2 * 6 if run_format == 3 else 0
    assert model.count_params() == convolutions + 6 * 2 * block(3) + 3 * 2 * block(6) + norms + ends


def test_each_modality_attends_to_each_other_one():
    """A change of one modality changes what the others read of it, what it reads of them, and nothing else."""
    model, inputs = make_regressor("mult(T,A,V)", **SIZES), make_inputs("mult(T,A,V)")
    fusion = model.get_layer("fusion")
    names = [f"{other}_to_{name}_1" for name in DIMS for other in DIMS if other != name]
    parts = keras.Model(fusion.input, [fusion.get_layer(name).output for name in names])
    start = 0
    for changed, width in DIMS.items():
        moved = inputs["source"].copy()
        moved[0, :, start : start + width] += np.random.default_rng(3).normal(size=(moved.shape[1], width))
        start += width
        before, after = parts(inputs), parts({**inputs, "source": moved})
        differ = {name for name, a, b in zip(names, before, after, strict=True) if np.abs(a - b).max() > 1e-5}
        assert differ == {name for name in names if changed in name}


def test_the_order_of_modalities_is_that_of_their_columns():
    """A sum over products knows no order: the same weights where they belong give the same score."""
    first, second = make_regressor("lmf(T,A,V)", **SIZES), make_regressor("lmf(V,T,A)", **SIZES)
    for layer in first.get_layer("fusion").layers:
        if layer.weights and layer.name not in ("features", "low_rank_product"):
            second.get_layer("fusion").get_layer(layer.name).set_weights(layer.get_weights())
    text, audio, video, bias = first.get_layer("fusion").get_layer("low_rank_product").get_weights()
    second.get_layer("fusion").get_layer("low_rank_product").set_weights([video, text, audio, bias])
    second.get_layer("linear").set_weights(first.get_layer("linear").get_weights())
    inputs = make_inputs("lmf(T,A,V)")
    kept = np.split(inputs["source"], np.cumsum(list(DIMS.values()))[:-1], axis=2)
    moved = {**inputs, "source": np.concatenate([kept[2], kept[0], kept[1]], axis=2)}
    np.testing.assert_allclose(second(moved)["score"], first(inputs)["score"], rtol=1e-5, atol=1e-6)
