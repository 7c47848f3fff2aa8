import json
import shlex

import pytest

from mmtrans.cli.main import main


def test_it_writes_a_corpus_and_returns_the_ceilings(tmp_path, capsys):
    path = tmp_path / "my corpus's"
    assert main(["synthesize", str(path), "--videos", "3", "--seed", "4", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == json.loads((path / "ground_truth.json").read_text())
    assert shlex.split(lines[-2]) == ["Next:", "mmtrans", "convert", str(path), "RECORDS"]
    assert len(list(path.glob("*.csd"))) == 5


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--videos", "2"], "--videos is out of range. Expected at least 3. Received: videos=2."),
        (["--seed", "-1"], "Received: seed=-1."),
        (
            ["--disagree", "-.1"],
            "--disagree is out of range. Expected a value between 0 and 1. Received: disagree=-0",
        ),
        (["--affect", "audio=2"], "--affect audio is out of range. Expected a value between 0 and 1. Received: "),
        (
            ["--affect", "speech=.2"],
            "Expected some of ['audio', 'video']. Received: affect='speech'.",
        ),
        (["--affect", ".2"], "--affect is not understood. Expected audio=SHARE, video=SHARE or both, with a comma"),
        (["--affect", "audio=1_0"], "Received: affect='audio=1_0'. Write for example --affect audio=.3,video=.1."),
        (["--affect-channels", "audio=2.5"], "Expected audio=COUNT, video=COUNT or both, with a comma between them."),
        (["--affect", "audio=.1,audio=.2"], "--affect is not understood."),
        (
            ["--labelled", "1.5"],
            "--labelled is out of range. Expected a value between 0.001 and 1. Received",
        ),
        (["--missing", "half"], "--missing is not understood. Expected audio=SHARE, video=SHARE or both, with a comma"),
        (["--labelled", ".5", "--unlabelled"], "A corpus without labels has no share that bears one."),
        (["--affect", "audio=nan"], "--affect audio is out of range."),
    ],
)
def test_bad_arguments_write_nothing(tmp_path, capsys, argv, message):
    assert main(["synthesize", str(tmp_path / "corpus"), *argv]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "thesis.txt"):
        assert main(["synthesize", str(path)]) == 2
        assert f"Received: directory={path}." in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_it_shows_what_a_world_allows(tmp_path, capsys):
    path = tmp_path / "corpus"
    argv = ["--videos", "3", "--affect", "audio=.3, video=0", "--disagree", ".2"]
    argv += ["--labelled", ".5", "--missing", "video=.4"]
    assert main(["synthesize", str(path), *argv]) == 0
    truth = json.loads((path / "ground_truth.json").read_text())
    missing = {"audio": 0.0, "video": 0.4}
    affect = {"audio": 0.3, "video": 0.0}
    one = {"audio": 1, "video": 1}
    told = {"affect": affect, "affect_channels": one, "disagree": 0.2, "polarity": 1.0, "labelled": 0.5}
    assert truth["premise"] == {**told, "missing": missing}
    out = capsys.readouterr().out
    for source, best in {"text": truth["text"], **truth["unions"]}.items():
        row = next(line for line in out.splitlines() if line.split()[1:2] == [source])
        assert f"{best['acc2_non0']:.3f}" in row
        assert f"{best['mae']:.3f}" in row
