"""Kills at random moments, and the same command again: the result is the undisturbed one, and nothing else is left."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.inference.scorer import Scorer
from tfrecords.directories import is_leftover

ROOT = Path(__file__).resolve().parents[1]
SEED = 16
SMALL = ["--regressor-units", "6", "--no-bidirectional", "--quiet"]


def start(argv):
    """A command in a session of its own, with its workers."""
    return subprocess.Popen(
        [sys.executable, "-m", "mmtrans.cli.main", *map(str, argv)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(argv):
    """Runs a command to its end, and returns the seconds that it took."""
    began = time.monotonic()
    with start(argv) as process:
        err = process.stderr.read()
    assert process.returncode == 0, (argv, err)
    return time.monotonic() - began


def kill_and_repeat(argv, seconds, kills):
    """Kills a command that takes so long at random moments, and then lets it end. Returns the moments."""
    draw = random.Random(f"{SEED} {argv[0]}")
    moments = [round(draw.uniform(0.1, 1.0) * seconds, 2) for _ in range(kills)]
    for moment in moments:
        with start(argv) as process:
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                # The command alone: its workers must find out.
                os.kill(process.pid, signal.SIGKILL)
    finish(argv)
    return moments


def leftovers(path):
    """What no command should leave in a directory, or beside it."""
    names = [file.name for folder in (path.parent, *path.rglob("*")) if folder.is_dir() for file in folder.iterdir()]
    return [name for name in names if is_leftover(name) or name.startswith((".lease", ".workers"))]


def contents(path):
    """File → bytes."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.mark.slow
def test_convert(corpus_dir, tmp_path):
    seconds = finish(["convert", corpus_dir, tmp_path / "a" / "records"])
    again = ["convert", corpus_dir, tmp_path / "b" / "records", "--overwrite"]
    moments = kill_and_repeat(again, seconds, 4)
    assert contents(tmp_path / "a") == contents(tmp_path / "b"), moments
    assert leftovers(tmp_path / "b" / "records") == [], moments


@pytest.mark.slow
def test_export(baseline_run, tmp_path):
    seconds = finish(["export", baseline_run, tmp_path / "a" / "model"])
    moments = kill_and_repeat(["export", baseline_run, tmp_path / "b" / "model", "--overwrite"], seconds, 2)
    one, two = (contents(tmp_path / name / "model") for name in "ab")
    assert one.keys() == two.keys(), moments
    one, two = (json.loads(files["signature.json"]) for files in (one, two))
    # The graph names its functions anew each time.
    assert {**one, "sha256": sorted(one["sha256"])} == {**two, "sha256": sorted(two["sha256"])}, moments
    assert leftovers(tmp_path / "b" / "model") == [], moments
    for left, right in zip(*(learned(tmp_path / name / "model") for name in "ab"), strict=True):
        np.testing.assert_array_equal(left, right, err_msg=str(moments))


def learned(export):
    """The weights of an export, by name, and what it makes of two segments."""
    reader = tf.train.load_checkpoint(str(export / "variables" / "variables"))
    names = sorted(name for name, dtype in reader.get_variable_to_dtype_map().items() if dtype == tf.float32)
    scorer = Scorer.open(export)
    ((modality, info),) = scorer.modalities.items()
    frames = np.linspace(-1, 1, 5 * info["dim"], dtype=np.float32).reshape(5, -1)
    segments = [{modality: frames}, {modality: frames[:3]}]
    assert names
    return [*map(reader.get_tensor, names), *scorer.score(segments)]


@pytest.mark.slow
def test_grid_and_report(records_dir, tmp_path):
    recipes = tmp_path / "recipes.txt"
    recipes.write_text("T\n")

    def grid(name):
        place = ["--data", records_dir, "--out", tmp_path / name / "grid"]
        return ["grid", *place, "--recipes", recipes, "--seeds", "1", "--epochs", "2", *SMALL]

    moments = kill_and_repeat(grid("b"), finish(grid("a")), 1)
    one, two = (tmp_path / name / "grid" for name in "ab")
    for file in ("runs/T-seed-0/predictions.csv", "runs/T-seed-0/metrics.json", "failures.json"):
        assert (one / file).read_bytes() == (two / file).read_bytes(), (file, moments)
    assert {file.name for file in one.iterdir()} == {file.name for file in two.iterdir()}, moments
    assert leftovers(two) == [], moments

    seconds = finish(["report", one])
    moments = kill_and_repeat(["report", two], seconds, 2)
    assert (one / "report.csv").read_bytes() == (two / "report.csv").read_bytes(), moments
    assert (two / "report.html").read_text().rstrip().endswith("</html>"), moments
    assert leftovers(two) == [], moments


@pytest.mark.slow
def test_tune(records_dir, tmp_path):
    (tmp_path / "space.yaml").write_text("learning_rate: [0.001, 0.01]\n")

    def tune(name):
        place = ["--data", records_dir, "--out", tmp_path / name / "search", "--space", tmp_path / "space.yaml"]
        return ["tune", *place, "--recipe", "T", "--tuner", "grid", "--epochs", "2", *SMALL]

    def rows(name):
        with open(tmp_path / name / "search" / "trials.csv", encoding="utf-8") as file:
            return [{key: cell for key, cell in row.items() if key != "seconds"} for row in csv.DictReader(file)]

    moments = kill_and_repeat(tune("b"), finish(tune("a")), 1)
    assert len(rows("a")) == 2
    assert rows("a") == rows("b"), moments
    best = [(tmp_path / name / "search" / "best.yaml").read_bytes() for name in "ab"]
    assert best[0] == best[1], moments
    assert leftovers(tmp_path / "b" / "search") == [], moments
