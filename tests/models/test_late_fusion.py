"""Late fusion: a sum of scores, so that no modality changes what another one says."""

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.models.regressor import build_regressor
from mmtrans.recipe import parse
from tests.models.test_regressor import DIMS, LENGTH, STATISTICS, make_inputs, make_regressor


@pytest.mark.parametrize("changed", list(DIMS))
def test_the_score_is_a_sum_over_modalities(changed):
    """A change of one modality moves the score by as much, whatever the others are."""
    model, inputs = make_regressor("late(T,A,V)"), make_inputs("late(T,A,V)")
    start = sum(width for name, width in DIMS.items() if list(DIMS).index(name) < list(DIMS).index(changed))
    own = slice(start, start + DIMS[changed])
    rng = np.random.default_rng(0)
    sources = {"as it is": inputs["source"], "others changed": rng.normal(size=inputs["source"].shape)}
    sources["others changed"][:, :, own] = inputs["source"][:, :, own]
    moved = rng.normal(size=inputs["source"][:, :, own].shape)
    moves = []
    for source in sources.values():
        after = source.copy()
        after[:, :, own] = moved
        scores = [model({"source": np.float32(x), "source_length": LENGTH})["score"].numpy() for x in (source, after)]
        moves.append(scores[1] - scores[0])
    np.testing.assert_allclose(moves[0], moves[1], atol=1e-5)
    assert np.abs(moves[0]).max() > 1e-3


def test_each_modality_has_a_recurrent_layer_and_weights_of_the_score():
    model = build_regressor(parse("late(T,A,V)"), Config(regressor_units=3, bidirectional=False), STATISTICS)
    recurrent = sum(4 * 3 * (width + 3 + 1) for width in DIMS.values())
    assert model.count_params() == recurrent + 3 * 3 + 1
