"""Numbers that float32 does not hold as they are."""

import numpy as np
import pytest

from mmtrans.sources.account import Cleaned
from mmtrans.sources.cleaning import to_float32

LIMIT = 1 << 24


@pytest.mark.parametrize(
    ("values", "stored", "rounded"),
    [
        (
            np.int64([[LIMIT + 1, 1], [LIMIT + 3, -LIMIT - 3], [5, LIMIT]]),
            [[LIMIT, 1], [LIMIT + 4, -LIMIT - 4], [5, LIMIT]],
            2,
        ),
        (np.float64([[LIMIT + 3], [LIMIT + 3.25], [0.1]]), [[LIMIT + 4], [LIMIT + 4], [0.1]], 1),
        (np.float64([[1e39], [-np.inf], [np.nan]]), [[np.inf], [-np.inf], [np.nan]], 0),
        (np.float32([[LIMIT + 2]]), [[LIMIT + 2]], 0),
        (np.uint64([[2**64 - 1]]), [[2.0**64]], 1),
        (np.int64([[-(2**63)]]), [[-(2.0**63)]], 1),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0),
    ],
)
def test_whole_numbers_that_are_rounded_are_counted_by_frame(values, stored, rounded):
    found, counts = to_float32(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32(stored))
    assert counts == ({Cleaned.FRAMES_WITH_ROUNDED_NUMBERS: rounded} if rounded else {})
