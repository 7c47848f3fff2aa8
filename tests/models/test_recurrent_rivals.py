"""Fusion models that join modalities step by step, against NumPy loops over rows and steps."""

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.layers.gated import GatedMemory, StraightThroughGate, WithStepBefore
from mmtrans.layers.multiattention import MultiAttentionLSTM
from mmtrans.layers.multiview import MultiViewLSTM
from mmtrans.models.regressor import build_regressor
from mmtrans.recipe import parse
from tests.models.test_regressor import DIMS, LENGTH, MASK, STATISTICS, make_inputs, make_regressor

UNITS = {"text": 4, "audio": 3, "video": 3}
SIZES = {"regressor_units": 4, "fusion_units": 3, "fused_units": 5, "fusion_heads": 2}


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def softmax(values):
    weights = np.exp(values - values.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def randomised(layer, shapes):
    """The layer, built, with random weights."""
    layer.build(shapes)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in layer.get_weights()])
    return layer


def lstm_step(gates, cell):
    """Output and cell from the pre-activations of input, forget, candidate and output gate."""
    i, f, candidate, o = np.split(gates, 4)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(cell), cell


def bias_of(layer, view):
    """A view's share of a bias whose gates each hold all views."""
    ends = np.cumsum(layer.units)
    return np.asarray(layer.bias).reshape(4, -1)[:, ends[view] - layer.units[view] : ends[view]].ravel()


def view_steps(layer, streams, extra=lambda view: 0.0):
    """Yields outputs and cells of all views after each step of one row, by loops over views and steps.

    Args:
        layer: a `MultiViewLSTM`.
        streams: `(steps, dim)` of each view.
        extra: view → what is added to its pre-activations at the step that comes.
    """
    outputs, cells = ([np.zeros(units) for units in layer.units] for _ in range(2))
    for t in range(len(streams[0])):
        before = list(outputs)
        for view, units in enumerate(layer.units):
            gates = streams[view][t] @ np.asarray(layer.kernels[view]) + bias_of(layer, view) + extra(view)
            read = [
                before[i][: round(layer.own * units)] if i == view else before[i][other - round(layer.others * other) :]
                for i, other in enumerate(layer.units)
            ]
            if layer.recurrent_kernels[view] is not None:
                gates = gates + np.concatenate(read) @ np.asarray(layer.recurrent_kernels[view])
            outputs[view], cells[view] = lstm_step(gates, cells[view])
        yield np.concatenate(outputs), np.concatenate(cells)


def streams_of(recipe):
    """The features of each modality as the fusion reads them, `(batch, steps, dim)`."""
    read = parse(recipe)
    mean, std = STATISTICS.source(read)
    values = (make_inputs(recipe)["source"] - mean) / std
    return [values[:, :, start:stop] for start, stop in STATISTICS.blocks(read).values()]


def layers_of(model):
    """Name of a layer of the fusion → the layer; and the last one, which gives the score."""
    return {layer.name: layer for part in (model, model.get_layer("fusion")) for layer in part.layers}


def through(layer, values):
    """A dense layer without its activation, by hand."""
    kernel, bias = layer.get_weights()
    return values @ kernel + bias


def dense(width, units):
    return width * units + units


@pytest.mark.parametrize(("own", "others"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (2 / 3, 1 / 3)])
def test_lstms_of_views_equal_loops_over_rows_steps_and_views(own, others):
    rng = np.random.default_rng(0)
    streams = [rng.normal(size=(2, 5, dim)).astype(np.float32) for dim in (2, 6, 3)]
    layer = randomised(MultiViewLSTM((4, 1, 3), own, others), [stream.shape for stream in streams])
    found = [values.numpy() for values in layer(streams)]
    for row in range(2):
        for t, expected in enumerate(view_steps(layer, [stream[row] for stream in streams])):
            np.testing.assert_allclose([values[row, t] for values in found], expected, atol=1e-5)
    assert layer.compute_output_shape([stream.shape for stream in streams]) == (found[0].shape, found[1].shape)


