import csv
import json
import shutil

import numpy as np
import pytest

from mmtrans.cli.main import main
from tests.cli.test_export import refused
from tests.sources.csd_files import words_of, write_csd


def write_source(path, *, dim=300, with_text=True, long=False):
    """Three videos as unlabelled .csd files: words, perhaps their vectors, and audio at another rate."""
    rng = np.random.default_rng(0)
    steps = {"a": 3, "b-_1": 60 if long else 5, "c": 1}
    times = {video: np.stack([np.arange(n), np.arange(n) + 0.9], 1) for video, n in steps.items()}
    words = {video: (words_of(*(f"w{i}," for i in range(n))), times[video]) for video, n in steps.items()}
    write_csd(path / "words.csd", "words", words)
    if with_text:
        vectors = {v: (rng.normal(size=(n, dim)).astype(np.float32), times[v]) for v, n in steps.items()}
        write_csd(path / "vectors.csd", "glove_vectors", vectors)
    audio = {v: (rng.normal(size=(n, 74)), times[v]) for v, n in steps.items()}
    write_csd(path / "audio.csd", "COVAREP", audio)
    return str(path)


def test_csv_and_json_lines_say_the_same(baseline_run, tmp_path, capsys):
    source, run = write_source(tmp_path / "source", long=True), str(baseline_run)
    assert main(["predict", run, source, "--out", str(tmp_path / "out" / "p.csv"), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1]) == {"predicted": 3, "cut": 1}
    assert captured.err == "mmtrans: 1 segments are cut to the steps that training read.\n"
    assert main(["predict", run, source, "--out", str(tmp_path / "p.jsonl")]) == 0
    with open(tmp_path / "out" / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [line["id"] for line in lines] == ["a[0]", "b-_1[0]", "c[0]"]
    for row, line, steps in zip(rows, lines, (3, 50, 1), strict=True):
        assert list(row) == list(line) == ["id", "score", "polarity", "words", "attention"]
        assert float(row["score"]) == pytest.approx(line["score"], abs=1e-6)
        assert row["polarity"] == line["polarity"] == ("negative" if line["score"] < 0 else "positive")
        assert row["words"].split() == line["words"] == [f"w{i}," for i in range(steps)]
        np.testing.assert_allclose([float(weight) for weight in row["attention"].split()], line["attention"], 1e-4)
        assert sum(line["attention"]) == pytest.approx(1, abs=1e-4)


def test_influence_stands_in_both_forms(baseline_run, tmp_path):
    source, run = write_source(tmp_path / "source"), str(baseline_run)
    for name in ("p.csv", "p.jsonl"):
        assert main(["predict", run, source, "--influence", "--out", str(tmp_path / name)]) == 0
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    for row, line, steps in zip(rows, lines, (3, 5, 1), strict=True):
        assert list(row) == list(line) == ["id", "score", "polarity", "words", "attention", "influence"]
        cells = row["influence"].split()
        assert len(cells) == len(line["influence"]) == steps
        if steps == 1:
            assert (cells, line["influence"]) == (["nan"], [None])
        else:
            np.testing.assert_allclose([float(cell) for cell in cells], line["influence"], 1e-4, 1e-7)
            assert any(line["influence"])


def test_stdout_is_csv(baseline_run, tmp_path, capsys):
    assert main(["predict", str(baseline_run), write_source(tmp_path / "source")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "id,score,polarity,words,attention"
    assert len(lines) == 4


def test_a_failure_leaves_no_file_and_keeps_the_old_one(baseline_run, tmp_path, capsys):
    out = tmp_path / "p.csv"
    out.write_text("old")
    source = write_source(tmp_path / "source", dim=4)
    message = refused(["predict", baseline_run, source, "--out", out], capsys)
    assert "Expected 300 columns of text. Received: dim=4 (a[0])" in message
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "source"]


def test_missing_text_is_one_line_and_glove_mends_it(baseline_run, tmp_path, capsys):
    source = write_source(tmp_path / "source", with_text=False)
    assert "Received: no text" in (message := refused(["predict", baseline_run, source], capsys))
    assert "--glove FILE" in message
    glove = tmp_path / "glove.txt"
    glove.write_text("".join(f"w{i}, " + " ".join(["0.5"] * 300) + "\n" for i in range(5)))
    assert main(["predict", str(baseline_run), source, "--glove", str(glove)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_no_segments_is_one_line(baseline_run, tmp_path, capsys):
    path = tmp_path / "source"
    write_source(path)
    labels = {"a": (np.zeros((1, 1)), np.array([[100.0, 101.0]]))}
    write_csd(path / "labels.csd", "Opinion Segment Labels", labels)
    assert "The source gives no segments." in refused(["predict", baseline_run, path], capsys)


def test_other_mistakes(baseline_run, tmp_path, capsys):
    source = write_source(tmp_path / "source")
    message = refused(["predict", baseline_run, source, "--out", "p.txt"], capsys)
    assert "Expected FILE.csv or FILE.jsonl. Received: out=p.txt." in message
    (tmp_path / "file").write_text("mine")
    message = refused(["predict", tmp_path / "nowhere", source, "--out", tmp_path / "file" / "p.jsonl"], capsys)
    assert message.startswith("mmtrans: No file can be written there.")
    assert "No run there." in refused(["predict", tmp_path / "nowhere", source], capsys)
    assert "There is no source" in refused(["predict", baseline_run, tmp_path / "nowhere"], capsys)


def test_an_unfinished_run_is_refused(baseline_run, tmp_path, capsys):
    shutil.copytree(baseline_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "phases")
    source = write_source(tmp_path / "source")
    assert "The run is not finished." in refused(["predict", tmp_path / "run", source], capsys)


@pytest.mark.parametrize(("ids", "shown"), [("dia0_utt3", "dia0_utt3"), ("v_4", "v[3]"), ("v[3]", "v[3]")])
def test_rows_bear_the_id_of_the_file_where_it_is_of_no_style(baseline_run, tmp_path, capsys, ids, shown):
    (tmp_path / "segments.csv").write_text(f"id,words\n{ids},a b\n", encoding="utf-8")
    np.savez(tmp_path / "text.npz", **{ids: np.ones((2, 300), np.float32)})
    assert main(["predict", str(baseline_run), str(tmp_path)]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["id", shown]


def test_several_label_columns_need_no_choice(baseline_run, tmp_path, capsys):
    source = write_source(tmp_path / "source")
    labels = {"a": (np.zeros((2, 3)), np.array([[0.0, 1.0], [1.0, 3.0]]))}
    write_csd(tmp_path / "source" / "labels.csd", "Opinion Segment Labels", labels)
    assert main(["predict", str(baseline_run), source]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["id", "a[0]", "a[1]"]
