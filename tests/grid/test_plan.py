import json
from dataclasses import replace

import pytest

from mmtrans.config import Config
from mmtrans.grid.plan import Grid
from mmtrans.grid.recipes import PAPER
from mmtrans.runs.phases import phases_of


@pytest.fixture
def grid(tmp_path):
    return Grid(
        tmp_path, tmp_path / "records", "abc", ("T", "T->A", "embed(T,A)->V"), (0, 1), False, (), Config(), "test"
    )


def names(tasks):
    return [task.name for task in tasks]


def test_shared_phases_are_trained_once(grid):
    assert names(replace(grid, seeds=(4,)).tasks()) == [
        "T-seed-4",
        "translation-T_to_A-seed-4",
        "T_to_A-seed-4",
        "translation-embed_T_A_to_V-seed-4",
        "embed_T_A_to_V-seed-4",
    ]
    # 26 regressors and 19 translations, of which the six hierarchical rows share their first ones with others.
    paper = replace(grid, recipes=PAPER).tasks()
    assert len(paper) == len(set(names(paper))) == 2 * (26 + 19)


def test_controls_and_label_fractions_share_translations(grid):
    grid = replace(grid, recipes=("concat(T,A)->V",), seeds=(0,), controls=True, label_fractions=(0.1, 0.5))
    runs = [task.name for task in grid.tasks() if task.completes_run]
    variants = ["concat_T_A_to_V{}-seed-0", "concat_T_A{}-seed-0", "concat_T_A_to_V-untrained{}-seed-0"]
    assert runs == [variant.format(share) for share in ("", "-labels-0.1", "-labels-0.5") for variant in variants]
    translations = [task.name for task in grid.tasks() if not task.completes_run]
    assert translations == ["translation-concat_T_A_to_V-seed-0", "translation-concat_T_A_to_V-untrained-seed-0"]


def test_a_baseline_among_the_rows_is_no_second_control(grid):
    recipes = [(row.recipe, row.untrained) for row in replace(grid, controls=True).rows()]
    assert recipes == [(r, False) for r in grid.recipes] + [(r, True) for r in grid.recipes[1:]]


def test_a_task_is_a_phase_of_its_own_configuration(grid):
    for task in replace(grid, controls=True, label_fractions=(0.1,)).tasks():
        assert task.phase in phases_of(task.config, "abc")
        assert task.completes_run == (task.name == task.row.run_name(task.config.plan.seed))


def test_joint_rows_share_inner_translations_and_have_controls(grid):
    tasks = replace(grid, seeds=(0,), controls=True, config=Config(objective="joint")).tasks()
    assert [(task.name, task.phase.kind) for task in tasks if not task.config.plan.untrained] == [
        ("T-seed-0", "sentiment"),
        ("T_to_A-seed-0", "joint"),
        ("translation-T_to_A-seed-0", "translation"),
        ("embed_T_A_to_V-seed-0", "joint"),
    ]
    assert [task.name for task in tasks if task.config.plan.untrained and task.completes_run] == [
        "T_to_A-untrained-seed-0",
        "embed_T_A_to_V-untrained-seed-0",
    ]
    for task in tasks:
        assert task.phase in phases_of(task.config, "abc")


def test_rows_with_fewer_labels_wait_for_the_steps_of_the_same_row(grid):
    grid = replace(grid, recipes=("T", "T->A"), label_fractions=(0.1, 0.5), steps_of_all=True)
    few = [row for row in grid.rows() if row.label_fraction < 1]
    assert len(few) == 4
    assert all(grid.waits(row, 0) for row in few)
    assert not any(grid.waits(row.with_all_labels, 0) for row in few)
    tasks = {task.name: task for task in grid.tasks()}
    found = [task.name for task in grid.followers(tasks["T_to_A-seed-1"])]
    assert found == ["T_to_A-labels-0.1-seed-1", "T_to_A-labels-0.5-seed-1"]
    assert grid.followers(tasks["translation-T_to_A-seed-1"]) == grid.followers(tasks["T-labels-0.1-seed-1"]) == []
    plain = replace(grid, steps_of_all=False)
    assert not any(plain.waits(row, 0) for row in few)
    assert {task.phase.key for task in plain.tasks() if task.row.label_fraction == 1} <= {
        task.phase.key for task in grid.tasks()
    }


def test_grid_json(grid):
    replace(grid, label_fractions=(0.1,)).save()
    description = json.loads((grid.path / "grid.json").read_text())
    assert set(description.pop("versions")) == {"mmtrans", "python", "tensorflow", "keras", "numpy"}
    config = description.pop("config")
    assert Config(**config) == Config()
    assert not {"recipe", "seed", "untrained", "label_fraction"} & set(config)
    assert description == {
        "records": str(grid.path / "records"),
        "manifest_hash": "abc",
        "recipes": ["T", "T->A", "embed(T,A)->V"],
        "seeds": [0, 1],
        "controls": False,
        "label_fractions": [0.1],
        "steps_of_all": False,
        "variants": {},
        "inits": {},
        "metric_split": "test",
    }


def test_a_grid_grows(grid):
    replace(grid, variants={"a": {"units": 2}}, inits={"run": "1234"}).save()
    more = replace(grid, recipes=("A", "T"), seeds=(0, 1, 2), controls=True, label_fractions=(0.5,))
    more = replace(more, variants={"b": {"units": 3}}, inits={"other": "5678"})
    merged = replace(more, config=Config(epochs=99)).merged()
    assert merged.recipes == ("T", "T->A", "embed(T,A)->V", "A")
    assert (merged.seeds, merged.controls, merged.label_fractions) == ((0, 1, 2), True, (0.5,))
    assert merged.variants == {"a": {"units": 2}, "b": {"units": 3}}
    assert merged.inits == {"run": "1234", "other": "5678"}
    merged.save()
    assert replace(grid, config=Config(epochs=99)).merged() == merged


def test_a_grid_goes_on_with_the_steps_of_all_labels_and_does_not_change_to_them(grid):
    replace(grid, label_fractions=(0.1,), steps_of_all=True).save()
    assert grid.merged().steps_of_all
    replace(grid, label_fractions=(0.1,)).save()
    with pytest.raises(
        ValueError, match=r"that valid has stopped\. Expected steps_of_all=False as there\. .*Give another"
    ):
        replace(grid, steps_of_all=True).merged()
    grid.save()
    assert replace(grid, steps_of_all=True).merged().steps_of_all


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": Config(units=3, cell="gru")}, r"another configuration\..*Received: cell: 'lstm' → 'gru', units"),
        ({"config": Config(epochs=1)}, r"--epochs may only grow"),
        ({"manifest_hash": "abd"}, r"other records\..*Received: abd"),
        ({"variants": {"b": {"units": 3}}}, r"other fields\. Expected b: {'units': 2}\. Received: b: {'units': 3} \("),
    ],
)
def test_another_configuration_or_records_are_refused(grid, changes, message):
    replace(grid, variants={"b": {"units": 2}}).save()
    with pytest.raises(ValueError, match=message):
        replace(grid, **changes).merged()
