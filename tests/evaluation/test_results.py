"""Where results go, what becomes of other splits, of damage and after kills, and ids that are awkward to write."""

import contextlib
import csv
import json
import os
import shutil

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.evaluation import together
from mmtrans.evaluation.board import HEADER, write_projector
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.evaluation.predictions import Predictions
from mmtrans.evaluation.results import check_results_place, csv_text, save_results
from mmtrans.evaluation.shapes import read_splits
from mmtrans.runs.run import Run
from mmtrans.system.fence import TOKENS
from mmtrans.system.lease import held
from mmtrans.training.train import train
from tests.tfrecords.segments import make_corpus, make_segment

#: What is a tab, the end of a line, or nothing to see to somebody.
AWKWARD = [
    "a\tb",
    "a\nb",
    "a\rb",
    "a\r\nb",
    "a\u2028b",
    "a\u2029b",
    "a\x85b",
    "a\x0bb",
    "a\x1cb",
    'a",b',
    "=a",
    "a\x1bb",
]


@pytest.fixture
def run(baseline_run, tmp_path):
    """A copy of a finished baseline, valid evaluated."""
    return Run.open(shutil.copytree(baseline_run, tmp_path / "run"))


@pytest.fixture
def records(records_dir):
    return Records.open(records_dir)


def files_of(path):
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def points(ids, split_score=1.0):
    n = len(ids)
    vectors = {"sentiment": np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)}
    scores = np.full(n, split_score, np.float32)
    return Predictions(list(ids), ["v"] * n, ["w x"] * n, scores, np.zeros(n, np.float32), vectors)


def metadata_of(place):
    lines = (place / "logs" / "projector" / "metadata.tsv").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert lines[0].split("\t") == list(HEADER)
    return [dict(zip(HEADER, line.split("\t"), strict=True)) for line in lines[1:]]


def vectors_of(place):
    return np.loadtxt(place / "logs" / "projector" / "sentiment.tsv", delimiter="\t", ndmin=2)


def test_all_of_a_run_goes_to_out_and_the_run_stays_as_it_is(run, records_dir, tmp_path, capsys):
    before = files_of(run.path)
    out = tmp_path / "results" / "new"
    for split in ("test", "valid"):
        argv = ["evaluate", str(run.path), "--split", split, "--out", str(out), "--corrupt", "--json"]
        assert main(argv) == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert files_of(run.path) == before
    written = {path.name for path in out.iterdir()}
    assert written == {"metrics.json", "predictions.csv", "robustness.json", "robustness.csv", "plots", "logs", TOKENS}
    assert {path.name for path in (out / "logs").iterdir()} == {"evaluation", "projector"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics) == ["test", "valid"]
    own = json.loads((run.path / "metrics.json").read_text())["valid"]
    assert {name: metrics["valid"][name] for name in own} == own
    assert metrics["valid"]["run"] == str(run.path)
    assert result["mae"] == own["mae"]


def test_a_place_that_holds_something_else_is_refused(run, baseline_run, translation_run, records, tmp_path):
    out = tmp_path / "out"
    evaluate(run, records, "valid", out)
    before = files_of(out)
    for place, judged in ((out, Run.open(baseline_run)), (translation_run, run), (tmp_path, run)):
        with pytest.raises(ValueError, match=r"The directory holds something else\..*Received: out=.*another --out"):
            evaluate(judged, records, "test", place)
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/results"):
        with pytest.raises(ValueError, match=r"Nothing can be written there.*file is no folder\)\. Name another place"):
            check_results_place(tmp_path / place, lambda result: True)
    assert files_of(out) == before
    evaluate(run, records, "test", run.path)  # which is where its results go anyway
    assert list(read_splits(run.path / "metrics.json", dict)) == ["valid", "test"]


def test_curves_of_another_run_or_of_other_records_are_something_else(tmp_path):
    own, other = {"records": "a", "run": "/r"}, {"records": "a", "run": "/q"}
    (tmp_path / "metrics.json").write_text(json.dumps({"test": own}))
    for found, same in ((own, True), (other, False)):
        (tmp_path / "robustness.json").write_text(json.dumps({"valid": found}))
        with (
            contextlib.nullcontext() if same else pytest.raises(ValueError, match="The directory holds something else")
        ):
            check_results_place(tmp_path, lambda result: result == own)


def test_a_place_that_a_kill_left_half_made_is_taken(tmp_path):
    (tmp_path / "plots").mkdir()
    (tmp_path / ".metrics.json.partial").write_text("{")
    check_results_place(tmp_path, lambda result: False)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        check_results_place(tmp_path, lambda result: True)


