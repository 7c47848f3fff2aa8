"""Context over the segments of a video: the whole model against NumPy, and what it has and reads."""

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.models.regressor import build_regressor
from mmtrans.recipe import parse
from tests.models.test_recurrent_rivals import streams_of
from tests.models.test_regressor import DIMS, STATISTICS, make_inputs, make_regressor
from tests.models.test_rivals import lively

SIZES = {"regressor_units": 4, "fusion_units": 3, "fused_units": 5, "bidirectional": False}


def dense(width, units):
    return width * units + units


def lstm(width, units):
    return 4 * dense(width + units, units)


@pytest.mark.parametrize("letters", ["T,A,V", "V,T", "A"])
def test_there_are_as_many_parameters_as_the_paper_says(letters):
    recipe = parse(f"bclstm({letters})")
    model = build_regressor(recipe, Config(**SIZES), STATISTICS)
    modalities = recipe.modalities
    # The first level, one layer of each modality, both ways.
    count = sum(lstm(DIMS[name], 4) + 2 * lstm(4, 3) for name in modalities)
    width = 2 * 3
    if len(modalities) > 1:
        # The second, over what the first ones give.
        count, width = count + 2 * lstm(len(modalities) * width, 5), 2 * 5
    assert model.count_params() == count + dense(width, 5) + dense(5, 1)
    assert all(weight.trainable for weight in model.weights if "standardize" not in weight.name)


@pytest.mark.parametrize("recipe", ["bclstm(T,A,V)", "bclstm(V)"])
def test_what_stands_on_the_context_equals_numpy(recipe):
    """Of the layers' outputs: joined, read along the video again, then a dense layer and a score."""
    model, inputs = lively(make_regressor(recipe, **SIZES)), make_inputs(recipe)
    layers = {layer.name: layer for layer in model.get_layer("fusion").layers}
    numbers = [inputs["video_number"], inputs["segment_number"]]
    mask = np.arange(inputs["source"].shape[1]) < inputs["source_length"][:, None]
    read = []
    for name, values in zip(parse(recipe).modalities, streams_of(recipe), strict=True):
        _, state = layers[f"{name}_subnetwork"](values.astype(np.float32), source_mask=mask)
        read.append(layers[f"{name}_context"]([state, *numbers]).numpy())
    context = np.concatenate(read, 1)
    if len(read) > 1:
        context = layers["joint_context"]([context, *numbers]).numpy()
    kernel, bias = layers["context_dense"].get_weights()
    fused = np.maximum(context @ kernel + bias, 0.0)
    kernel, bias = model.get_layer("linear").get_weights()
    np.testing.assert_allclose(model(inputs)["score"], (fused @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5)


def test_a_score_depends_on_the_segments_of_its_video_and_on_their_order():
    model, inputs = lively(make_regressor("bclstm(T,A,V)", **SIZES)), make_inputs("bclstm(T,A,V)")
    before = model(inputs)["score"].numpy()
    # Rows 0 and 2 are of one video, and row 1 is of another.
    moved = inputs["source"].copy()
    moved[2, 0] += 1.0
    after = model({**inputs, "source": moved})["score"].numpy()
    assert (np.abs(after - before) > 1e-6).tolist() == [True, False, True]
    turned = model({**inputs, "segment_number": np.array([0, 0, 1])})["score"].numpy()
    assert (np.abs(turned - before) > 1e-6).tolist() == [True, False, True]
