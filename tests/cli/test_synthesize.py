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
