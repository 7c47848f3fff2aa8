import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.conversion.statistics import ColumnStatistics, Moments


def oracle(arrays):
    """Two-pass mean and standard deviation with exact sums."""
    rows = [row for array in arrays for row in array.astype(np.float64)]
    columns = list(zip(*rows, strict=True))
    means = [math.fsum(column) / len(rows) for column in columns]
    stds = [
        math.sqrt(math.fsum((x - m) ** 2 for x in column) / len(rows)) for column, m in zip(columns, means, strict=True)
    ]
    return np.array(means), np.array([1.0 if len(set(c)) == 1 else s for c, s in zip(columns, stds, strict=True)])


@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    offset=st.sampled_from([0.0, -3.0, 1e5]),
    seed=st.integers(0, 1000),
)
def test_merging_equals_two_passes(lengths, offset, seed):
    rng = np.random.default_rng(seed)
    arrays = [(offset + rng.normal(size=(n, 3))).astype(np.float32) for n in lengths]
    statistics = ColumnStatistics(3)
    for array in arrays:
        statistics.add(Moments.of(array))
    mean, std = statistics.result()
    expected_mean, expected_std = oracle(arrays)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(std, expected_std, rtol=1e-9)
    assert mean.dtype == std.dtype == np.float64


def test_a_constant_column_has_its_value_and_std_one():
    statistics = ColumnStatistics(2)
    for steps in (3, 1, 7):
        # 0.1 is not exact in float32: its mean over 3 and 7 rows rounds, and a naive std is 1e-17.
        statistics.add(Moments.of(np.stack([np.full(steps, 0.1), np.arange(steps)], axis=1).astype(np.float32)))
    mean, std = statistics.result()
    assert mean[0] == np.float32(0.1)
    assert std[0] == 1.0
    assert std[1] > 1.0
    assert statistics.constant.tolist() == [True, False]


def test_no_rows():
    statistics = ColumnStatistics(2)
    with pytest.raises(ValueError, match="at least one step"):
        statistics.result()
