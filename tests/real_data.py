"""Real data, which are no part of the checkout: MOSI's files, and what the official SDK makes of them.

`MMTRANS_REAL_DATA` names the folder, by default `shared` beside the checkout. Where a file is absent, its tests are
skipped.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MMTRANS_REAL_DATA") or Path(__file__).parents[2] / "shared").resolve()

MOSI_TEXT = FOLDER / "data" / "mosi_text"
MOSI_TRIMODAL = FOLDER / "data" / "mosi_trimodal"
MOSI_LABEL_TIMES = FOLDER / "data" / "mosi_label_times"
SDK = FOLDER / "bench"


def needs(*paths: Path) -> pytest.MarkDecorator:
    """Skips a test where one of these files or folders is absent."""
    missing = [str(path) for path in paths if not path.exists()]
    return pytest.mark.skipif(bool(missing), reason=f"real data are absent (MMTRANS_REAL_DATA): {', '.join(missing)}")
