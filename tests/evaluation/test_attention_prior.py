import numpy as np
import pytest

from mmtrans.evaluation.attention_prior import PriorCorrelation

BATCH, STEPS, SOURCE_STEPS = 3, 5, 4
LENGTH, SOURCE_LENGTH = np.array([5, 2, 4]), np.array([2, 4, 3])
POSITION = np.array([[0, 0, 1, 1, 9], [0, 3, 3, 3, 3], [0, 1, 2, 3, 4]])


def prior_of(position, source_steps):
    """`exp(-|position - s|)` over its sum, by a loop."""
    values = [np.exp(-abs(position - s)) for s in range(source_steps)]
    return [value / sum(values) for value in values]


def pairs_of(weights, position):
    """Weight and prior of every valid pair of steps."""
    return [
        (weights[row, t, s], prior_of(position[row][t], SOURCE_LENGTH[row])[s])
        for row in range(BATCH)
        for t in range(LENGTH[row])
        for s in range(SOURCE_LENGTH[row])
    ]


def garbage_outside(weights):
    valid = (np.arange(STEPS) < LENGTH[:, None])[:, :, None] & (np.arange(SOURCE_STEPS) < SOURCE_LENGTH[:, None])[
        :, None
    ]
    return np.where(valid, weights, np.nan)


def test_it_is_pearson_s_over_all_valid_pairs_of_steps():
    weights = np.random.default_rng(0).uniform(size=(BATCH, STEPS, SOURCE_STEPS)).astype(np.float32)
    expected = np.corrcoef(np.transpose(pairs_of(weights, POSITION)))[0, 1]
    assert abs(expected) > 0.05
    found = PriorCorrelation()
    for rows in (slice(0, 1), slice(1, 3)):  # in batches
        found.update(garbage_outside(weights)[rows], POSITION[rows], LENGTH[rows], SOURCE_LENGTH[rows])
    assert found.result() == pytest.approx(expected, abs=1e-9)


def test_one_row_of_positions_serves_all():
    weights, position = np.random.default_rng(1).uniform(size=(BATCH, STEPS, SOURCE_STEPS)), np.arange(STEPS)
    expected = np.corrcoef(np.transpose(pairs_of(weights, [position] * BATCH)))[0, 1]
    found = PriorCorrelation()
    found.update(weights, position[None], LENGTH, SOURCE_LENGTH)
    assert found.result() == pytest.approx(expected, abs=1e-9)


def test_the_prior_itself_has_1_and_content_has_less():
    prior = np.zeros((BATCH, STEPS, SOURCE_STEPS))
    for row in range(BATCH):
        for t in range(STEPS):
            prior[row, t, : SOURCE_LENGTH[row]] = prior_of(POSITION[row][t], SOURCE_LENGTH[row])
    found, elsewhere = PriorCorrelation(), PriorCorrelation()
    found.update(prior, POSITION, LENGTH, SOURCE_LENGTH)
    assert found.result() == pytest.approx(1.0)
    elsewhere.update(1 - prior, POSITION, LENGTH, SOURCE_LENGTH)
    assert elsewhere.result() == pytest.approx(-1.0)


@pytest.mark.parametrize("source_length", [1, 3])
def test_it_is_undefined_where_one_of_both_is_the_same_everywhere(source_length):
    """A source of one step has nothing to choose from; even weights have no correlation with anything."""
    found = PriorCorrelation()
    assert found.result() is None
    weights = np.full((2, 3, source_length), 1 / source_length, np.float32)
    found.update(weights, np.array([[0, 5, 2000]]), np.array([3, 1]), np.full(2, source_length))
    assert found.result() is None
