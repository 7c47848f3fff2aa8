"""What one lane writes, the other reads: TensorFlow 2.15 with Keras 2, and the newest of both.

`MMTRANS_OTHER_PYTHON` names an interpreter of the other lane; `make test-lanes` sets it.
"""

import csv
import filecmp
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
OTHER = os.environ.get("MMTRANS_OTHER_PYTHON")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not OTHER, reason="MMTRANS_OTHER_PYTHON names no other lane")]


def other(*argv, code=0):
    """Runs a command of mmtrans in the other lane and returns its standard output and error."""
    command = [OTHER, "-m", "mmtrans.cli.main", *map(str, argv)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout, done.stderr


@pytest.fixture
def run_copy(translation_run, tmp_path):
    """A run of `T->A` that this lane has trained."""
    return Path(shutil.copytree(translation_run, tmp_path / "run"))


def scores_of(path):
    """The id and the score of every row of a file of `mmtrans predict`."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["id"] for row in rows], np.array([float(row["score"]) for row in rows])


def numbers_of(metrics, prefix=""):
    """The numbers of nested metrics by their path."""
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from numbers_of(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + name, value


def test_it_is_another_lane():
    code = "import tensorflow; print(tensorflow.__version__)"
    version = subprocess.run([OTHER, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert version != tf.__version__


def test_records_are_the_same_to_the_byte(corpus_dir, records_dir, tmp_path):
    other("convert", corpus_dir, tmp_path / "records")
    names = sorted(path.name for path in records_dir.iterdir())
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == names
    assert len(names) > 3
    assert filecmp.cmpfiles(records_dir, tmp_path / "records", names, shallow=False)[1:] == ([], [])


def test_runs_are_evaluated_alike(run_copy, capsys):
    assert main(["evaluate", str(run_copy), "--json"]) == 0
    here = dict(numbers_of(json.loads(capsys.readouterr().out.splitlines()[-1])))
    there = dict(numbers_of(json.loads(other("evaluate", run_copy, "--json")[0].splitlines()[-1])))
    assert here.keys() == there.keys()
    assert {"mae", "translation.r2"} <= here.keys()
    np.testing.assert_allclose(list(here.values()), list(there.values()), atol=1e-5)


def test_exports_serve_in_both(run_copy, corpus_dir, tmp_path):
    """Each lane exports the run; here both graphs answer alike, and the other lane scores with ours."""
    assert main(["export", str(run_copy), str(tmp_path / "here")]) == 0
    other("export", run_copy, tmp_path / "there")
    ours, theirs = (tf.saved_model.load(str(tmp_path / name)) for name in ("here", "there"))
    assert set(ours.signatures) == set(theirs.signatures)
    features = np.random.default_rng(0).normal(size=(3, 7, 300)).astype(np.float32)
    for name in ("sentiment", "encode", "translate"):
        wanted = ours.signatures[name].structured_input_signature[1]
        inputs = {"text": features[:, :, : wanted["text"].shape[-1]], "length": np.array([7, 1, 4], np.int32)}
        inputs |= {"free_length": np.bool_(False)} if "free_length" in wanted else {}
        answers = [
            function.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
            for function in (ours, theirs)
        ]
        assert answers[0].keys() == answers[1].keys()
        for key, value in answers[0].items():
            np.testing.assert_allclose(value, answers[1][key], atol=1e-5, err_msg=key)
    assert main(["predict", str(run_copy), str(corpus_dir), "--out", str(tmp_path / "here.csv")]) == 0
    other("predict", tmp_path / "here", corpus_dir, "--out", tmp_path / "there.csv")
    ids, scores = scores_of(tmp_path / "here.csv")
    there_ids, there_scores = scores_of(tmp_path / "there.csv")
    assert ids == there_ids
    assert len(ids) > 100
    np.testing.assert_allclose(scores, there_scores, atol=1e-5)


def test_training_goes_on_in_its_own_lane_only(run_copy, records_dir, flags):
    _, err = other("train", "--data", records_dir, "--recipe", "T->A", "--run", run_copy, *flags, "--epochs", 3, code=2)
    assert err.splitlines()[-1].startswith("mmtrans: A checkpoint does not fit the model.")
    assert "Traceback" not in err
    assert "could not be found" not in err
