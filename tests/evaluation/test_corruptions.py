import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.evaluation.corruptions import CORRUPTIONS, LEVELS, SHARES, SourceModality, corrupt

#: A source of five columns: the modality has the middle two.
BESIDE = SourceModality(slice(1, 3), np.array([7, -7], np.float32), np.array([0.5, 4], np.float32), alone=False)
ALONE = SourceModality(slice(0, 5), np.arange(1, 6, dtype=np.float32), np.full(5, 2, np.float32), alone=True)
STREAMS = pytest.mark.parametrize("stream", [BESIDE, ALONE], ids=["beside", "alone"])
KINDS = pytest.mark.parametrize("kind", CORRUPTIONS)


def batch_of(lengths, padding=0):
    """Every valid value is another number, so that a step can be told by any column."""
    steps = max(lengths) + padding
    source = np.arange(1, 1 + len(lengths) * steps * 5, dtype=np.float32).reshape(len(lengths), steps, 5) / 8
    for row, length in enumerate(lengths):
        source[row, length:] = 0
    ids = [f"v{row}[{row}]".encode() for row in range(len(lengths))]
    return source, np.array(lengths, np.int32), ids


def outside(source, stream):
    """The columns of the other modalities."""
    return np.delete(source, np.r_[stream.columns], axis=2)


def averaged(result, length, stream):
    """`(batch, steps)`: the valid steps at which the modality is its train mean."""
    valid = np.arange(result.shape[1]) < length[:, None]
    return (result[:, :, stream.columns] == stream.mean).all(-1) & valid


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(0, 3), st.integers(0, 2**31))
@STREAMS
@KINDS
def test_level_zero_is_the_source_bit_for_bit(kind, stream, lengths, padding, seed):
    source, length, ids = batch_of(lengths, padding)
    result, new_length = corrupt(source, length, ids, (kind, 0.0), stream, seed)
    assert result.tobytes() == source.tobytes()
    np.testing.assert_array_equal(new_length, length)


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(0, 3), st.floats(0, 1), st.integers(0, 2**31))
@STREAMS
@KINDS
def test_what_every_corruption_keeps(kind, stream, lengths, padding, level, seed):
    source, length, ids = batch_of(lengths, padding)
    before = source.copy()
    result, new_length = corrupt(source, length, ids, (kind, level), stream, seed)
    np.testing.assert_array_equal(source, before)
    assert (result.shape, result.dtype, new_length.dtype) == (source.shape, np.float32, np.int32)
    assert (new_length >= 1).all()
    assert (new_length <= length).all()
    if kind != "dropped" or not stream.alone:
        np.testing.assert_array_equal(new_length, length)
        np.testing.assert_array_equal(outside(result, stream), outside(source, stream))
    for row, steps in enumerate(new_length):
        assert not result[row, steps:].any()
    # Rows do not depend on their batch: order, neighbours, padding.
    for row in reversed(range(len(lengths))):
        own = source[row : row + 1, : length[row]]
        again, again_length = corrupt(own, length[row : row + 1], ids[row : row + 1], (kind, level), stream, seed)
        np.testing.assert_array_equal(again[0], result[row, : length[row]])
        assert again_length[0] == new_length[row]


@STREAMS
def test_all_segments_are_without_the_modality_at_level_one(stream):
    source, length, ids = batch_of([4, 1, 6])
    result, _ = corrupt(source, length, ids, ("missing", 1.0), stream, 0)
    np.testing.assert_array_equal(averaged(result, length, stream).sum(1), length)


def test_a_missing_modality_is_missing_at_every_step():
    source, length, ids = batch_of([3] * 400)
    for level in (0.2, 0.7):
        result, _ = corrupt(source, length, ids, ("missing", level), BESIDE, 0)
        lost = averaged(result, length, BESIDE).sum(1)
        assert set(lost) == {0, 3}
        # Five standard deviations of a binomial share.
        assert np.mean(lost == 3) == pytest.approx(level, abs=5 * np.sqrt(level * (1 - level) / 400))
        np.testing.assert_array_equal(result[lost == 0], source[lost == 0])


