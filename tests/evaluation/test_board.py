"""What an evaluation leaves for TensorBoard, read back from its files."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from mmtrans.data.records import Records
from mmtrans.evaluation import board
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.evaluation.predictions import predict_split
from mmtrans.runs.run import Run
from tfrecords.reader import read_segments


@pytest.fixture(scope="module")
def records(records_dir):
    return Records.open(records_dir)


@pytest.fixture(scope="module")
def run(translation_run, tmp_path_factory):
    """A copy of a translation as training leaves it: valid evaluated."""
    return Run.open(shutil.copytree(translation_run, tmp_path_factory.mktemp("board") / "run"))


def projector(run):
    """The metadata's rows as dicts, tensor → `(n, dim)`, as the projector's configuration names them."""
    directory = run.path / "logs" / "projector"
    config = text_format.Parse((directory / "projector_config.pbtxt").read_text(), ProjectorConfig())
    lines = (directory / config.embeddings[0].metadata_path).read_text().splitlines()
    header, *rows = (line.split("\t") for line in lines)
    tensors = {e.tensor_name: np.loadtxt(directory / e.tensor_path, delimiter="\t", ndmin=2) for e in config.embeddings}
    return [dict(zip(header, row, strict=True)) for row in rows], tensors


def events(run):
    """Tag → value of `RUN/logs/evaluation`, and how many files there are."""
    files = sorted((run.path / "logs" / "evaluation").glob("events*"))
    values = {}
    for file in files:
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            values |= {value.tag: (event.step, value) for value in event.summary.value}
    return values, len(files)


def test_training_shows_train_and_valid_and_evaluation_adds_test(run, records):
    rows, tensors = projector(run)
    assert {row["split"] for row in rows} == {"train", "valid"}
    assert list(tensors) == ["joint", "sentiment"]
    evaluate(run, records, "test")
    rows, tensors = projector(run)
    counts = {split: sum(row["split"] == split for row in rows) for split in ("train", "valid", "test")}
    assert counts == {split: records.count(split) for split in counts}
    assert {len(values) for values in tensors.values()} == {len(rows)}
    before = (run.path / "logs" / "projector" / "joint.tsv").read_text()
    evaluate(run, records, "test")
    assert (run.path / "logs" / "projector" / "joint.tsv").read_text() == before


def test_a_joint_representation_is_the_mean_of_the_encoders_output(run, records):
    evaluate(run, records, "test")
    rows, tensors = projector(run)
    dims = {name: info.dim for name, info in records.manifest.modalities.items()}
    segment = next(read_segments(records.directory / records.shards("test")[0].file, dims))
    place = next(i for i, row in enumerate(rows) if row["id"] == segment.id)
    assert rows[place]["words"] == " ".join(segment.tokens)
    assert float(rows[place]["label"]) == pytest.approx(segment.label)
    text = segment.features["text"]
    memory = run.load_translator().representation({"source": text[None], "source_length": np.array([len(text)])})[
        "memory"
    ]
    np.testing.assert_allclose(tensors["joint"][place], memory[0].numpy().mean(axis=0), atol=2e-4)
    # The score is linear in the other one.
    weights, bias = (w.numpy() for w in run.load_regressor().model.get_layer("linear").weights)
    scores = tensors["sentiment"] @ weights[:, 0] + bias[0]
    np.testing.assert_allclose(scores, [float(row["score"]) for row in rows], atol=2e-3)


def test_metrics_configuration_and_plots_stand_at_the_last_epoch(run, records):
    result = evaluate(run, records, "test")
    values, files = events(run)
    assert files == 2  # valid and test, however often
    step, value = values["test/mae"]
    assert step == 4
    assert tf.make_ndarray(value.tensor) == pytest.approx(result["mae"])
    assert {"valid/mae", "predictions/test", "confusion/test", "predictions/valid"} <= values.keys()
    width, height, png = values["confusion/test"][1].tensor.string_val
    assert tf.io.decode_png(png).shape == (int(height), int(width), 3)
    start = values["_hparams_/session_start_info"][1].metadata.plugin_data.content
    fields = plugin_data_pb2.HParamsPluginData.FromString(start).session_start_info.hparams
    assert fields["recipe"].string_value == "T->A"
    info = plugin_data_pb2.HParamsPluginData.FromString(start).session_start_info
    assert info.group_name == f"{run.path.name} {run.config.digest(run.manifest_hash)}"
    assert set(fields) == set(run.config.to_dict())


def test_a_baseline_has_no_joint_representation(baseline_run):
    _, tensors = projector(Run.open(baseline_run))
    assert list(tensors) == ["sentiment"]


def test_large_splits_are_thinned_out_evenly(run, records, monkeypatch, tmp_path):
    monkeypatch.setattr(board, "MAX_POINTS", 5)
    copy = Run.open(shutil.copytree(run.path, tmp_path / "run"))
    predictions = predict_split(copy, records, "valid")
    board.write_projector(copy.path, {"valid": predictions})
    rows, tensors = projector(copy)
    ids = [row["id"] for row in rows if row["split"] == "valid"]
    assert ids == [predictions.ids[i] for i in np.linspace(0, len(predictions.ids) - 1, 5).astype(int)]
    assert len(tensors["joint"]) == len(rows)


def test_a_part_of_a_split_is_drawn_at_random(run, records):
    part = predict_split(run, records, "train", most=40)
    size = run.config.optimisation.batch_size
    assert len(part.ids) == -(-40 // size) * size < records.count("train")
    assert len(set(part.ids)) == len(part.ids)
