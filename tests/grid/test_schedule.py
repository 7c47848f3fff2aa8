import json
from dataclasses import asdict, replace

import pytest

from mmtrans.config import Config
from mmtrans.config.files import dump_yaml
from mmtrans.engine.options import EngineOptions
from mmtrans.grid import schedule
from mmtrans.grid.plan import Grid
from mmtrans.grid.schedule import locked_grid, pending_tasks, run_grid
from mmtrans.grid.store import Store
from mmtrans.grid.work import Workplace
from mmtrans.runs.run import Run
from mmtrans.system.attempts import attempt
from tests.grid.test_store import finish
from tfrecords.schema import LabelScale

HERE = EngineOptions()


@pytest.fixture
def grid(tmp_path):
    recipes = ("T", "T->A", "embed(T,A)->V", "A->T")
    return Grid(tmp_path, tmp_path / "records", "abc", recipes, (0,), False, (), Config(epochs=2), "test")


def names(tasks):
    return [task.name for task in tasks]


@pytest.fixture
def trained(monkeypatch):
    """Puts a workplace in place that leaves what training leaves, and fails what `trained.failing` names."""

    class Leaving(Workplace):
        failing = ()
        done: tuple = ()

        def start(self):
            pass

        def __call__(self, task):
            Leaving.done += (task.name,)
            if task.name in Leaving.failing:
                raise ValueError("It broke.")
            with attempt(self.place(task), self.era) as path:
                return self.leave(task, path / "run")

        def leave(self, task, path):
            run = Run(path, task.config, self.path / "records", "abc")
            store = Store(self.path / "phases")
            for phase in run.phases[: task.phase.index - 1]:
                store.place(phase, run)
            finish(run, task.phase, weights=task.name.encode())
            (run.path / "config.yaml").write_text(dump_yaml(task.config.to_dict()))
            data = {"label": asdict(LabelScale("score", -3, 3, 0)), "max_steps": {}, "modalities": {}}
            environment = {"records": str(run.records_path), "manifest_hash": "abc", "data": data}
            (run.path / "environment.json").write_text(json.dumps(environment))
            if task.completes_run:
                (run.path / "metrics.json").write_text("{}")
            return {"valid_loss": 1.0, "split": "test", "mae": 1.0}

    monkeypatch.setattr(schedule, "Workplace", Leaving)
    return Leaving


def test_the_longest_chains_come_first(grid):
    assert names(pending_tasks(grid)) == [
        "translation-T_to_A-seed-0",
        "translation-embed_T_A_to_V-seed-0",
        "translation-A_to_T-seed-0",
        *("T-seed-0", "T_to_A-seed-0", "embed_T_A_to_V-seed-0", "A_to_T-seed-0"),
    ]


def test_everything_is_done_once_and_then_nothing(grid, trained):
    assert run_grid(grid, HERE, quiet=True) == {}
    assert sorted(trained.done) == sorted(names(grid.tasks()))
    assert json.loads((grid.path / "failures.json").read_text()) == {}
    assert not (grid.path / "attempts").exists()
    trained.done = ()
    assert run_grid(grid, HERE, quiet=True) == {}
    assert trained.done == ()


def test_more_rows_and_seeds_do_only_what_is_new(grid, trained):
    run_grid(grid, HERE, quiet=True)
    trained.done = ()
    run_grid(replace(grid, seeds=(0, 1), recipes=("T", "embed(T,A)->A")), HERE, quiet=True)
    assert sorted(trained.done) == [
        *("T-seed-1", "embed_T_A_to_A-seed-0", "embed_T_A_to_A-seed-1", "translation-T_to_A-seed-1"),
        *("translation-embed_T_A_to_A-seed-0", "translation-embed_T_A_to_A-seed-1"),
    ]


