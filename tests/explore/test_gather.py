"""What a page holds: the numbers of the model itself, and of the other commands."""

import base64
import csv
import json
import shutil

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.suitability import open_records
from mmtrans.explore.gather import gather
from mmtrans.explore.reading import Source, lacks_of, read_sources
from mmtrans.explore.space import map_space
from mmtrans.explore.translations import shortened
from mmtrans.inference.scorer import Scorer
from mmtrans.inference.translate import features_r2, translate
from mmtrans.runs.run import Run
from tests.tfrecords.segments import make_corpus, make_segment


@pytest.fixture(scope="module")
def runs(baseline_run, translation_run):
    return [Run.open(baseline_run), Run.open(translation_run)]


@pytest.fixture(scope="module")
def page(runs):
    """Of the baseline and the translation, on valid."""
    return gather(runs, open_records(runs[0], splits=("train", "valid")), "valid")


def test_scores_are_those_of_evaluate(page, runs):
    for view, run in zip(page.runs, runs, strict=False):
        with open(run.path / "predictions.csv") as file:
            expected = {row["id"]: row for row in csv.DictReader(file) if row["split"] == "valid"}
        assert {segment.id for segment in page.segments} == set(expected)
        for segment, score in zip(page.segments, view.scores, strict=True):
            assert score == pytest.approx(float(expected[segment.id]["prediction"]), abs=1e-4)
            assert segment.label == pytest.approx(float(expected[segment.id]["label"]), abs=1e-4)
        metrics = json.loads((run.path / "metrics.json").read_text())["valid"]
        assert view.metrics["mae"] == pytest.approx(metrics["mae"], rel=1e-5)
    mean = page.runs[2]
    assert mean.name == "mean of the runs"
    np.testing.assert_allclose(mean.scores, np.mean([view.scores for view in page.runs[:2]], axis=0), atol=1e-3)


def test_the_difference_is_that_of_the_errors(page):
    labels = np.array([segment.label for segment in page.segments])
    errors = [np.abs(np.array(view.scores) - labels).mean() for view in page.runs]
    (difference,) = page.differences
    assert difference.mean == pytest.approx(errors[0] - errors[1], abs=1e-3)
    # One valid video: no interval.
    assert (difference.low, difference.high) == (None, None)


def test_influence_is_the_score_less_that_without_the_step(page, runs):
    records = open_records(runs[0], splits=("train", "valid"))
    sources = {source.id: source for source in read_sources(runs[0], records, "valid")}
    place = next(place for place, segment in enumerate(page.segments) if len(segment.words) == 4)
    source, scorer = sources[page.segments[place].id], Scorer.open(runs[0].path)
    assert list(source.words) == page.segments[place].words
    features = source.features["text"]
    scores, weights = scorer.score([{"text": features}])
    without = [float(scorer.score([{"text": np.delete(features, step, 0)}])[0][0]) for step in range(4)]
    np.testing.assert_allclose(page.runs[0].influence[place], float(scores[0]) - np.array(without), atol=2e-4)
    np.testing.assert_allclose(page.runs[0].attention[place], weights[0], atol=1e-4)
    assert page.runs[0].notes == {"translation": "This run translates nothing: its recipe is a baseline."}


def values_of(found):
    return np.frombuffer(base64.b64decode(found.data), np.uint8).reshape(found.rows, found.columns) / 255


def test_translations_are_those_of_translate(page, runs):
    run = runs[1]
    records = open_records(run, splits=("train", "valid"))
    items = {item.id: item for item in translate(run, records, "valid", SearchOptions(), length="target")}
    translation = page.runs[1].translation
    assert (translation.target, translation.of_tokens) == ("audio", False)
    for segment, found in list(zip(page.segments, translation.segments, strict=True))[:5]:
        item = items[segment.id]
        assert found.quality == pytest.approx(features_r2(run, [item]), abs=1e-3)
        weights = item.hypotheses[0].attention_weights
        np.testing.assert_allclose(values_of(found.attention), weights, atol=0.5 / 255 + 1e-4)
        steps = np.arange(weights.shape[1])
        expected = np.exp(-np.abs(steps[: weights.shape[0], None] - steps))
        np.testing.assert_allclose(
            values_of(found.prior), expected / expected.sum(1, keepdims=True), atol=0.5 / 255 + 1e-6
        )
        assert values_of(found.target).shape == (len(item.target), len(translation.columns))
    assert translation.columns[0].partition(", R² ")[2] >= translation.columns[-1].partition(", R² ")[2]


def test_the_test_split_is_looked_at_last(baseline_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(baseline_run, run)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("test", None)
    (run / "metrics.json").write_text(json.dumps(metrics))
    out = tmp_path / "page.html"
    assert main(["explore", str(run), "--split", "test", "--out", str(out)]) == 2
    assert (
        "The test split is looked at last. Expected a run that `mmtrans evaluate` has scored on it."
        in capsys.readouterr().err
    )
    assert not out.exists()
    assert main(["evaluate", str(run)]) == 0
    assert main(["explore", str(run), "--split", "test", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["written"], result["split"], result["bytes"]) == (str(out), "test", out.stat().st_size)
    text = out.read_text(encoding="utf-8")
    assert "These are segments of the test split." in text
    assert result["bytes"] < 2e6


def test_steps_that_stay_the_same_and_modalities_that_are_not_there_are_told(tmp_path):
    segments = [make_segment(i, 3, video=f"v{i}", modalities=("text", "audio") if i else ("text",)) for i in range(3)]
    folds = {"train": ["v1"], "valid": ["v0", "v2"]}
    convert(make_corpus(segments, folds=folds), tmp_path / "records")
    records = Records.open(tmp_path / "records", splits=("train", "valid"))
    sources = [Source("v2[2]", ("a", "b"), {"text": np.ones((2, 3), np.float32)})]
    assert dict(lacks_of(records, "valid", sources)) == {"v0[0]": ["no audio"], "v2[2]": ["text does not change"]}


def test_neighbours_are_the_nearest():
    vectors = np.array([[0, 0], [1, 0], [0, 3], [9, 9]], np.float32)
    space = map_space({"joint": vectors, "sentiment": vectors[:, :1]})
    assert space.name.startswith("joint")
    assert space.neighbours == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [2, 1, 0]]
    assert sum(space.explained) == pytest.approx(1)
    assert map_space({"sentiment": vectors[:2]}) is None


def test_another_ending_than_a_page_s_is_refused(baseline_run, capsys):
    assert main(["explore", str(baseline_run), "--out", "page.txt"]) == 2
    assert "Expected a file that ends in .html. Received: out=page.txt." in capsys.readouterr().err


def test_long_sequences_are_shown_as_stretches():
    values = np.arange(120.0)[:, None] * [1, 10]
    found = shortened(values)
    assert found.shape == (60, 2)
    np.testing.assert_allclose(found[[0, 1, 59]], [[0.5, 5], [2.5, 25], [118.5, 1185]])
    np.testing.assert_array_equal(shortened(values[:60]), values[:60])
