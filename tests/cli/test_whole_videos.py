"""A recipe that reads whole videos, by the command line, from records to predictions."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.config import Config
from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.training.prepare import prepare_phases
from tests.tfrecords.segments import make_corpus, make_segment

SIZES = ["--regressor-units", "4", "--fusion-units", "3", "--fused-units", "5"]
RECIPE = ["--recipe", "bclstm(T,A)", *SIZES, "--epochs", "2", "--quiet"]


@pytest.fixture(scope="module")
def run(records_dir, tmp_path_factory):
    """A run of `bclstm(T,A)` that is evaluated on test."""
    path = tmp_path_factory.mktemp("whole-videos") / "run"
    assert main(["train", "--data", str(records_dir), "--run", str(path), *RECIPE]) == 0
    assert main(["evaluate", str(path)]) == 0
    return path


def predictions_of(run):
    with open(run / "predictions.csv") as file:
        return {row["id"]: float(row["prediction"]) for row in csv.DictReader(file) if row["split"] == "test"}


@pytest.mark.slow
def test_it_is_scored_on_every_segment_of_test(run, records_dir):
    assert set(predictions_of(run)) == set(Records.open(records_dir).ids("test"))
    assert np.ptp(list(predictions_of(run).values())) > 1e-4


@pytest.mark.slow
def test_it_is_corrupted_as_others_are(run, capsys):
    assert main(["evaluate", str(run), "--corrupt", "--json"]) == 0
    curves = json.loads((run / "robustness.json").read_text())["test"]["curves"]
    for name in ("text", "audio"):
        assert len(set(curves["missing"][name]["metrics"]["mae"])) > 1
    assert not curves["missing"]["video"]["read"]


@pytest.mark.slow
def test_a_source_gets_the_scores_of_its_videos_from_the_run_and_from_an_export(run, corpus_dir, tmp_path):
    assert main(["export", str(run), str(tmp_path / "export")]) == 0
    for model in (run, tmp_path / "export"):
        out = tmp_path / f"{model.name}.csv"
        assert main(["predict", str(model), str(corpus_dir), "--out", str(out)]) == 0
        with open(out) as file:
            found = {row["id"]: float(row["score"]) for row in csv.DictReader(file)}
        for id_, score in predictions_of(run).items():
            assert found[id_] == pytest.approx(score, abs=1e-4)


@pytest.mark.slow
@pytest.mark.once
def test_the_explorer_shows_it(run, tmp_path):
    page = tmp_path / "page.html"
    assert main(["explore", str(run), "--split", "test", "--out", str(page)]) == 0
    assert "bclstm(T,A), seed 0" in page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.once
def test_a_grid_reports_what_it_reads(small_dir, tmp_path):
    grid = [
        *("grid", "--data", str(small_dir), "--out", str(tmp_path / "grid"), "--seeds", "1", "--jobs", "1"),
        *("--recipes", "T,bclstm(T,A),late(T,A)", *SIZES, "--no-bidirectional", "--epochs", "1"),
    ]
    assert main(grid) == 0
    assert main(["report", str(tmp_path / "grid"), "--out", str(tmp_path / "report.html")]) == 0
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("whole videos, test segments beside each other") == 1
    assert "each segment by itself" in report


@pytest.mark.slow
@pytest.mark.once
def test_it_has_a_space_to_search(small_dir, tmp_path, capsys):
    command = [
        *("tune", "--data", str(small_dir), "--out", str(tmp_path / "search"), "--recipe", "bclstm(T,A)"),
        *("--epochs", "1", "--trials", "1", "--tuner", "random", "--json"),
    ]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["best"]["parameters"]
    assert {"fusion_units", "fused_units", "regressor_units"} <= set(found)
    assert not {"fusion_rank", "fusion_layers"} & set(found)


def test_a_corpus_whose_segments_have_no_neighbours_is_refused(tmp_path):
    segments = [make_segment(0, 3, video=f"v{i}") for i in range(8)]
    convert(make_corpus(segments), tmp_path / "records")
    records = Records.open(tmp_path / "records", splits=("train", "valid"))
    config = Config(recipe="bclstm(T,A)", **{"regressor_units": 4})
    message = r"No segment has neighbours, and bclstm\(T,A\) reads them\. .*6 videos of one segment.*late\(T,A\)\."
    with pytest.raises(ValueError, match=message):
        prepare_phases(config, records)
    prepare_phases(replace(config, plan=replace(config.plan, recipe="late(T,A)")), records)