@pytest.mark.once
def test_the_gradient_of_outputs_and_cells_is_that_of_small_steps():
    rng = np.random.default_rng(0)
    streams = [rng.normal(size=(2, 3, dim)).astype(np.float32) for dim in (2, 3)]
    layer = randomised(MultiViewLSTM((2, 3), 2 / 3, 1 / 3), [stream.shape for stream in streams])
    factors = rng.normal(size=(2, 2, 3, 5)).astype(np.float32)

    def total():
        outputs, cells = layer(streams)
        return tf.reduce_sum(outputs * factors[0] + cells * factors[1])

    with tf.GradientTape() as tape:
        value = total()
    for weight, gradient in zip(layer.weights, tape.gradient(value, layer.trainable_weights), strict=True):
        was = weight.numpy()
        change = rng.normal(size=was.shape).astype(np.float32)
        weight.assign(was + 1e-2 * change)
        above = total()
        weight.assign(was - 1e-2 * change)
        assert float(above - total()) / 2e-2 == pytest.approx(float(tf.reduce_sum(gradient * change)), abs=2e-3)
        weight.assign(was)


def test_a_view_that_reads_nobody_has_no_recurrent_kernel():
    layer = randomised(MultiViewLSTM((3,), own=0.0, others=1.0), [(None, None, 2)])
    assert [weight.shape for weight in layer.get_weights()] == [(2, 12), (12,)]
    streams = [np.random.default_rng(0).normal(size=(1, 2, 2)).astype(np.float32)]
    expected = [outputs for outputs, _ in view_steps(layer, [streams[0][0]])]
    np.testing.assert_allclose(layer(streams)[0][0], expected, atol=1e-5)


@pytest.mark.once
def test_a_gated_memory_leaves_out_masked_steps():
    rng = np.random.default_rng(0)
    retain, write, update = rng.uniform(size=(3, 3, 5, 2)).astype(np.float32)
    expected = np.zeros((3, 2))
    for row, length in enumerate(LENGTH):
        for t in range(length):
            expected[row] = retain[row, t] * expected[row] + write[row, t] * update[row, t]
    for values in (retain, write, update):
        values[~MASK] = np.nan
    np.testing.assert_allclose(GatedMemory()([retain, write, update], source_mask=MASK), expected, rtol=1e-5)


@pytest.mark.once
def test_the_step_before_the_first_is_zero():
    found = WithStepBefore()(np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32))
    np.testing.assert_array_equal(found, [[[0, 0, 1, 2], [1, 2, 3, 4]]])


def test_memory_fusion_equals_loops_over_rows_and_steps():
    model = make_regressor("mfn(V,T)", **SIZES)
    layers, found = layers_of(model), model(make_inputs("mfn(V,T)"))["score"]

    def network(name, values):
        return through(layers[name], np.maximum(through(layers[f"{name}_hidden"], values), 0.0))

    for row, length in enumerate(LENGTH):
        streams = [stream[row, :length] for stream in streams_of("mfn(V,T)")]
        steps = list(view_steps(layers["system_of_lstms"], streams))
        cells_before, memory = np.zeros(7), np.zeros(5)
        for _, cells in steps:
            both = np.concatenate([cells_before, cells])
            attended = softmax(network("delta_attention", both)) * both
            retained = sigmoid(network("retain", attended)) * memory
            memory = retained + sigmoid(network("write", attended)) * np.tanh(network("update", attended))
            cells_before = cells
        expected = through(layers["linear"], np.concatenate([steps[-1][0], memory]))
        np.testing.assert_allclose(found[row], expected[0], rtol=1e-4, atol=1e-5)


def lstms(names):
    """Parameters of LSTMs that know nothing of each other."""
    return sum(4 * dense(DIMS[name] + UNITS[name], UNITS[name]) for name in names)


def test_memory_fusion_has_as_many_parameters_as_the_paper_says():
    model = build_regressor(parse("mfn(T,A,V)"), Config(**SIZES), STATISTICS)
    cells = sum(UNITS.values())
    attention = dense(2 * cells, 5) + dense(5, 2 * cells)
    assert model.count_params() == lstms(DIMS) + attention + 3 * (dense(2 * cells, 5) + dense(5, 5)) + dense(
        cells + 5, 1
    )


def hybrid_steps(layer, streams):
    """Yields outputs of all views and the code after each step of one row, by loops over views and attentions.

    Args:
        layer: a `MultiAttentionLSTM`.
        streams: `(steps, dim)` of each view.
    """
    ends = np.cumsum(layer.units)
    places = [slice(end - units, end) for end, units in zip(ends, layer.units, strict=True)]
    code = np.zeros(layer.code_units)

    def from_code(view):
        kernel = np.asarray(layer.code_kernel).reshape(len(code), 4, -1)[:, :, places[view]]
        return code @ kernel.reshape(len(code), -1)

    for outputs, _ in view_steps(layer.views, streams, from_code):
        scores = np.split(through(layer.attention, outputs), layer.num_attentions)
        passed = [softmax(score) * outputs for score in scores]
        reduced = [
            np.concatenate([vector[place] for vector in passed]) @ np.asarray(kernel)
            for place, kernel in zip(places, layer.reductions, strict=True)
        ]
        hidden = np.maximum(np.concatenate(reduced) + np.asarray(layer.reduction_bias), 0.0)
        code = np.tanh(through(layer.code, hidden))
        yield np.concatenate([outputs, code])


