"""The programs of examples/ run to their end, and give what they are for."""

import csv
import importlib.util
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmtrans import api
from mmtrans.cli.main import main
from mmtrans.inference.export import export
from mmtrans.runs.run import Run
from tests.cli.spoken import make_spoken
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
    assert [shlex.split(line)[1] for line in commands] == [
        *("convert", "inspect", "train", "evaluate", "predict"),
        *("export", "predict"),
    ]
    (tmp_path / "talks").mkdir()
    monkeypatch.chdir(tmp_path / "talks")
    exec(compile(program, "make.py", "exec"), {})
    monkeypatch.chdir(tmp_path)
    for line in commands:
        assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "Verified: every checksum and every record is in order." in out
    assert "talk11[5]," in out
    first, again = [
        {row["id"]: float(row["score"]) for row in csv.DictReader(lines) if row["score"]}
        for lines in (out[out.index("id,score,") :].splitlines()[:73], (tmp_path / "scores.csv").open(encoding="utf-8"))
    ]
    assert len(again) == 72
    assert again == pytest.approx(first, abs=1e-5)
    printed = [line for line in text.splitlines() if line.startswith(("│", "Modalities:", "6 segments of"))]
    assert len(printed) == 5
    assert [line for line in printed if line not in out] == []


def commands_of(text):
    """The commands of mmtrans in the blocks of a page."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("mmtrans ")]


@pytest.mark.once
@needs(MOSI_TEXT)
def test_the_tutorial_of_mosi_does_what_it_says(tmp_path, monkeypatch, capsys):
    """Its commands, on words and labels of the train and valid videos; trainings end after an epoch."""
    text = (EXAMPLES.parent / "docs" / "mosi.md").read_text(encoding="utf-8")
    commands = [shlex.split(line)[1:] for line in commands_of(text)]
    assert [command[0] for command in commands] == ["convert", "inspect", "train", "grid", "report"]
    assert "\necho T > rows.txt\n" in text
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
    printed = re.findall(r"^csd records[^`]*", text, re.MULTILINE)[0].splitlines()
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


@pytest.mark.once
def test_the_script_of_mosi_gives_the_tutorials_commands(tmp_path):
    """In their order, and again but for what is there; here a stand-in for mmtrans writes down what it is given."""
    text = (EXAMPLES.parent / "docs" / "mosi.md").read_text(encoding="utf-8")
    stand_in = tmp_path / "bin" / "mmtrans"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\necho "mmtrans $*"\n')
    stand_in.chmod(0o755)
    environment = {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    command = ["sh", EXAMPLES / "train_mosi.sh", "CMU_MOSI", "glove.txt"]
    for expected in (commands_of(text), commands_of(text)[1:]):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == expected
        (tmp_path / "records").mkdir(exist_ok=True)
    assert (tmp_path / "rows.txt").read_text() == "T\n"
    assert subprocess.run(command[:2], capture_output=True, check=False).returncode == 2


@pytest.mark.once
def test_the_batch_script_is_the_one_of_the_page():
    script = (EXAMPLES / "slurm_grid.sh").read_text(encoding="utf-8")
    assert f"```\n{script}```" in (EXAMPLES.parent / "docs" / "cluster.md").read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", EXAMPLES / "slurm_grid.sh"], check=True)


@pytest.mark.once
@pytest.mark.parametrize("name", ["small", "joint", "vae", "contextual_words"])
def test_a_configuration_trains(name, small_dir, tmp_path):
    path = EXAMPLES / "configs" / f"{name}.yaml"
    records = small_dir
    if name == "contextual_words":
        records = make_spoken(tmp_path / "spoken", with_encoder=True, pieces=True).records
    command = ["train", "--data", str(records), "--config", str(path), "--run", str(tmp_path / "run"), "--epochs", "1"]
    assert main([*command, "--quiet"]) == 0
    sections = yaml.safe_load(path.read_text(encoding="utf-8")).values()
    given = {field: value for section in sections for field, value in section.items()} | {"epochs": 1}
    found = api.open_run(tmp_path / "run").config.to_dict()
    assert {field: found[field] for field in given} == given
