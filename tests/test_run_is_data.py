"""A run directory is data: nothing that lies in it is run, by no command that reads one."""

import pickle
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.cli.main import main
from tests.earlier import EARLIER
from tests.inference.test_opening import save

RUN = EARLIER / "runs" / "unaligned-tokens"

#: Ends of the names of a run's files: text, arrays, pictures, TensorFlow's checkpoints. TensorBoard's events have none.
SUFFIXES = {".yaml", ".json", ".npz", ".csv", ".tsv", ".pbtxt", ".png", ".index", ".data-00000-of-00001", ".lease"}


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A copy of a run; whatever would run a file fails."""
    for module, name in ((tf.saved_model, "load"), (keras.models, "load_model"), (keras.saving, "load_model")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("A program was loaded."))
    return shutil.copytree(RUN, tmp_path / "run")


def with_objects(path, target):
    """Puts pickled objects in place of the arrays of an archive."""
    with np.load(path) as arrays:
        names = arrays.files
    np.savez(path, **{name: np.array([Evil(target)], object) for name in names})


def with_pickle(path, target):
    path.write_bytes(pickle.dumps(Evil(target)))


def with_tag(path, target):
    path.write_text(f"recipe: !!python/object/apply:pathlib.Path.touch ['{target}']\n", encoding="utf-8")


FILES = {
    "config.yaml": with_tag,
    "statistics.npz": with_objects,
    "phases/*/codebook.npz": with_objects,
    "phases/*/best/weights.npz": with_pickle,
}

COMMANDS = {
    "predict": lambda run: ["predict", run, EARLIER / "corpus-unaligned"],
    "translate": lambda run: ["translate", run, "--data", EARLIER / "records-unaligned"],
    "export": lambda run: ["export", run, run.parent / "export"],
}


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("config.yaml", "predict"),
        ("statistics.npz", "predict"),
        ("phases/*/best/weights.npz", "predict"),
        ("statistics.npz", "export"),
        ("phases/*/codebook.npz", "translate"),
    ],
)
def test_code_in_a_file_is_one_sentence(file, command, run, tmp_path, capsys):
    target = tmp_path / "made"
    for path in run.glob(file):
        FILES[file](path, target)
    assert main([str(part) for part in COMMANDS[command](run)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not target.exists()


def test_programs_beside_the_files_are_left_alone(run, tmp_path):
    save(lambda _: 0.0, tmp_path / "program")
    shutil.copytree(tmp_path / "program", run, dirs_exist_ok=True)
    (run / "keras").mkdir()
    (run / "keras" / "sentiment.keras").write_bytes(b"no model")
    (run / "model.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "made")))
    out = tmp_path / "out.csv"
    assert main(["predict", str(run), str(EARLIER / "corpus-unaligned"), "--out", str(out)]) == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == 25
    assert not (tmp_path / "made").exists()


def test_a_run_holds_known_kinds_of_files(translation_run):
    found = {path for path in translation_run.rglob("*") if path.is_file()}
    others = {path.name for path in found if not any(path.name.endswith(suffix) for suffix in SUFFIXES)}
    assert not [name for name in others if not name.startswith("events.out.tfevents.") and name != "checkpoint"]
    assert len(found) > 10
