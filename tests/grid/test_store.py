import json
import os
import shutil

import pytest

from mmtrans.config import Config
from mmtrans.grid.store import Store
from mmtrans.runs.run import Run
from mmtrans.runs.status import weights_hash
from mmtrans.system.files import link_tree


def finish(run, phase, weights=b"w", epochs=2, stopped_by="epochs"):
    """Leaves what training a phase leaves: two epochs of three steps, the first of which was the best."""
    directory = run.phase_dir(phase)
    shutil.rmtree(directory, ignore_errors=True)  # its files may be links
    for path, content in (("best/weights.npz", weights), ("checkpoints/step-1/state", b"s")):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    inherited = weights_hash(run.weights_path(phase.parent)) if phase.parent else None
    status = {"key": phase.key, "inherited": inherited, "finished": True, "epochs": epochs, "stopped_by": stopped_by}
    status |= {"epoch": 2, "step": 6, "best_epoch": 1, "best_loss": 0.5, "history": []}
    (directory / "phase.json").write_text(json.dumps(status))
    (run.path / "logs" / phase.name).mkdir(parents=True, exist_ok=True)
    (run.path / "logs" / phase.name / "events.out.tfevents.1").write_bytes(b"e")


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run", Config(recipe="T->A", epochs=2), tmp_path / "records", "abc")
    for phase in run.phases:
        finish(run, phase)
    return run


@pytest.fixture
def store(tmp_path, run):
    store = Store(tmp_path / "phases")
    for phase in run.phases:
        store.put(phase, run)
    return store


def test_a_phase_comes_back_without_its_checkpoints(store, run, tmp_path):
    translation, _ = run.phases
    directory = store.path / translation.key[:16]
    assert sorted(path.name for path in directory.iterdir()) == ["best", "logs", "phase.json"]
    # TensorBoard shows each phase once, in the runs.
    assert [path.name for path in (directory / "logs").iterdir()] == ["events.out.kept.1"]
    other = Run(tmp_path / "other", run.config, run.records_path, "abc")
    (other.phase_dir(translation) / "checkpoints").mkdir(parents=True)
    store.place(translation, other)
    assert sorted(path.name for path in other.phase_dir(translation).iterdir()) == ["best", "phase.json"]
    assert (other.path / "logs" / translation.name / "events.out.tfevents.1").read_bytes() == b"e"
    assert os.path.samefile(other.weights_path(translation), directory / "best" / "weights.npz")
    assert store.is_placed(translation, other)


def test_files_are_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    monkeypatch.setattr(os, "link", refuse)
    link_tree(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "x").read_text() == "1"


def test_a_phase_that_more_epochs_would_change_is_not_held(store, run):
    translation, sentiment = run.phases
    assert [store.holds(phase, 2) for phase in run.phases] == [True, True]
    assert [store.holds(phase, 3) for phase in run.phases] == [False, False]
    finish(run, translation, stopped_by="patience")
    store.put(translation, run)
    assert [store.holds(phase, 3) for phase in run.phases] == [True, False]
    finish(run, sentiment, stopped_by="patience")
    store.put(sentiment, run)
    assert store.holds(sentiment, 3)


def test_a_phase_on_older_weights_of_its_parent_is_not_held(store, run):
    translation, sentiment = run.phases
    finish(run, translation, weights=b"better")
    store.put(translation, run)
    assert [store.holds(phase, 2) for phase in run.phases] == [True, False]
    finish(run, sentiment)
    assert not store.is_placed(sentiment, run)
    store.put(sentiment, run)
    assert store.holds(sentiment, 2)


def test_other_phases_are_not_held(store, run):
    other = Run(run.path, Config(recipe="T->A", epochs=2, seed=1), run.records_path, "abc")
    assert not any(store.holds(phase, 1) for phase in other.phases)
