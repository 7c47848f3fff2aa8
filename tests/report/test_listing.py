"""The table of runs: what is found, how runs differ, how they ended, in which order they stand."""

import json

import numpy as np
import pytest

from mmtrans.evaluation.metrics import sentiment_metrics
from mmtrans.grid.variants import Variant
from mmtrans.report.listing import cells_of, common_differences, differences_text, find_runs, read_listed, sort_key
from mmtrans.system.lease import held
from tests.report.grids import MOSI, SCALE, segments, write_run

DATA = segments(num_videos=3)
HISTORY = "phase,epoch,loss,valid_loss,learning_rate\n"


def make(path, recipe="T", seed=0, scores=None, **fields):
    write_run(path, Variant(recipe), seed, DATA, DATA[2] * 0.5 if scores is None else scores, **fields)
    return path


def end(path, name, epoch, limit, stopped_by):
    outcome = {"epochs": limit, "stopped_by": stopped_by, "epoch": epoch, "best_loss": 1.0, "history": []}
    (path / "phases" / name).mkdir(parents=True)
    stored = {"key": "k", "inherited": None, "finished": True, **outcome}
    (path / "phases" / name / "phase.json").write_text(json.dumps(stored))


def test_runs_are_found_at_any_depth_and_none_within_a_run(tmp_path):
    paths = [make(tmp_path / "grid" / "runs" / "b"), make(tmp_path / "a")]
    make(tmp_path / "a" / "init")
    make(tmp_path / ".attempts" / "c")
    assert find_runs(tmp_path) == paths[::-1]
    with pytest.raises(FileNotFoundError, match=r"No such directory. Expected one with runs.*Received: dir=.*nowhere"):
        find_runs(tmp_path / "nowhere")


def test_a_finished_run(tmp_path):
    path = make(tmp_path / "run", "T->A", 3, units=8, cell="gru", epochs=5)
    end(path, "1-translation-T_to_A", 5, 5, "epochs")
    end(path, "2-sentiment-T_to_A", 4, 5, "patience")
    run = read_listed(path)
    assert run.differences == {"units": 8, "cell": "gru"}
    assert run.ending == "5/5 limit, 4/5 patience"
    assert (run.standing, run.split, run.corpus) == ("finished", "test", MOSI)
    cells = cells_of(run)
    assert cells["mae"] == pytest.approx(sentiment_metrics(DATA[2] * 0.5, DATA[2], SCALE)["mae"])
    assert (cells["epochs"], cells["ended_by"], cells["differences"]) == ("5 4", "epochs patience", "cell=gru units=8")
    assert cells["mae_low"] is None


def test_a_run_that_is_not_at_its_end_is_interrupted_unless_somebody_works_there(tmp_path):
    path = make(tmp_path / "run", "T->A", epochs=5)
    end(path, "1-translation-T_to_A", 5, 5, "epochs")
    (path / "history.csv").write_text(f"{HISTORY}1-translation-T_to_A,1,1,1,1\n2-sentiment-T_to_A,1,1,1,1\n")
    run = read_listed(path)
    assert run.state == "interrupted"
    assert run.ending == "5/5 limit, 1/5 unfinished"
    with held(path):
        assert read_listed(path).state == "training"


def test_a_collapsed_run_is_flagged(tmp_path):
    path = make(tmp_path / "run", scores=np.full(len(DATA[2]), 0.1))
    end(path, "1-sentiment-T", 2, 5, "patience")
    assert read_listed(path).standing == "finished, collapsed"


def test_the_corpus_is_that_of_the_run(baseline_run):
    run = read_listed(baseline_run)
    assert run.corpus["format"] == "csd"
    assert run.corpus["folds"] == "the source's own folds"
    assert {name: split["videos"] for name, split in run.corpus["splits"].items()} == {
        "train": 4,
        "valid": 1,
        "test": 1,
    }
    assert cells_of(run)["train_videos"] == 4


def test_the_corpus_of_an_earlier_run_is_read_from_its_records(baseline_run, tmp_path):
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("config.yaml", "environment.json"):
        (copy / name).write_bytes((baseline_run / name).read_bytes())
    environment = json.loads((copy / "environment.json").read_text())
    now = read_listed(copy).corpus
    del environment["data"]["corpus"]
    (copy / "environment.json").write_text(json.dumps(environment))
    assert read_listed(copy).corpus == now
    environment["records"] = str(tmp_path / "gone")
    (copy / "environment.json").write_text(json.dumps(environment))
    assert read_listed(copy).corpus is None


def test_the_best_of_a_metric_come_first_and_those_without_it_last(tmp_path):
    noise = [0.5, 0.9, 0.1]
    runs = [read_listed(make(tmp_path / f"run{i}", scores=DATA[2] * (1 - share))) for i, share in enumerate(noise)]
    (tmp_path / "run3").mkdir()
    for name in ("config.yaml", "environment.json"):
        (tmp_path / "run3" / name).write_bytes((tmp_path / "run0" / name).read_bytes())
    runs.append(read_listed(tmp_path / "run3"))
    assert [runs.index(run) for run in sorted(runs, key=sort_key("mae"))] == [2, 0, 1, 3]
    assert sorted(runs, key=sort_key("acc2_has0"))[-1] is runs[3]


def test_what_all_runs_share_is_said_once(tmp_path):
    runs = [read_listed(make(tmp_path / f"run{i}", units=8, dropout=i / 10)) for i in (1, 2)]
    common = common_differences(runs)
    assert common == {"units": 8}
    assert differences_text(runs[1].differences, common) == "dropout=0.2"
    assert common_differences(runs[:1]) == {}
