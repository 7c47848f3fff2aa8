import csv
from pathlib import Path

import pytest


@pytest.fixture
def mosi_segments():
    """Rows of the real segments.csv, where the data lie beside the checkout."""
    path = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "mosi_text" / "segments.csv"
    if not path.is_file():
        pytest.skip("the real data are not here")
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))
