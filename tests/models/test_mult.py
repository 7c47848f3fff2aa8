"""Crossmodal transformers on what they are made for: weights set by hand find the event that a word asks for."""

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.models.regressor import build_regressor
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse
from mmtrans.synthetic.dependencies import VALUE, draw_dependency
from mmtrans.synthetic.world import AUDIO, POLARITIES, draw_world

SEGMENTS, WIDTH = 40, 8

#: Of words the polarity alone; of the voice the keys and the values of events.
DIMS = {"text": 1, "audio": 2}
STATISTICS = Statistics(
    {name: np.zeros(dim) for name, dim in DIMS.items()}, {name: np.ones(dim) for name, dim in DIMS.items()}
)


@pytest.fixture(scope="module")
def long_range():
    """Segments of `long-range` as a batch, and the affect that each means, `(segments,)`."""
    rng = np.random.default_rng(0)
    world = draw_world(rng)
    drawn = draw_dependency(rng, "long-range", world, np.array([SEGMENTS]))
    words, events = drawn.text.word % len(POLARITIES), drawn.channels(rng, world, AUDIO)[:, -2:]
    steps = np.concatenate([POLARITIES[words][:, None], events], axis=1)
    source = np.full((SEGMENTS, drawn.text.num_words.max() + 1, 3), 9.0, np.float32)
    for row, first, count in zip(source, drawn.text.first, drawn.text.num_words, strict=True):
        row[:count] = steps[first : first + count]
    meant = np.where(drawn.text.text_affect < 0, *drawn.values.T)
    return {"source": source, "source_length": drawn.text.num_words.astype(np.int32)}, meant


def fill(layer, entries, bias=()):
    """Sets some weights of a layer's kernel, and the first of its bias."""
    values = [np.zeros(weight.shape, np.float32) for weight in layer.get_weights()]
    for place, value in entries.items():
        values[0][place] = value
    if len(bias):
        values[1][: len(bias)] = bias
    layer.set_weights(values)


def difference(first, second, column, factor=1.0):
    """Entries of a kernel by which one column reads `factor * (first - second)`."""
    return {(first, column): factor, (second, column): -factor}


def solved(run_format, factor):
    """A model whose words look for events of their key, and whose last step looks for the word that is not neutral.

    Columns 4 and 6 of a step of text hold its polarity and the opposite; of the voice they hold the key, and columns 5
    and 7 the value. Positions change these columns slowly. Columns 0 and 1 come to say that a word is loaded.

    Args:
        run_format: what the run learns.
        factor: how far text is from zero in its columns.
    """
    config = Config(fusion_units=WIDTH, fusion_heads=1, fusion_layers=1)
    model = build_regressor(parse("mult(T,A)"), config, STATISTICS, run_format=run_format)
    fusion = model.get_layer("fusion")
    for weight in [*fusion.trainable_weights, *model.get_layer("linear").weights]:
        weight.assign(np.full(weight.shape, float("gamma" in weight.name)))
    block, last = fusion.get_layer("audio_to_text_0"), fusion.get_layer("text_0")
    fill(fusion.get_layer("text_convolution"), {(0, 0, 4): factor, (0, 0, 6): -factor})
    events = {(1, 0, 4): 50.0, (1, 0, 6): -50.0, (1, 1, 5): 50.0, (1, 1, 7): -50.0}
    fill(fusion.get_layer("audio_convolution"), events)
    # A loaded word attends to the event whose key has its polarity's sign, and takes over the value.
    fill(block.query, difference(4, 6, 0, 10.0))
    fill(block.key, difference(4, 6, 0))
    fill(block.value, difference(5, 7, 0))
    fill(block.attended, {(0, 5): 2.0, (0, 7): -2.0})
    # Two rectified units are the size of the polarity.
    fill(block.expand, difference(4, 6, 0) | difference(6, 4, 1), [-1.0, -1.0])
    fill(block.contract, {(unit, column): 30.0 - 60.0 * column for unit in (0, 1) for column in (0, 1)})
    # Whatever the last step is, it attends to the loaded word, and takes over the value from there.
    fill(last.query, {}, [30.0])
    fill(last.key, difference(0, 1, 0))
    fill(last.value, difference(5, 7, 0))
    fill(last.attended, {(0, 5): 1000.0, (0, 7): -1000.0})
    # Normalised, these columns are 2 and -2.
    fill(model.get_layer("linear"), {(5, 0): VALUE / 4, (7, 0): -VALUE / 4})
    return model


@pytest.mark.parametrize(("run_format", "factor"), [(3, 6.0), (2, 100.0)])
def test_weights_by_hand_find_the_event_that_a_word_asks_for(long_range, run_format, factor):
    inputs, meant = long_range
    assert set(meant) == {-VALUE, VALUE}
    scores = solved(run_format, factor)(inputs)["score"].numpy()
    np.testing.assert_allclose(scores, meant, atol=0.01)