def test_multi_attention_recurrence_equals_loops_over_rows_steps_views_and_attentions():
    rng = np.random.default_rng(0)
    streams = [rng.normal(size=(2, 5, dim)).astype(np.float32) for dim in (2, 6, 3)]
    shapes = [stream.shape for stream in streams]
    layer = randomised(MultiAttentionLSTM((4, 1, 3), reduced_units=2, code_units=5, num_attentions=3), shapes)
    found = layer(streams)
    for row in range(2):
        expected = list(hybrid_steps(layer, [stream[row] for stream in streams]))
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
    assert layer.compute_output_shape(shapes) == found.shape


def test_the_score_of_multi_attention_recurrence_is_linear_in_its_last_outputs_and_code():
    model = make_regressor("marn(V,T)", **SIZES)
    layers, found = layers_of(model), model(make_inputs("marn(V,T)"))["score"]
    for row, length in enumerate(LENGTH):
        *_, last = hybrid_steps(layers["multi_attention"], [stream[row, :length] for stream in streams_of("marn(V,T)")])
        np.testing.assert_allclose(found[row], through(layers["linear"], last)[0], rtol=1e-4, atol=1e-5)


def test_multi_attention_recurrence_has_as_many_parameters_as_the_paper_says():
    model = build_regressor(parse("marn(T,A,V)"), Config(**SIZES), STATISTICS)
    outputs = sum(UNITS.values())
    attention = 2 * dense(outputs, outputs)
    reductions = sum(dense(2 * units, 3) for units in UNITS.values())
    code = dense(3 * 3, 5) + 5 * 4 * outputs
    assert model.count_params() == lstms(DIMS) + attention + reductions + code + dense(outputs + 5, 1)


def test_the_score_of_a_multi_view_lstm_is_linear_in_its_last_outputs():
    model = make_regressor("mvlstm(V,T)", **SIZES)
    layers, found = layers_of(model), model(make_inputs("mvlstm(V,T)"))["score"]
    for row, length in enumerate(LENGTH):
        streams = [stream[row, :length] for stream in streams_of("mvlstm(V,T)")]
        *_, (last, _) = view_steps(layers["multi_view_lstm"], streams)
        np.testing.assert_allclose(found[row], through(layers["linear"], last)[0], rtol=1e-4, atol=1e-5)


#: Topology → the outputs that words of 4 units and other modalities of 3 read, their own and of the two others.
READ = {
    "view-specific": (4 + 0, 3 + 0),
    "coupled": (3 + 3, 4 + 3),
    "fully-connected": (4 + 3 + 3, 3 + 4 + 3),
    "hybrid": (3 + 1 + 1, 2 + 1 + 1),
}


@pytest.mark.once
@pytest.mark.parametrize("topology", READ)
def test_a_multi_view_lstm_has_as_many_parameters_as_the_paper_says(topology):
    model = build_regressor(parse("mvlstm(T,A,V)"), Config(fusion_topology=topology, **SIZES), STATISTICS)
    words, others = READ[topology]
    gates = [4 * dense(DIMS["text"] + words, 4), *(4 * dense(DIMS[name] + others, 3) for name in ("audio", "video"))]
    assert model.count_params() == sum(gates) + dense(4 + 3 + 3, 1)


@pytest.mark.once
@pytest.mark.parametrize("topology", READ)
def test_a_topology_says_whether_modalities_read_each_other(topology):
    """A change of the words reaches the other modalities' outputs unless each reads its own alone, one step later."""
    model = make_regressor("mvlstm(T,A,V)", fusion_topology=topology, **SIZES)
    layer = layers_of(model)["multi_view_lstm"]
    streams = [stream.astype(np.float32) for stream in streams_of("mvlstm(T,A,V)")]
    before = layer(streams)[0].numpy()
    streams[0] = streams[0] + np.eye(1, 5, 0, dtype=np.float32)[:, :, None]
    moved = np.abs(layer(streams)[0].numpy() - before).max(0) > 1e-6
    assert moved[0, :4].all()
    assert not moved[0, 4:].any()
    assert moved[1, 4:].all() == moved[1, 4:].any() == (topology != "view-specific")


