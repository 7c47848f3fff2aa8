"""What files of results must hold: every metric, and curves that can be compared."""

import json

import pytest

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.shapes import Curve, Curves, Figures, read_split

CURVE = {"read": True, "levels": [0.0, 0.5], "metrics": {"mae": [1.0, 1.5]}, "area": {"mae": 1.25}}


def test_the_figures_are_the_metrics():
    assert tuple(Figures.__annotations__) == tuple(METRICS)


@pytest.mark.parametrize(("added", "records"), [({}, None), ({"records": "ab", "later": 1}, "ab")])
def test_curves_of_one_split_are_read(tmp_path, added, records):
    path = tmp_path / "robustness.json"
    path.write_text(json.dumps({"test": {"curves": {"noise": {"text": CURVE}}, **added}, "valid": {}}))
    found = read_split(path, "test", Curves)
    assert found == Curves({"noise": {"text": Curve(True, [0.0, 0.5], {"mae": [1.0, 1.5]}, {"mae": 1.25})}}, records)
    assert found.curves["noise"]["text"].errors == [1.0, 1.5]
    assert read_split(path, "train", Curves) is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"metrics": {"pearson": [0.5, 0.25]}}, "A curve has the metric mae"),
        ({"metrics": {"mae": [1.0, None]}}, "The metric mae is always defined"),
        ({"metrics": {"mae": [1.0]}}, "A curve has one value a level"),
    ],
)
def test_curves_that_cannot_be_compared_are_damage(tmp_path, changed, sentence):
    path = tmp_path / "robustness.json"
    path.write_text(json.dumps({"test": {"curves": {"noise": {"text": {**CURVE, **changed}}}}}))
    with pytest.raises(ValueError, match=sentence):
        read_split(path, "test", Curves)