def test_a_read_only_run_names_the_way_out_before_anything_is_computed(run, tmp_path, monkeypatch, capsys):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != run.path and access(path, mode))
    before = files_of(run.path)
    with monkeypatch.context() as patch:
        # A lease is a file, too.
        patch.setattr("mmtrans.cli.evaluate.held", None)
        assert main(["evaluate", str(run.path)]) == 2
    assert "Nothing can be written there." in (message := capsys.readouterr().err)
    assert f"Received: {run.path} ({run.path} may not be written to). Name another place with --out DIR." in message
    assert files_of(run.path) == before
    assert main(["evaluate", str(run.path), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("members", [1, 2])
def test_one_command_at_a_time_writes_to_a_place(run, translation_run, tmp_path, capsys, monkeypatch, members):
    monkeypatch.setattr("mmtrans.system.lease.GRACE_SECONDS", 0.1)
    out = tmp_path / "out"
    runs = [str(run.path), str(translation_run)][:members]
    with held(out):
        assert main(["evaluate", *runs, "--out", str(out)]) == 2
        assert f"Expected one at a time. Received: out={out}, held by process" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("metrics.json", "", r"Expected JSON\. Received: an empty file \(.*metrics\.json\)\. Delete it, and evaluate"),
        ("metrics.json", '{"valid": 3}', r"valid=3 \(.*metrics\.json\)"),
        (
            "predictions.csv",
            "split,id\nvalid,x\n",
            r"missing=\['label', 'prediction', 'video_id'\] \(.*predictions\.csv\)",
        ),
        ("predictions.csv", "split,id,video_id,label,prediction\nvalid,x,x\n", r"line 2 \(.*predictions\.csv\)"),
    ],
)
def test_damaged_results_are_named_and_left(tmp_path, name, content, sentence):
    save_results(tmp_path, "valid", points(["v[0]"]), {"mae": 1.0})
    (tmp_path / name).write_text(content)
    before = files_of(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        save_results(tmp_path, "test", points(["v[1]"]), {"mae": 2.0})
    assert files_of(tmp_path) == before
    (tmp_path / name).unlink()
    save_results(tmp_path, "test", points(["v[1]"]), {"mae": 2.0})
    assert read_splits(tmp_path / "metrics.json", dict)["test"] == {"mae": 2.0}


@pytest.mark.parametrize("kill", range(5))  # the last one is none
def test_a_kill_between_the_projectors_files_leaves_all_or_none(tmp_path, monkeypatch, kill):
    write_projector(tmp_path, {"valid": points(["v[0]", "v[1]"])})
    events = {name for name in files_of(tmp_path) if "tfevents" in name.name}
    replace, done = os.replace, []

    def replace_or_die(*paths):
        if len(done) == kill:
            raise KeyboardInterrupt
        done.append(paths)
        replace(*paths)

    monkeypatch.setattr(together.os, "replace", replace_or_die)
    with contextlib.suppress(KeyboardInterrupt):
        write_projector(tmp_path, {"test": points(["v[2]", "v[3]", "v[4]"])})
    monkeypatch.setattr(together.os, "replace", replace)
    write_projector(tmp_path, {"test": points(["v[2]", "v[3]", "v[4]"])})
    assert [row["id"] for row in metadata_of(tmp_path)] == [f"v[{i}]" for i in range(5)]
    assert len(vectors_of(tmp_path)) == 5
    names = {name.name for name in set(files_of(tmp_path)) - events}
    assert names == {"metadata.tsv", "sentiment.tsv", "projector_config.pbtxt"}


def test_projector_files_that_do_not_go_together_are_begun_anew(run, records, capsys):
    path = run.path / "logs" / "projector" / "sentiment.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))
    capsys.readouterr()
    evaluate(run, records, "test")
    assert "the projector's files did not go together, and are begun anew" in capsys.readouterr().err
    assert {row["split"] for row in metadata_of(run.path)} == {"test"}
    assert len(vectors_of(run.path)) == len(metadata_of(run.path)) == records.count("test")


def test_a_projector_without_events_gets_them(tmp_path):
    (tmp_path / "logs" / "projector").mkdir(parents=True)
    write_projector(tmp_path, {"valid": points(["v[0]"])})
    assert list((tmp_path / "logs" / "projector").glob("events*"))


def test_cells_come_back_as_they_were(tmp_path):
    rows = [["id", "score"], *([text, "1"] for text in AWKWARD)]
    (tmp_path / "x.csv").write_text(csv_text(rows), encoding="utf-8", newline="")
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == rows
    assert csv_text([["a", 1], ["b,", None]]) == 'a,1\n"b,",\n'


def test_any_id_survives_an_evaluation(tiny, tmp_path):
    segments = [
        make_segment(i, 2 + i, video=f"{video}{name}", label=i - 1.0)
        for video in ("train", "valid", "test")
        for name in AWKWARD
        for i in range(2)
    ]
    folds = {split: [f"{split}{name}" for name in AWKWARD] for split in ("train", "valid", "test")}
    convert(make_corpus(segments, folds=folds), tmp_path / "records")
    records = Records.open(tmp_path / "records")
    run = Run.open_or_create(tmp_path / "run", tiny(epochs=1), records)
    train(run, Records.open(tmp_path / "records", splits=("train", "valid")), quiet=True)
    for split in ("valid", "test", "test"):
        result = evaluate(run, records, split)
    assert result["segments"] == 2 * len(AWKWARD)
    with open(run.path / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scored = {(s.id, s.video_id) for s in segments if not s.video_id.startswith("train")}
    assert {(row["id"], row["video_id"]) for row in rows} == scored
    assert len(rows) == 4 * len(AWKWARD)
    shown = metadata_of(run.path)
    assert len(shown) == len(vectors_of(run.path)) == 6 * len(AWKWARD)
    assert "test" + r"a\tb[0]" in {row["id"] for row in shown}
