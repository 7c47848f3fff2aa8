"""Fusion models that loop over steps can be exported, and the export scores as the run does."""

import numpy as np
import pytest

from mmtrans.inference.export import export
from mmtrans.inference.scorer import Scorer
from tests.inference.test_export import finished_run, small_records
from tests.tfrecords.segments import DIMS

SIZES = {"regressor_units": 4, "fusion_units": 4, "fused_units": 3, "fusion_heads": 2}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mfn", "marn", "mvlstm", "gme"])
def test_an_export_scores_as_the_run_does(small_dir, tiny, tmp_path, method):
    run = finished_run(tmp_path / "run", tiny(recipe=f"{method}(A,T)", **SIZES), small_records(small_dir))
    export(run, tmp_path / "export")
    rng = np.random.default_rng(0)
    segments = [
        {name: rng.normal(size=(steps, dim)).astype(np.float32) for name, dim in DIMS.items()} for steps in (3, 1, 7)
    ]
    expected, found = (Scorer.open(tmp_path / name).score(segments) for name in ("run", "export"))
    for values, others in zip(expected, found, strict=True):
        np.testing.assert_allclose(np.concatenate(others, None), np.concatenate(values, None), atol=1e-5)
    assert np.ptp(expected[0]) > 1e-4