def test_one_step_is_left_when_all_are_dropped():
    source, length, ids = batch_of([4, 1, 6])
    result, new_length = corrupt(source, length, ids, ("dropped", 1.0), ALONE, 0)
    np.testing.assert_array_equal(new_length, [1, 1, 1])
    for row in range(3):
        assert (source[row] == result[row, 0]).all(1).sum() == 1
    result, _ = corrupt(source, length, ids, ("dropped", 1.0), BESIDE, 0)
    np.testing.assert_array_equal(averaged(result, length, BESIDE).sum(1), length - 1)


@pytest.mark.parametrize("level", SHARES[1::3])
def test_dropped_steps_are_removed_from_a_source_of_one_modality_and_averaged_beside_others(level):
    source, length, ids = batch_of([40, 33] * 10)
    short, new_length = corrupt(source, length, ids, ("dropped", level), ALONE, 0)
    lost = averaged(corrupt(source, length, ids, ("dropped", level), BESIDE, 0)[0], length, BESIDE)
    for row in range(len(ids)):
        expected = source[row, : length[row]][~lost[row, : length[row]]]
        np.testing.assert_array_equal(short[row, : new_length[row]], expected)
    assert lost.sum() / length.sum() == pytest.approx(level, abs=5 * np.sqrt(0.25 / length.sum()) + 1 / 33)


@pytest.mark.parametrize("kind", ["missing", "dropped"])
def test_what_is_lost_stays_lost_at_higher_levels(kind):
    source, length, ids = batch_of([7, 5, 11, 2, 9, 8])
    lost = [averaged(corrupt(source, length, ids, (kind, lv), BESIDE, 3)[0], length, BESIDE) for lv in (0, *SHARES)]
    assert all((low <= high).all() for low, high in itertools.pairwise(lost))
    assert len({mask.sum() for mask in lost}) > 3


def test_noise_is_gaussian_in_train_deviations():
    source, length, ids = batch_of([60] * 60)
    source = np.zeros_like(source)
    single, double = (corrupt(source, length, ids, ("noise", level), BESIDE, 0)[0] for level in (1.0, 2.0))
    drawn = single[:, :, BESIDE.columns] / BESIDE.std
    # Of 3600 draws, five standard errors.
    np.testing.assert_allclose(drawn.mean((0, 1)), 0, atol=5 / 60)
    np.testing.assert_allclose(drawn.std((0, 1)), 1, atol=5 / 60 / np.sqrt(2))
    np.testing.assert_array_equal(double, 2 * single)
    assert len(np.unique(drawn)) > 7000


def test_shuffled_steps_are_permuted_among_themselves():
    source, length, ids = batch_of([30, 20, 1])
    moved = []
    for level in SHARES:
        result, _ = corrupt(source, length, ids, ("shuffled", level), BESIDE, 0)
        for row, steps in enumerate(length):
            own = result[row, :steps, BESIDE.columns]
            np.testing.assert_array_equal(own[own[:, 0].argsort()], source[row, :steps, BESIDE.columns])
        moved.append((result != source).any(2).sum())
    assert moved[0] < 15 < 40 < moved[-1]


@pytest.mark.parametrize("kind", ["missing", "dropped", "noise", "shuffled"])
def test_seeds_and_kinds_draw_differently(kind):
    source, length, ids = batch_of([9] * 20)
    first, second = (corrupt(source, length, ids, (kind, 0.5), BESIDE, seed)[0] for seed in (0, 1))
    assert (first != second).any()
    assert not np.array_equal(first[0] - source[0], first[1] - source[1]) or kind == "missing"


def test_levels_are_ten_to_the_end():
    assert {kind: (len(levels), levels[0], levels[-1]) for kind, levels in LEVELS.items()} == {
        "missing": (10, 0.1, 1.0),
        "dropped": (10, 0.1, 1.0),
        "noise": (10, 0.25, 2.5),
        "shuffled": (10, 0.1, 1.0),
    }
