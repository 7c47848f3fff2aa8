import json

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.runs.labels import labels_text
from mmtrans.runs.phases import phases_of
from mmtrans.runs.reading import labels_left
from mmtrans.runs.run import Run
from mmtrans.search.plan import Training
from mmtrans.search.work import Trainer
from mmtrans.training.prepare import prepare, prepare_phases
from tests.tfrecords.segments import make_corpus, make_segment, make_segments

SENTENCE = "The sentiment was learned from 4 of 20 train labels, and 5 of 10 valid labels chose the epoch."


def train_few(small_dir, path, *flags):
    """`T` with 4 of the 20 train labels and 5 of the 10 valid ones, by the command line."""
    shares = ["--label-fraction", "0.2", "--valid-label-fraction", "0.5"]
    command = ["train", "--data", str(small_dir), "--recipe", "T", "--run", str(path), *shares, *flags]
    assert main([*command, "--json"]) == 0


def test_early_stopping_sees_the_valid_labels_that_are_left(tiny, small):
    config = tiny(valid_label_fraction=0.3, seed=5)
    (phase,) = phases_of(config, small.manifest.manifest_hash)
    prepared = prepare(phase, config, small)
    labels = np.concatenate([batch["label"] for batch in prepared.batches(5).valid()])
    np.testing.assert_array_equal(np.sort(labels), np.sort(labels_left(config, small).labels("valid")))
    assert len(labels) == 3
    assert prepared.train_steps == 3
    ids = {b for batch in prepared.batches(5).valid() for b in batch["id"].numpy()}
    other = prepare(phase, tiny(valid_label_fraction=0.3, seed=6), small)
    assert ids != {b for batch in other.batches(6).valid() for b in batch["id"].numpy()}


def test_a_run_tells_how_many_labels_it_has_seen(small_dir, tmp_path, baseline_flags, capsys):
    train_few(small_dir, tmp_path / "run", *baseline_flags)
    *lines, result = capsys.readouterr().out.splitlines()
    assert SENTENCE in lines
    assert "5 segments of 1 videos." in lines
    assert json.loads(result)["segments"] == 5
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["labels"] == {"train": {"seen": 4, "all": 20}, "valid": {"seen": 5, "all": 10}}
    # Who asks for the evaluation of valid gets all of it.
    assert main(["evaluate", str(tmp_path / "run"), "--split", "valid", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["segments"] == 10


def test_a_run_whose_steps_are_fixed_tells_that_no_valid_label_chose(small_dir, tmp_path, baseline_flags, capsys):
    train_few(small_dir, tmp_path / "run", *baseline_flags, "--fixed-steps", "2")
    lines = capsys.readouterr().out.splitlines()
    assert (
        "The sentiment was learned from 4 of 20 train labels, in a fixed number of steps, without valid labels."
    ) in lines
    assert not any("valid chose the epoch" in line for line in lines)
    labels = json.loads((tmp_path / "run" / "environment.json").read_text())["labels"]
    assert labels == {"train": {"seen": 4, "all": 20}, "valid": {"seen": 0, "all": 10}}


def test_a_search_chooses_by_the_valid_labels_that_are_left(tiny, small_dir, tmp_path):
    config = tiny(epochs=1, valid_label_fraction=0.5)
    trainer = Trainer(tmp_path, "mae")
    trainer.clear()
    trainer(Training("0000/seed-0", config, small_dir, None))
    (metrics,) = tmp_path.rglob("metrics.json")
    assert json.loads(metrics.read_text())["valid"]["segments"] == 5


def test_the_sentence_is_of_all_labels_and_of_runs_that_tell(tiny, small, tmp_path):
    run = Run.open_or_create(tmp_path / "T", tiny(), small)
    assert labels_text(run.environment["labels"]) == (
        "The sentiment was learned from all 20 train labels, and all 10 valid labels chose the epoch."
    )
    pretrained = Run.open_or_create(tmp_path / "pre", tiny(recipe="T->A", pretrain=True), small)
    assert labels_text(pretrained.environment["labels"]) == labels_text(None) == ""


def test_labels_of_segments_without_the_source_are_no_help(tiny, tmp_path):
    """The one label that is left is of a segment without text."""
    segments = make_segments(40)
    bare = [make_segment(90 + i, 5, video="v2", modalities=("audio",)) for i in range(60)]
    convert(make_corpus([*segments, *bare]), tmp_path / "records")
    records = Records.open(tmp_path / "records", splits=("train", "valid"))
    config = tiny(valid_label_fraction=0.01, seed=1)
    with pytest.raises(
        ValueError,
        match=r"^No label is left\. Expected one at least of a segment with text in the valid split\. Received: "
        r"valid_label_fraction='0\.01', which leaves none of 10 \(.*\)\. Raise --valid-label-fraction\.$",
    ):
        prepare_phases(config, records)
