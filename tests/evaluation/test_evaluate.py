import csv
import json
import shutil

import numpy as np
import pytest

from mmtrans.data.records import Records
from mmtrans.evaluation.evaluate import check_records, evaluate
from mmtrans.evaluation.predictions import predict_split
from mmtrans.runs.run import Run
from mmtrans.training.train import train
from tfrecords.reader import read_segments

METRICS = (
    *("mae", "pearson", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0", "acc5", "acc7"),
    *("binary_precision", "binary_recall", "binary_f1", "seven_precision", "seven_recall", "seven_f1"),
    "extreme_recall",
)


def segments_of(records, split):
    dims = {name: info.dim for name, info in records.manifest.modalities.items()}
    return [s for shard in records.shards(split) for s in read_segments(records.directory / shard.file, dims, split)]


@pytest.fixture(scope="module")
def run(translation_run, tmp_path_factory):
    """A copy of the finished translation, evaluated on test."""
    path = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(translation_run, path)
    return Run.open(path)


@pytest.fixture(scope="module")
def records(records_dir):
    return Records.open(records_dir)


@pytest.fixture(scope="module")
def result(run, records):
    return evaluate(run, records, "test")


def test_every_name_of_the_contract_is_there(result):
    for name in METRICS:
        assert {name, f"{name}_low", f"{name}_high"} <= result.keys(), name
        assert result[f"{name}_low"] is None  # one video
    for baseline in ("mean", "median", "majority"):
        assert set(METRICS) <= result["baselines"][baseline].keys()
    assert result["collapsed"] in (True, False)
    assert {"r2", "mse", "teacher_forced_r2", "source_shuffled_r2", "copy_last_r2"} <= result["translation"].keys()
    assert result["binary_recall"] == result["acc2_has0"]
    assert result["seven_recall"] == result["acc7"]
    assert any("10" in note for note in result["notes"])
    json.dumps(result, allow_nan=False)


def test_files_hold_what_was_returned(run, result):
    assert json.loads((run.path / "metrics.json").read_text())["test"] == result
    names = {path.name for path in (run.path / "plots").iterdir()}
    assert {"predictions-test.png", "confusion-test.png", "history.png"} <= names


def test_predictions_are_one_row_a_labelled_segment(run, records, result):
    with open(run.path / "predictions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    expected = {s.id: (s.video_id, s.label) for s in segments_of(records, "test")}
    assert len(rows) == len(expected) == result["segments"]
    for row in rows:
        video, label = expected[row["id"]]
        assert row["video_id"] == video
        assert float(row["label"]) == pytest.approx(label, abs=1e-5)
    errors = [abs(float(row["prediction"]) - float(row["label"])) for row in rows]
    assert np.mean(errors) == pytest.approx(result["mae"], abs=1e-4)
    train_mean = np.mean([s.label for s in segments_of(records, "train")])
    mean_errors = [abs(train_mean - float(row["label"])) for row in rows]
    assert result["baselines"]["mean"]["mae"] == pytest.approx(np.mean(mean_errors), abs=1e-4)


def test_copying_the_last_frame_is_scored_on_standardised_targets(run, records, result):
    error = total = 0.0
    for segment in segments_of(records, "test"):
        frames = (segment.features["audio"] - run.statistics.mean["audio"]) / run.statistics.std["audio"]
        previous = np.zeros(frames.shape[1])
        for frame in frames.astype(np.float64):
            error += ((frame - previous) ** 2).sum()
            total += (frame**2).sum()
            previous = frame
    assert result["translation"]["copy_last_r2"] == pytest.approx(1 - error / total, abs=1e-4)
    assert result["translation"]["frames"] == sum(len(s.features["audio"]) for s in segments_of(records, "test"))


def test_splits_stand_side_by_side_and_a_second_evaluation_replaces_its_own(run, records, result):
    assert evaluate(run, records, "test") == result
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert list(metrics) == ["valid", "test"]
    with open(run.path / "predictions.csv", newline="") as file:
        counts = [row["split"] for row in csv.DictReader(file)]
    assert (counts.count("valid"), counts.count("test")) == (records.count("valid"), records.count("test"))


def test_a_baseline_has_no_translation(baseline_run, records, tmp_path):
    shutil.copytree(baseline_run, tmp_path / "run")
    assert "translation" not in evaluate(Run.open(tmp_path / "run"), records, "valid")


def test_unlabelled_segments_are_not_scored(tiny, small_dir, tmp_path):
    records = Records.open(small_dir)
    run = Run.open_or_create(tmp_path / "run", tiny(epochs=1), records)
    train(run, records, quiet=True)
    predictions = predict_split(run, records, "train")
    labels = {s.id: s.label for s in segments_of(records, "train")}
    assert len(labels) == 23
    assert sorted(predictions.ids) == sorted(id_ for id_, label in labels.items() if label is not None)
    np.testing.assert_array_equal(predictions.labels, [np.float32(labels[id_]) for id_ in predictions.ids])
    assert np.isfinite(predictions.scores).all()


def test_records_of_another_width_are_refused(run, small_dir):
    with pytest.raises(ValueError, match=r"do not fit the run\. Expected 300 columns of text\. Received: dim=3"):
        check_records(run, Records.open(small_dir))


def test_a_run_that_is_not_finished_is_refused(translation_run, records, tmp_path):
    shutil.copytree(translation_run, tmp_path / "run")
    path = tmp_path / "run" / "phases" / "1-translation-T_to_A" / "best" / "weights.npz"
    with np.load(path) as arrays:
        np.savez(path, **{name: array + 1 for name, array in arrays.items()})
    with pytest.raises(ValueError, match=r"run is not finished.*unfinished=\['2-sentiment-T_to_A'\].*mmtrans train"):
        evaluate(Run.open(tmp_path / "run"), records, "test")
    for name in ("1-translation-T_to_A", "2-sentiment-T_to_A"):
        shutil.rmtree(tmp_path / "run" / "phases" / name)
    with pytest.raises(ValueError, match=r"unfinished=\['1-translation-T_to_A', '2-sentiment-T_to_A'\]"):
        evaluate(Run.open(tmp_path / "run"), records, "test")
