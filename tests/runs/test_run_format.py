"""Runs of earlier formats: which phases learn something else now, and that such a run goes on as it was made."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.config import Config
from mmtrans.config.files import load_yaml
from mmtrans.data.records import Records
from mmtrans.grid.plan import Grid
from mmtrans.grid.schedule import outdated_runs
from mmtrans.grid.work import Workplace
from mmtrans.runs.phases import phases_of
from mmtrans.runs.run import Run
from mmtrans.training.prepare import prepare_phases
from mmtrans.training.train import build_objective, make_deterministic, train
from tests.earlier import EARLIER, SETS

RECORDS = EARLIER / "records-unaligned"

#: Without attention a latent of the final state alone passes.
SINGLE = {"bottleneck": "vae", "attention": "none"}

#: Fields of a configuration, the first digits of its phases' keys in format 1, and which of them are others now.
KEYS = [
    ({}, ["3b7dbe9367d9", "f54746c75703"], []),
    ({"recipe": "T"}, ["1d9e52a6592a"], []),
    ({"recipe": "A->T", "target": "tokens"}, ["43fd1e7c8474", "7dbb6822798c"], []),
    ({"bottleneck": "vae"}, ["69693be855c6", "46670d243f6e"], []),
    (SINGLE, ["34abefe5ab0b", "3b40828c880c"], [1]),
    ({**SINGLE, "representation": "final"}, ["34abefe5ab0b", "bfc8d0ce6d0f"], []),
    ({**SINGLE, "recipe": "embed(T,A)->V"}, ["34abefe5ab0b", "fcb4a4e6785c", "93e13057bee1"], [1, 2]),
    ({**SINGLE, "objective": "joint"}, ["0c7fe7635550"], [0]),
]


@pytest.mark.parametrize(("fields", "keys", "others"), KEYS)
def test_only_phases_that_learn_something_else_have_another_key(fields, keys, others):
    config = Config(**fields)
    assert [phase.key[:12] for phase in phases_of(config, "0" * 64, run_format=1)] == keys
    now = [phase.key[:12] for phase in phases_of(config, "0" * 64)]
    assert [index for index, key in enumerate(now) if key != keys[index]] == others


UNALIGNED = [
    ({}, {"audio"}, [0, 1]),
    ({"max_distance": 0}, {"audio"}, []),
    ({"attention": "none"}, {"audio"}, []),
    ({"recipe": "A->T"}, {"audio"}, [0, 1]),
    ({"recipe": "A->A"}, {"audio"}, []),
    ({"recipe": "A->V"}, {"audio", "video"}, [0, 1]),
    ({"recipe": "embed(T,V)->A"}, {"audio"}, [1, 2]),
    ({"recipe": "embed(T,A)->V"}, {"audio"}, [0, 1, 2]),
    ({"recipe": "A", "objective": "joint"}, {"audio"}, []),
    ({"objective": "joint", "target": "tokens"}, {"audio"}, [0]),
]


@pytest.mark.parametrize(("fields", "unaligned", "others"), UNALIGNED)
def test_targets_with_steps_of_their_own_have_other_keys_where_there_is_a_distance_bias(fields, unaligned, others):
    before = phases_of(Config(**fields), "0" * 64, run_format=1, unaligned=unaligned)
    now = phases_of(Config(**fields), "0" * 64, unaligned=unaligned)
    assert [i for i in range(len(now)) if now[i].key != before[i].key] == others


@pytest.mark.parametrize("recipe", ["T", "A->V", "tfn(T,A)", "mult(T,A)", "mult(A)"])
def test_of_fusion_models_mult_alone_has_other_keys_since_format_3(recipe):
    config = Config(recipe=recipe)
    first, before, now = (
        [phase.key for phase in phases_of(config, "0" * 64, run_format=run_format, unaligned={"audio"})]
        for run_format in (1, 2, 3)
    )
    assert (now != before) == recipe.startswith("mult")
    assert (before != first) == ("->" in recipe)


def as_format_1(run):
    """The run as an earlier version would have left it: its environment does not know of formats."""
    path = run.path / "environment.json"
    environment = json.loads(path.read_text(encoding="utf-8"))
    assert environment.pop("run_format") == 3
    path.write_text(json.dumps(environment), encoding="utf-8")
    return Run.open(run.path)


def test_a_run_of_format_1_is_resumed_as_such(tiny, small, tmp_path):
    config = tiny(recipe="T->A", epochs=1, latent_units=2, **SINGLE)
    run = as_format_1(Run.open_or_create(tmp_path / "run", config, small))
    assert run.run_format == 1
    assert Run.open_or_create(run.path, config, small) == run
    train(run, small, quiet=True)
    # The regressor reads four units of the encoder at each step, not the latent's two.
    assert run.load_regressor().sequence.shape[1:] == (None, 4)
    key = json.loads((run.phase_dir(run.phases[1]) / "phase.json").read_text(encoding="utf-8"))["key"]
    assert key == phases_of(config, run.manifest_hash, run_format=1)[1].key


@pytest.fixture
def grid(tiny, small_dir, small, tmp_path):
    """A grid of two rows, of whose runs an earlier version made both, and began one anew."""
    for name in ("phases", "runs", "work"):
        (tmp_path / name).mkdir()
    config = tiny(epochs=1, latent_units=2, **SINGLE)
    made = Grid(tmp_path, small_dir, small.manifest.manifest_hash, ("T", "T->A"), (0,), False, (), config, "valid")
    for task in made.tasks():
        if task.completes_run:
            run = as_format_1(Run.open_or_create(tmp_path / "runs" / task.name, task.config, small))
            (run.path / "metrics.json").write_text("{}")
    as_format_1(Run.open_or_create(tmp_path / "work" / "T_to_A-seed-0", made.tasks()[-1].config, small))
    return made


def test_a_grid_names_the_runs_that_are_trained_anew(grid):
    assert outdated_runs(grid) == {"a latent without attention is now all that passes": ["T_to_A-seed-0"]}
    assert outdated_runs(replace(grid, manifest_hash="of other records")) == {}


@pytest.mark.slow
@pytest.mark.once
def test_a_grid_does_not_go_on_with_what_is_to_be_trained_anew(grid):
    make_deterministic()
    workplace = Workplace(grid.path, grid.records_path, grid.splits)
    workplace.clear()
    for task in grid.tasks()[1:]:
        workplace(task)
        workplace.publish(task)
    run = Run.open(grid.path / "runs" / "T_to_A-seed-0")
    assert run.run_format == 3
    assert np.shape(run.load_regressor().model.get_layer("regressor").get_weights()[0])[0] == 2
    assert outdated_runs(grid) == {}


@pytest.mark.slow
@pytest.mark.once
def test_an_earlier_grid_trains_anew_what_it_would_learn_otherwise(tmp_path, capfd):
    path = shutil.copytree(EARLIER / "grid", tmp_path / "grid")
    (tmp_path / "recipes").write_text("T\nT->A\n")
    sizes = ["--units", "3", "--attention-units", "2", "--decoder-units", "4", "--regressor-units", "5"]
    command = ["grid", "--data", str(RECORDS), "--out", str(path), "--recipes", str(tmp_path / "recipes")]
    command += ["--seeds", "1", *sizes, "--no-bidirectional", "--epochs", "2"]
    before = {name: (path / "runs" / name / "metrics.json").read_bytes() for name in ("T-seed-0", "T_to_A-seed-0")}
    assert main(command) == 0
    reason = "the distance bias of the attention now goes by the ratio of source and target steps"
    assert f"mmtrans: These runs are trained anew, since {reason}: T_to_A-seed-0.\n" in capfd.readouterr().err
    assert (path / "runs/T-seed-0/metrics.json").read_bytes() == before["T-seed-0"]
    run = Run.open(path / "runs/T_to_A-seed-0")
    assert run.run_format == 3
    assert run.statistics.ratios == {("text", "audio"): (5.0, 5.0)}
    metrics = json.loads((run.path / "metrics.json").read_text())["test"]["translation"]
    assert metrics["r2"] != json.loads(before["T_to_A-seed-0"])["test"]["translation"]["r2"]
    assert main(command) == 0
    assert "anew" not in capfd.readouterr().err


@pytest.mark.parametrize(("name", "length", "frames"), [("unaligned", "source", 1), ("unaligned", "target", 5)])
def test_an_earlier_run_is_decoded_as_it_was_unless_the_target_s_length_is_asked_for(name, length, frames, tmp_path):
    out = tmp_path / "out.jsonl"
    command = ["translate", str(EARLIER / "runs" / name), "--data", str(RECORDS), "--out", str(out)]
    assert main([*command, "--length", length]) == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 4
    assert all(line["hypotheses"][0]["length"] == frames * len(line["words"]) for line in lines)


def test_an_earlier_distance_bias_is_not_taken_over_where_it_counts_otherwise(tmp_path, capfd):
    init = EARLIER / "runs/unaligned"
    records = Records.open(RECORDS, splits=("train", "valid"))
    config = Config(**{**load_yaml(init / "config.yaml"), "init": str(init), "seed": 4})
    prepare_phases(config, records)
    run = Run.open_or_create(tmp_path / "run", config, records)
    given = Run.open(init).load_translator()
    translator = build_objective(run, run.phases[0], records).translator
    for weights, expected in zip(
        translator.representation.get_weights(), given.representation.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weights, expected)
    bias = translator.decoder.distance_bias
    np.testing.assert_array_equal(np.array(bias), -np.abs(np.arange(-16, 17)))
    assert np.any(np.array(given.decoder.distance_bias) != np.array(bias))
    assert (
        f"An earlier version made {init}; its encoder alone is taken over, since the distance" in capfd.readouterr().err
    )


def test_a_translation_of_format_2_is_taken_over_whole(tmp_path, capfd):
    """What changed since is of other recipes."""
    init = SETS["0b98694"] / "runs/unaligned"
    records = Records.open(init.parents[1] / "records-unaligned", splits=("train", "valid"))
    config = Config(**{**load_yaml(init / "config.yaml"), "init": str(init), "seed": 4})
    run = Run.open_or_create(tmp_path / "run", config, records)
    assert (Run.open(init).run_format, run.run_format) == (2, 3)
    translator = build_objective(run, run.phases[0], records).translator
    given = Run.open(init).load_translator()
    for weights, expected in zip(translator.model.get_weights(), given.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)
    assert "earlier version" not in capfd.readouterr().err
