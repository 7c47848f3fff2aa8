"""What earlier versions began goes on: with its keys and names, without training anew what is done, and to the numbers
that the version would have ended with."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtrans.cli.main import main
from mmtrans.engine.engine import Engine
from tests.earlier import EARLIER, SETS

SIZES = ["--units", "3", "--attention-units", "2", "--decoder-units", "4", "--regressor-units", "5"]
SIZES += ["--no-bidirectional", "--quiet"]

#: And of what was begun; what was finished has 2 epochs and larger batches.
BEGUN = [*SIZES, "--batch-size", "4", "--epochs", "3"]

#: Of the search, which reads no others.
SEARCH = ["--recipe", "T", "--trials", "3", *SIZES[:2], *SIZES[6:], "--batch-size", "4", "--epochs", "3"]

of_keras_3 = pytest.mark.skipif(keras.__version__ < "3", reason="the checkpoints are of Keras 3")


@pytest.fixture(params=SETS)
def made(request, monkeypatch):
    """What a commit made; workers and plots, which read none of it, are left out."""
    monkeypatch.setattr("mmtrans.search.complete.plot_parameters", lambda search, trials: None)
    for kind in ("scores", "history"):
        monkeypatch.setattr(f"mmtrans.evaluation.plots.{kind}.saved", lambda figure, path: figure)
    return SETS[request.param]


@pytest.fixture
def recipes(tmp_path):
    """The file of the grids' recipes."""
    path = tmp_path / "recipes"
    path.write_text("T\nT->A\n", encoding="utf-8")
    return path


def copied(source, target):
    """A copy whose records lie where ours do."""
    shutil.copytree(source, target)
    for path in target.rglob("environment.json"):
        environment = read(path)
        records = next(made for made in SETS.values() if made in source.parents) / environment["records"].split("/")[-1]
        path.write_text(json.dumps({**environment, "records": str(records)}), encoding="utf-8")
    return target


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def trials_of(search):
    with open(search / "trials.csv", newline="", encoding="utf-8") as file:
        return {row["trial"]: float(row["mae"]) for row in csv.DictReader(file)}


def check_goes_on(command, begun, path, whole):
    """Gives a command that was interrupted again, and compares with what was there and with what should be there.

    Args:
        command: with the records.
        begun: what it left when it was interrupted.
        path: a copy.
        whole: what the same version ended with when it was not interrupted.
    """
    files = [file for file in begun.rglob("phase.json") if file.relative_to(begun).parts[0] != "work"]
    done = {file.relative_to(begun): file.read_bytes() for file in files if read(file)["finished"]}
    assert main(list(map(str, command))) == 0
    assert {file: (path / file).read_bytes() for file in done} == done
    for file in begun.rglob("progress.json"):
        phase_dir = file.relative_to(begun).parents[2]
        parts = ["runs" if part == "work" else part for part in phase_dir.parts]
        # With the seconds that it took: the epochs before the interruption are those of then.
        (epoch,) = read(file)["history"]
        assert read(path.joinpath(*parts, "phase.json"))["history"][0] == epoch
    expected = sorted(file.relative_to(whole) for file in whole.rglob("phase.json"))
    assert sorted(file.relative_to(path) for file in path.rglob("phase.json")) == expected
    for file in expected:
        check_phase(read(path / file), read(whole / file))
    for file in whole.rglob("metrics.json"):
        check_metrics(read(path / file.relative_to(whole)), read(file))


def check_phase(now, was):
    """Compares two `phase.json`; other processors round otherwise."""
    for name in ("kind", "recipe", "key", "finished", "epochs", "stopped_by", "epoch", "step"):
        assert now[name] == was[name], name
    for row, expected in zip(now["history"], was["history"], strict=True):
        names = expected.keys() - {"segments_per_second"}
        assert {n: row[n] for n in names} == pytest.approx({n: expected[n] for n in names}, rel=1e-4, abs=1e-4)


def check_metrics(now, was):
    assert now.keys() == was.keys()
    for split in was:
        assert now[split]["mae"] == pytest.approx(was[split]["mae"], rel=1e-4, abs=1e-4)
        if "translation" in was[split]:
            expected = was[split]["translation"]["r2"]
            assert now[split]["translation"]["r2"] == pytest.approx(expected, rel=1e-4, abs=1e-4)


@of_keras_3
@pytest.mark.slow
def test_a_run_that_was_interrupted_within_an_epoch_goes_on(made, tmp_path):
    run = copied(made / "begun" / "run", tmp_path / "run")
    command = ["train", "--data", made / "records-unaligned", "--run", run, "--recipe", "T->A", "--stop", *BEGUN]
    check_goes_on(command, made / "begun" / "run", run, made / "whole" / "run")


@of_keras_3
@pytest.mark.slow
def test_a_grid_with_a_finished_row_and_a_begun_one_goes_on(made, recipes, tmp_path):
    grid = copied(made / "begun" / "grid", tmp_path / "grid")
    place = ["--data", made / "records-aligned", "--out", grid]
    command = ["grid", *place, "--recipes", recipes, "--seeds", "1", *BEGUN]
    check_goes_on(command, made / "begun" / "grid", grid, made / "whole" / "grid")


@of_keras_3
@pytest.mark.slow
def test_a_search_with_a_finished_trial_and_a_begun_one_goes_on(made, tmp_path):
    search = copied(made / "begun" / "search", tmp_path / "search")
    command = ["tune", "--data", made / "records-aligned", "--out", search, *SEARCH]
    check_goes_on(command, made / "begun" / "search", search, made / "whole" / "search")
    assert trials_of(search) == pytest.approx(trials_of(made / "whole" / "search"), rel=1e-4, abs=1e-4)


#: Finished runs with a checkpoint of other models than what was begun has.
CHECKPOINTS = ["1d3f9fc/runs/vae", "0b98694/runs/vae", "0b98694/runs/unaligned-tokens", "0b98694/runs/joint"]


@of_keras_3
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_finished_run_goes_on_to_more_epochs_from_its_checkpoint(name, tmp_path, monkeypatch):
    restored = []

    def make_train_step(objective, *_):
        restored.extend(objective.model.get_weights())
        raise KeyboardInterrupt

    monkeypatch.setattr("mmtrans.training.loop.make_train_step", make_train_step)
    run = copied(EARLIER.parent / name, tmp_path / "run")
    command = ["train", "--data", read(run / "environment.json")["records"], "--run", str(run), "--quiet"]
    main([*command, "--config", str(run / "config.yaml"), "--epochs", "3"])
    (state,) = run.glob("phases/1-*/checkpoints/step-00000002/state.index")
    stored = tf.train.load_checkpoint(state.with_suffix(""))
    values = [stored.get_tensor(name) for name in stored.get_variable_to_shape_map()]
    assert restored
    assert all(any(np.array_equal(weights, value) for value in values) for weights in restored)


#: Of the finished grids, whose audio has steps of its own: those of format 1 have another distance bias.
ANEW = {"1d3f9fc": ["translation-T_to_A-seed-0"], "0b98694": []}


def test_a_finished_grid_has_nothing_to_train_but_what_learns_something_else_now(
    made, recipes, tmp_path, monkeypatch, capfd
):
    submitted = []

    def submit(engine, task, *_):
        submitted.append(task.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "submit", submit)
    grid = copied(made / "grid", tmp_path / "grid")
    place = ["--data", made / "records-unaligned", "--out", grid]
    main([*map(str, ["grid", *place, "--recipes", recipes, "--seeds", "1", *SIZES, "--epochs", "2"])])
    assert submitted == ANEW[made.name]
