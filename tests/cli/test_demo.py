import json
import os
import shutil
from pathlib import Path

import pytest

from mmtrans.cli import demo
from mmtrans.cli.embedded import CORPUS_VERSION
from mmtrans.cli.main import main
from mmtrans.runs.run import Run


@pytest.fixture
def cache(corpus_dir, tmp_path, monkeypatch):
    """A cache whose embedded corpus is the tiny one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = demo.embedded_corpus_dir()
    path.mkdir(parents=True)
    os.symlink(corpus_dir, path / "corpus")
    return path


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert demo.embedded_corpus_dir() == tmp_path / "mmtrans" / f"synthetic-{CORPUS_VERSION}"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert demo.embedded_corpus_dir().is_relative_to(Path.home() / ".cache")


def test_the_corpus_is_made_and_converted_once(monkeypatch, tmp_path, corpus_dir, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def link_corpus(directory):
        made.append(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(corpus_dir, directory)

    monkeypatch.setattr(demo, "synthesize", link_corpus)
    records = demo.embedded_records()
    assert (records / "manifest.json").is_file()
    assert made == [demo.embedded_corpus_dir() / "corpus"]
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert demo.embedded_records() == records
    assert capsys.readouterr().out == ""
    assert len(made) == 1


def test_every_number_stands_beside_its_ceiling(cache, corpus_dir, translation_run, tmp_path, capsys):
    shutil.copytree(translation_run, tmp_path / "run")
    result = demo.explain(Run.open(tmp_path / "run"))
    truth = json.loads((corpus_dir / "ground_truth.json").read_text())
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if "text → audio, free-running" in line)
    measured, ceiling, share = (cell.strip() for cell in row.split("│")[2:-1])
    best = truth["translation"]["T->A"]["splits"]["test"]
    assert (measured, ceiling) == (f"{result['translation']['r2']:.3f}", f"{best:.3f}")
    assert share == f"{result['translation']['r2'] / best:.0%}"
    assert str(tmp_path / "run") in out
    assert "tensorboard --logdir" in out


@pytest.mark.slow
def test_a_bare_command_trains_evaluates_on_test_and_explains(cache, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmtrans.cli.train.config_from", lambda arguments: tiny(recipe="T->A", epochs=1, batch_size=32))
    assert main(["train", "--quiet", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    (run,) = (tmp_path / "runs").iterdir()
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics) == ["valid", "test"]
    assert json.loads(last) == metrics["test"]
    assert any("What happened" in line for line in lines)
