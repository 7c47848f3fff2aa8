import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.data.records import Records
from mmtrans.evaluation.ensemble import check_members, combine, evaluate_ensemble
from mmtrans.evaluation.metrics import METRICS, sentiment_metrics
from mmtrans.evaluation.predictions import Predictions
from mmtrans.evaluation.split_metrics import evaluate_predictions
from mmtrans.runs.run import Run


def predictions_of(ids, scores):
    labels = np.array([int(id_[2:-1]) for id_ in ids], np.float32)
    return Predictions(
        ids, [id_[0] for id_ in ids], [id_ + "!" for id_ in ids], np.float32(scores), labels, {"x": scores}
    )


def scores_in(path, split):
    with open(path / "predictions.csv", newline="") as file:
        return {row["id"]: float(row["prediction"]) for row in csv.DictReader(file) if row["split"] == split}


@pytest.fixture(scope="module")
def runs(baseline_run, translation_run):
    return [Run.open(baseline_run), Run.open(translation_run)]


@pytest.fixture(scope="module")
def records(records_dir):
    return Records.open(records_dir)


@pytest.fixture(scope="module")
def made(runs, records, tmp_path_factory):
    """The directory of an ensemble of `T` and `T->A` on valid, and what was returned."""
    out = tmp_path_factory.mktemp("ensemble") / "new" / "both"
    return out, evaluate_ensemble(runs, records, "valid", out)


def test_scores_are_averaged_by_segment():
    first = predictions_of(["a[1]", "b[2]", "a[3]"], [1, 2, 3])
    second = predictions_of(["a[3]", "b[4]", "a[1]"], [5, 6, -2])
    ensemble, scores = combine([first, second])
    assert (ensemble.ids, ensemble.videos, ensemble.words) == (["a[1]", "a[3]"], ["a", "a"], ["a[1]!", "a[3]!"])
    np.testing.assert_array_equal(ensemble.scores, [-0.5, 4])
    np.testing.assert_array_equal(ensemble.labels, [1, 3])
    np.testing.assert_array_equal(scores, [[1, 3], [-2, 5]])


def test_one_member_is_its_own_ensemble():
    member = predictions_of(["a[1]", "b[2]"], [0.1, 0.7])
    ensemble, scores = combine([member])
    np.testing.assert_array_equal(ensemble.scores, member.scores)
    np.testing.assert_array_equal(scores, [member.scores])
    assert (ensemble.ids, ensemble.videos) == (member.ids, member.videos)


def test_members_without_a_segment_in_common_are_refused():
    with pytest.raises(ValueError, match=r"no segment in common.*Received: segments=\[1, 2\]"):
        combine([predictions_of(["a[1]"], [0]), predictions_of(["a[2]", "a[3]"], [0, 0])])


def test_metrics_are_those_of_the_mean_score(runs, records, made):
    out, result = made
    members = [scores_in(run.path, "valid") for run in runs]
    with open(out / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    mean = np.array([np.mean([member[row["id"]] for member in members]) for row in rows])
    np.testing.assert_allclose([float(row["prediction"]) for row in rows], mean, atol=1e-6)
    labels, videos = np.array([float(row["label"]) for row in rows]), [row["video_id"] for row in rows]
    expected = evaluate_predictions(mean, labels, videos, records.labels("train"), records.manifest.label)
    for name in ("mae", "pearson", "acc2_has0", "acc7"):
        assert result[name] == pytest.approx(expected[name], abs=1e-5)
    assert result["segments"] == len(rows) == len(members[0])
    for member, run, scores in zip(result["members"], runs, members, strict=True):
        assert (member["run"], member["recipe"], member["seed"]) == (str(run.path), run.config.plan.recipe, 0)
        own = sentiment_metrics(np.array([scores[row["id"]] for row in rows]), labels, records.manifest.label)
        assert member["mae"] == pytest.approx(own["mae"], abs=1e-5)
        assert member["mae"] == json.loads((run.path / "metrics.json").read_text())["valid"]["mae"]
    assert result["members_mean"].keys() == set(METRICS)
    assert result["members_mean"]["mae"] == pytest.approx(np.mean([m["mae"] for m in result["members"]]))
    # The absolute value is convex; scores are float32.
    assert result["mae"] <= result["members_mean"]["mae"] + 1e-6


def test_files_hold_what_was_returned(made):
    out, result = made
    assert json.loads((out / "metrics.json").read_text()) == {"valid": result}
    assert {path.name for path in (out / "plots").iterdir()} == {"predictions-valid.png", "confusion-valid.png"}


def test_the_same_ensemble_adds_a_split_and_another_one_is_refused(runs, records, made, tmp_path):
    out = shutil.copytree(made[0], tmp_path / "out")
    test = evaluate_ensemble(runs[::-1], records, "test", out)
    metrics = json.loads((out / "metrics.json").read_text())
    assert (list(metrics), metrics["test"]) == (["valid", "test"], test)
    before = (out / "metrics.json").read_bytes()
    foreign = r"holds something else.*Received: out=.*another --out"
    file = r"Nothing can be written there.*metrics\.json is no folder\)\. Name another place with --out"
    for place, sentence in ((out, foreign), (runs[0].path, foreign), (out / "metrics.json", file)):
        with pytest.raises(ValueError, match=sentence):
            evaluate_ensemble([runs[0], replace(runs[1], path=tmp_path)], records, "valid", place)
    assert (out / "metrics.json").read_bytes() == before


def test_runs_that_make_no_ensemble_are_refused(runs, baseline_run, small_dir, tmp_path):
    shutil.copytree(baseline_run, tmp_path / "copy")
    with pytest.raises(ValueError, match=r"One run is given twice.*Received: .*baseline and .*copy\. Leave one"):
        check_members([*runs, Run.open(tmp_path / "copy")])
    stranger = replace(runs[1], manifest_hash="ab" * 32)
    with pytest.raises(ValueError, match=r"trained on different records\. .*Received: abababababab .*same records"):
        check_members([runs[0], stranger])
    with pytest.raises(ValueError, match=r"records do not fit the run"):
        evaluate_ensemble(runs, Records.open(small_dir), "valid", tmp_path / "out")
    assert not (tmp_path / "out").exists()
