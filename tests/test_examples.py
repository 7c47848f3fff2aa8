"""The programs of examples/ run to their end, and give what they are for."""

import importlib.util
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.inference.export import export
from mmtrans.runs.run import Run
from tests.real_data import MOSI_TEXT, needs

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
pytestmark = pytest.mark.slow


def example(name):
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tutorials_commands_do_what_it_says(tmp_path, monkeypatch, capsys):
    """To the letter: its program, then its commands of mmtrans."""
    text = (EXAMPLES.parent / "docs" / "own-data.md").read_text(encoding="utf-8")
    program, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    commands = [line for line in text.splitlines() if re.match(r"mmtrans \w+ ", line)]
    assert [shlex.split(line)[1] for line in commands] == ["convert", "inspect", "train", "evaluate", "predict"]
    (tmp_path / "talks").mkdir()
    monkeypatch.chdir(tmp_path / "talks")
    exec(compile(program, "make.py", "exec"), {})
    monkeypatch.chdir(tmp_path)
    for line in commands:
        assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "Verified: every checksum and every record is in order." in out
    assert "talk11[5]," in out
    printed = [line for line in text.splitlines() if line.startswith(("│", "Modalities:", "6 segments of"))]
    assert len(printed) == 5
    assert [line for line in printed if line not in out] == []


@pytest.mark.once
@needs(MOSI_TEXT)
def test_the_tutorial_of_mosi_does_what_it_says(tmp_path, monkeypatch, capsys):
    """Its commands, on words and labels of the train and valid videos; trainings end after an epoch."""
    text = (EXAMPLES.parent / "docs" / "mosi.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("mmtrans ")]
    assert [command[0] for command in commands] == ["convert", "inspect", "train", "grid", "report"]
    assert "echo T > rows.txt" in lines
    (tmp_path / "CMU_MOSI").mkdir()
    for file in MOSI_TEXT.glob("*.csd"):
        (tmp_path / "CMU_MOSI" / file.name).symlink_to(file)
    (tmp_path / "glove.txt").symlink_to(MOSI_TEXT / "glove.mosi.300d.txt")
    (tmp_path / "rows.txt").write_text("T\n")
    monkeypatch.chdir(tmp_path)
    for command in commands:
        short = ["--epochs", "1"] if command[0] in ("train", "grid") else []
        assert main([*command, *short]) == 0, capsys.readouterr().err
    out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    printed = next(block for block in blocks if block.startswith("csd records")).splitlines()
    assert [line for line in printed if line not in out] == []
    assert (tmp_path / "grid" / "report.html").is_file()


def test_own_features_become_scores(tmp_path):
    scores = example("own_corpus").main(tmp_path)
    assert len(scores) == 12 * 6
    assert scores["talk0[0]"] != scores["talk0[1]"]
    assert all(map(math.isfinite, scores.values()))


def test_a_loop_of_ones_own_learns(records_dir):
    first, *_, last = example("custom_loop").main(records_dir, epochs=3)
    assert 0 < last < first


def test_an_export_scores_without_mmtrans(baseline_run, tmp_path):
    export(Run.open(baseline_run), tmp_path / "export")
    forbid = "import sys; sys.modules['mmtrans'] = sys.modules['tfrecords'] = None; "
    program = EXAMPLES / "serve_savedmodel.py"
    run = f"import runpy; print(runpy.run_path({str(program)!r})['main'](sys.argv[1]))"
    command = [sys.executable, "-I", "-c", forbid + run, tmp_path / "export"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = np.array([float(text) for text in done.stdout.strip().strip("[]").split(",")])
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()
