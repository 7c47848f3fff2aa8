"""Padding, against loops over rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmtrans.sources.padded import padding

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6))


def _runs(row):
    """Zero steps before the first and after the last real step, or `None` of a segment without any."""
    real = [step for step, is_real in enumerate(row) if is_real]
    return (real[0], len(row) - 1 - real[-1]) if real else None


@given(MASKS)
def test_side_and_lengths_are_those_of_a_loop(mask):
    runs = [_runs(row) for row in mask]
    left = sum(run is not None and run[0] > run[1] for run in runs)
    right = sum(run is not None and run[1] > run[0] for run in runs)
    side = "left" if left > right else "right" if right > left else "none"
    assert padding.find_side(mask) == side
    for name in ("left", "right", "none"):
        trimmed = {"left": 0, "right": 1}.get(name)
        expected = [
            0 if run is None else len(row) - (run[trimmed] if trimmed is not None else 0)
            for run, row in zip(runs, mask, strict=True)
        ]
        assert padding.real_lengths(mask, name).tolist() == expected


@given(st.integers(1, 5), st.integers(0, 5), st.sampled_from(["left", "right"]), st.integers(1, 4))
def test_padding_is_undone(length, extra, side, segments):
    real = np.arange(1, 1 + length * 2, dtype=np.float32).reshape(length, 2)
    before = extra if side == "left" else 0
    array = np.zeros((segments, length + extra, 2), np.float32)
    array[:, before : before + length] = real
    nonzero = padding.nonzero_steps(array)
    found = padding.find_side(nonzero)
    assert found == (side if extra else "none")
    for row, count in enumerate(padding.real_lengths(nonzero, found)):
        np.testing.assert_array_equal(padding.real_steps(array[row], found, int(count)), real)


def test_zeros_inside_and_at_the_other_end_are_steps():
    mask = np.array([[0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]], bool)
    assert padding.find_side(mask) == "left"
    assert padding.real_lengths(mask, "left").tolist() == [4, 3, 0]
    assert padding.real_lengths(mask, "right").tolist() == [5, 6, 0]


def test_nan_and_infinity_are_steps(monkeypatch):
    array = np.zeros((3, 2, 2))
    array[0, 1, 0], array[1, 0, 1], array[2, 1, 1] = np.nan, -np.inf, 1e-30
    expected = [[False, True], [True, False], [False, True]]
    assert padding.nonzero_steps(array).tolist() == expected
    monkeypatch.setattr(padding, "_VALUES_PER_BLOCK", 4)  # one segment a block
    assert padding.nonzero_steps(array).tolist() == expected


def test_shared_lengths_are_the_union():
    lengths = {"text": np.array([3, 0, 5]), "audio": np.array([4, 2, 0])}
    assert padding.shared_lengths(lengths).tolist() == [4, 2, 5]


def test_nothing_is_no_padding():
    assert padding.find_side(np.zeros((2, 3), bool)) == "none"
    assert padding.find_side(np.zeros((0, 3), bool)) == "none"
    assert padding.real_lengths(np.zeros((0, 3), bool), "left").tolist() == []
    assert padding.nonzero_steps(np.zeros((0, 3, 2))).shape == (0, 3)