def test_a_failure_stops_only_what_builds_on_it_and_is_tried_again(grid, trained, capsys):
    trained.failing = ("translation-T_to_A-seed-0", "T-seed-0")
    lost = {"reason": "It broke.", "log": "logs/translation-T_to_A-seed-0.log"}
    failures = run_grid(grid, HERE)
    assert failures == {
        "T-seed-0": {"reason": "It broke.", "log": "logs/T-seed-0.log"},
        **{"T_to_A-seed-0": lost, "embed_T_A_to_V-seed-0": lost},
    }
    assert json.loads((grid.path / "failures.json").read_text()) == failures
    assert [path.parent.name for path in grid.path.glob("runs/*/metrics.json")] == ["A_to_T-seed-0"]
    err = capsys.readouterr().err
    assert "translation T->A, seed 0 FAILED: It broke. 3 tasks that build on it are left out." in err
    assert "[7/7]" in err
    trained.done, trained.failing = (), ()
    assert run_grid(grid, HERE, quiet=True) == {}
    assert sorted(trained.done) == sorted(set(names(grid.tasks())) - {"translation-A_to_T-seed-0", "A_to_T-seed-0"})
    assert json.loads((grid.path / "failures.json").read_text()) == {}


def test_rows_with_fewer_labels_are_trained_for_as_many_steps_as_with_all(grid, trained, capsys):
    grid = replace(grid, recipes=("T", "T->A"), label_fractions=(0.1,), steps_of_all=True)
    assert run_grid(grid, HERE) == {}
    assert "[5/5]" in capsys.readouterr().err
    few = ["T-labels-0.1-seed-0", "T_to_A-labels-0.1-seed-0"]
    assert sorted(trained.done) == sorted([*few, "T-seed-0", "T_to_A-seed-0", "translation-T_to_A-seed-0"])
    assert all(trained.done.index(name) > trained.done.index(name.replace("-labels-0.1", "")) for name in few)
    assert [Run.open(grid.path / "runs" / name).config.optimisation.fixed_steps for name in few] == [3, 3]
    assert not any(Run.open(path).config.optimisation.fixed_steps for path in grid.path.glob("runs/T*A-seed-0"))
    trained.done = ()
    assert run_grid(grid, HERE, quiet=True) == {}
    assert trained.done == ()
    # With other steps to their best epoch the others are trained anew.
    full = next(task for task in grid.tasks() if task.name == "T-seed-0")
    path = Store(grid.path / "phases").directory(full.phase) / "phase.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "best_epoch": 2}))
    assert [task.name for task in pending_tasks(grid)] == ["T-labels-0.1-seed-0"]
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": 0}))
    with pytest.raises(ValueError, match=r"A file is damaged\. Expected the number of steps"):
        pending_tasks(grid)


@pytest.mark.parametrize("failing", ["T_to_A-seed-0", "translation-T_to_A-seed-0"])
def test_rows_that_wait_for_one_that_failed_are_left_out_with_it(grid, trained, failing):
    grid = replace(grid, recipes=("T", "T->A"), label_fractions=(0.1,), steps_of_all=True)
    trained.failing = (failing,)
    lost = {"reason": "It broke.", "log": f"logs/{failing}.log"}
    assert run_grid(grid, HERE, quiet=True) == {"T_to_A-seed-0": lost, "T_to_A-labels-0.1-seed-0": lost}
    trained.failing = ()
    assert run_grid(grid, HERE, quiet=True) == {}
    assert (grid.path / "runs" / "T_to_A-labels-0.1-seed-0" / "metrics.json").is_file()


def test_more_epochs_train_again_what_they_would_change(grid, trained):
    grid = replace(grid, recipes=("T->A",))
    run_grid(grid, HERE, quiet=True)
    store = Store(grid.path / "phases")
    for task in grid.tasks():
        path = store.directory(task.phase) / "phase.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "stopped_by": "patience"}))
    grown = replace(grid, config=Config(epochs=3))
    # Nothing to train, but the run does not yet have the new configuration.
    assert names(pending_tasks(grown)) == ["T_to_A-seed-0"]
    path = store.directory(grid.tasks()[0].phase) / "phase.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stopped_by": "epochs"}))
    assert names(pending_tasks(grown)) == ["translation-T_to_A-seed-0", "T_to_A-seed-0"]


def test_a_grid_is_worked_on_once_at_a_time(tmp_path):
    with (
        locked_grid(tmp_path / "grid"),
        pytest.raises(ValueError, match=r"Another command is at work.*out=.*grid"),
        locked_grid(tmp_path / "grid"),
    ):
        pass
    with locked_grid(tmp_path / "grid"):
        pass


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    for path in (tmp_path, tmp_path / "thesis.txt"):
        with (
            pytest.raises(ValueError, match=r"No grid there, and not empty\..*Choose another --out"),
            locked_grid(path),
        ):
            pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
