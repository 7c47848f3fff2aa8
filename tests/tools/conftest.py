import csv

import pytest

from tests.real_data import MOSI_TEXT


@pytest.fixture
def mosi_segments():
    """Rows of the real segments.csv."""
    path = MOSI_TEXT / "segments.csv"
    if not path.is_file():
        pytest.skip("real data are absent (MMTRANS_REAL_DATA)")
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))