@pytest.mark.once
def test_a_gate_draws_in_training_and_takes_what_is_likelier_elsewhere():
    gate, logit = StraightThroughGate("gate"), np.array([-3.0, -0.5, 0.5, 3.0], np.float32)
    sequence = np.array([1.0, 2.0, -3.0, 4.0], np.float32)
    inputs = [np.tile(values[:, None], (5000, 1, 1)) for values in (sequence, logit)]
    np.testing.assert_array_equal(gate(inputs)[7, :, 0], [0.0, 0.0, -3.0, 4.0])
    with random_step([0, 1]):
        is_open = gate(inputs, training=True).numpy()[:, :, 0] / sequence
    np.testing.assert_allclose(is_open, is_open.round(), atol=1e-6)
    np.testing.assert_allclose(is_open.mean(0), sigmoid(logit), atol=0.03)


@pytest.mark.once
@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_of_a_gate_is_that_of_its_probability(training):
    rng = np.random.default_rng(0)
    sequence, factor = rng.normal(size=(2, 2, 5, 3)).astype(np.float32)
    logit = tf.constant(rng.normal(size=(2, 5, 1)), tf.float32)
    with tf.GradientTape() as tape, random_step([0, 1]):
        tape.watch(logit)
        total = tf.reduce_sum(StraightThroughGate("gate")([sequence, logit], training=training) * factor)
    slope = sigmoid(logit.numpy()) * (1 - sigmoid(logit.numpy()))
    expected = (sequence * factor).sum(-1, keepdims=True) * slope
    np.testing.assert_allclose(tape.gradient(total, logit), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("letters", ["V,T,A", "T"])
def test_gated_embedding_equals_loops_over_rows_and_steps(letters):
    """Of words alone nothing is gated."""
    recipe = f"gme({letters})"
    model = make_regressor(recipe, bidirectional=False, **SIZES)
    layers, found, gates = layers_of(model), model(make_inputs(recipe)), []
    (cell,) = (layer.cell for layer in layers["gated_lstm"].recurrent)
    kernel, recurrent_kernel, bias = (weight.numpy() for weight in cell.weights)
    for row, length in enumerate(LENGTH):
        outputs, cells, kept = np.zeros(4), np.zeros(4), []
        for t in range(length):
            read = []
            for name, stream in zip(parse(recipe).modalities, streams_of(recipe), strict=True):
                is_open = True
                if name != "text":
                    hidden = np.maximum(through(layers[f"{name}_controller_hidden"], stream[row, t]), 0.0)
                    is_open = bool(through(layers[f"{name}_controller"], hidden)[0] > 0)
                    gates.append(is_open)
                read.append(stream[row, t] * is_open)
            outputs, cells = lstm_step(np.concatenate(read) @ kernel + outputs @ recurrent_kernel + bias, cells)
            kept.append(outputs)
        weights = softmax(np.array(kept) @ layers["temporal_attention"].get_weights()[0][:, 0])
        np.testing.assert_allclose(found["attention_weights"][row, :length], weights, atol=1e-5)
        fused = np.maximum(through(layers["attended_dense"], weights @ np.array(kept)), 0.0)
        np.testing.assert_allclose(found["score"][row], through(layers["linear"], fused)[0], rtol=1e-4, atol=1e-5)
    assert set(gates) == ({True, False} if len(letters) > 1 else set())


@pytest.mark.once
def test_gated_embedding_has_as_many_parameters_as_the_paper_says():
    model = build_regressor(parse("gme(T,A,V)"), Config(bidirectional=False, **SIZES), STATISTICS)
    controllers = sum(dense(DIMS[name], 3) + dense(3, 1) for name in ("audio", "video"))
    lstm = 4 * dense(sum(DIMS.values()) + 4, 4)
    assert model.count_params() == controllers + lstm + 4 + dense(4, 5) + dense(5, 1)


@pytest.mark.parametrize("method", ["mfn", "marn", "mvlstm", "gme"])
def test_every_weight_learns(method):
    """One step back reaches every weight, inside a graph as training has it."""
    model, inputs = make_regressor(f"{method}(T,A,V)", **SIZES), make_inputs(f"{method}(T,A,V)")

    @tf.function
    def gradients():
        with tf.GradientTape() as tape, random_step(tf.constant([0, 1])):
            total = tf.reduce_sum(model(inputs, training=True)["score"] ** 2)
        return tape.gradient(total, model.trainable_weights)

    for weight, gradient in zip(model.trainable_weights, gradients(), strict=True):
        assert np.abs(gradient).max() > 0, weight.name
