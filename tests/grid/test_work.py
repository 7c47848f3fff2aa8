import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.grid.plan import Grid
from mmtrans.grid.schedule import pending_tasks
from mmtrans.grid.work import Workplace
from mmtrans.runs.run import Run
from mmtrans.training import train as train_module
from mmtrans.training.prepare import prepare
from mmtrans.training.train import build_objective, make_deterministic
from tests.tfrecords.segments import make_corpus, make_segments


@pytest.fixture(scope="module")
def untrained(tiny, small_dir, tmp_path_factory):
    """An untrained `T->A` with half of the labels, done task by task as a worker does it."""
    make_deterministic()
    path = tmp_path_factory.mktemp("grid")
    for name in ("phases", "runs", "attempts"):
        (path / name).mkdir()
    manifest_hash = Records.open(small_dir).manifest.manifest_hash
    grid = Grid(path, small_dir, manifest_hash, ("T->A",), (5,), True, (0.5,), tiny(epochs=1), "test")
    workplace = Workplace(path, small_dir, grid.splits)
    tasks = [t for t in pending_tasks(grid) if t.row.untrained and (t.row.label_fraction < 1 or not t.completes_run)]
    results = {}
    for task in tasks:
        results[task.name] = workplace(task)
        # Its worker died with the answer: the next one has the same, and trains nothing.
        assert workplace(task) == results[task.name]
        workplace.publish(task)
    assert not {task.name for task in tasks} & {task.name for task in pending_tasks(grid)}
    return path, results


@pytest.mark.slow
def test_an_untrained_run_is_a_run_with_its_initial_encoder(untrained, small):
    path, results = untrained
    assert list(results) == ["translation-T_to_A-untrained-seed-5", "T_to_A-untrained-labels-0.5-seed-5"]
    assert results["translation-T_to_A-untrained-seed-5"] == {"valid_loss": None}
    run = Run.open(path / "runs" / "T_to_A-untrained-labels-0.5-seed-5")
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert list(metrics) == ["valid", "test"]
    assert results[run.path.name] == {"split": "test", "mae": metrics["test"]["mae"]}
    translation, sentiment = run.phases
    status = json.loads((run.phase_dir(translation) / "phase.json").read_text())
    assert (status["stopped_by"], status["step"], status["history"]) == ("untrained", 0, [])
    initial = build_objective(run, translation, small).model.get_weights()
    for weights, expected in zip(run.load_translator().model.get_weights(), initial, strict=True):
        np.testing.assert_array_equal(weights, expected)
    # The regressor was trained, on top of that very encoder, from half of the labels.
    assert json.loads((run.phase_dir(sentiment) / "phase.json").read_text())["step"] == 2  # 10 of 20 by 7
    assert not list(path.glob("attempts/*"))
    assert not list(run.path.rglob("checkpoints"))


def test_the_regressor_starts_from_the_labels_that_it_may_see(untrained, small):
    run = Run.open(untrained[0] / "runs" / "T_to_A-untrained-labels-0.5-seed-5")
    view = prepare(run.phases[1], run.config, small).records
    bias = build_objective(run, run.phases[1], view).model.get_layer("linear").bias.numpy()
    assert bias == np.float32(view.labels("train").mean()) != np.float32(small.labels("train").mean())
    assert prepare(run.phases[0], run.config, small).records is small


def test_records_that_were_replaced_meanwhile_train_nothing(tiny, tmp_path):
    for name in ("phases", "runs", "attempts"):
        (tmp_path / "grid" / name).mkdir(parents=True)
    records = tmp_path / "records"
    convert(make_corpus(make_segments(40)), records)
    manifest_hash = Records.open(records).manifest.manifest_hash
    grid = Grid(tmp_path / "grid", records, manifest_hash, ("T",), (0,), False, (), tiny(epochs=1), "test")
    (task,) = grid.tasks()
    convert(make_corpus(make_segments(36)), records, overwrite=True)
    with pytest.raises(ValueError, match=r"The grid's records are others by now\..*Put them back"):
        Workplace(grid.path, records, grid.splits)(task)
    assert not [path for path in grid.path.rglob("*") if path.is_file() and path.name != "begun"]
    assert not list(grid.path.glob("attempts/*/*/run"))


def test_records_that_are_replaced_before_the_evaluation_are_refused(tiny, tmp_path, monkeypatch):
    for name in ("phases", "runs", "attempts"):
        (tmp_path / "grid" / name).mkdir(parents=True)
    records = tmp_path / "records"
    convert(make_corpus(make_segments(40)), records)
    manifest_hash = Records.open(records).manifest.manifest_hash
    grid = Grid(tmp_path / "grid", records, manifest_hash, ("T",), (0,), False, (), tiny(epochs=1), "test")
    write = train_module.write_history

    def replace_records(run, *ongoing):
        if not ongoing:
            convert(make_corpus(make_segments(36)), records, overwrite=True)
        write(run, *ongoing)

    monkeypatch.setattr(train_module, "write_history", replace_records)
    with pytest.raises(ValueError, match=r"The run's records are others by now\."):
        Workplace(grid.path, records, grid.splits)(*grid.tasks())
    assert not list((grid.path / "runs").iterdir())


def test_fewer_labels_are_learned_in_as_many_steps_as_all(tiny, small_dir, tmp_path):
    for name in ("phases", "runs", "attempts"):
        (tmp_path / name).mkdir()
    manifest_hash = Records.open(small_dir).manifest.manifest_hash
    # Without recurrence the graphs are soon made, and the steps are the same.
    config = tiny(epochs=3, recurrent=False, pooling="mean")
    grid = Grid(tmp_path, small_dir, manifest_hash, ("T",), (0,), False, (0.5,), config, "test")
    grid = replace(grid, steps_of_all=True)
    workplace = Workplace(tmp_path, small_dir, grid.splits)
    whole, few = grid.tasks()
    assert grid.waits(few.row, 0)
    # What was begun with another number of steps is begun anew.
    workplace(few)
    workplace(whole)
    workplace.publish(whole)
    (few,) = grid.followers(whole)
    workplace(few)
    workplace.publish(few)
    assert pending_tasks(grid) == []
    told = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/phases/*/phase.json")]
    fixed, chosen = sorted(told, key=lambda status: status["stopped_by"] != "fixed")
    assert fixed["step"] // fixed["epoch"] < chosen["step"] // chosen["epoch"]
    steps = chosen["step"] // chosen["epoch"] * chosen["best_epoch"]
    assert 0 <= fixed["step"] - steps < fixed["step"] // fixed["epoch"]
    assert fixed["best_epoch"] == fixed["epoch"]


def test_a_worker_is_given_its_work_without_tensorflow():
    code = "import sys, mmtrans.grid.work, mmtrans.search.work; sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    # It imports it as the commands do, without what Keras loads for parts that are not used.
    assert done.returncode == 0, done.stderr
