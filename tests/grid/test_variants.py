"""Named variants: what is a file of them, which rows they make, which phases they share, and whose a run is."""

import json
from dataclasses import replace

import pytest

from mmtrans.config import Config
from mmtrans.grid.description import read_description
from mmtrans.grid.inits import copy_path, keep_inits, open_inits, spelled_as_known
from mmtrans.grid.plan import Grid, Task
from mmtrans.grid.variants import Variant, config_of, read_variants, rows_of, variant_of
from mmtrans.recipe import MOST_EMBEDS, parse
from mmtrans.runs.phases import Phase
from mmtrans.runs.run import Run
from tests.grid.test_store import finish

NAMED = {"small": {"regressor_units": 8}, "mae": {"translation_loss": "mae"}}


@pytest.fixture
def grid(tmp_path):
    recipes, config = ("T", "T->A"), Config()
    return Grid(tmp_path, tmp_path / "r", "abc", recipes, (0,), False, (), config, "test", variants=NAMED)


@pytest.mark.parametrize("name", ["../../outside", "a/b", ".hidden", ""])
def test_a_stored_name_leads_nowhere(grid, name):
    """A grid of a stranger goes on inside of its directory."""
    grid.save()
    path = grid.path / "grid.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**description, "variants": {name: {"regressor_units": 8}}}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"Expected variants named by letters, .*Received: .*grid\.json"):
        grid.merged()


def test_rows_are_recipes_variants_controls_then_fewer_labels():
    whole = [Variant("T->A"), Variant("T"), Variant("T->A", name="small"), Variant("T->A", name="mae")]
    whole.append(Variant("T->A", untrained=True))
    rows = rows_of(["T->A"], True, [0.1], NAMED, Config())
    assert list(rows) == whole + [replace(row, label_fraction=0.1) for row in whole]


def test_features_have_no_row_of_what_they_do_not_read():
    fields = {"mae": {"translation_loss": "mae"}, "ema": {"ema": 0.9}, "init": {"init": "run", "freeze": "encoder"}}
    rows = rows_of(["T", "T->A"], False, [], fields, Config())
    assert [row.name for row in rows if row.recipe == "T"] == ["", "ema"]
    assert [row.name for row in rows if row.recipe == "T->A"] == ["", "mae", "ema", "init"]


def test_names():
    assert Variant("T->A", True, 0.25, "joint").title == "T->A [joint], untrained, 25 % of the labels"
    assert Variant("T").title == "T"
    assert Variant("T->A", False, 0.5, "joint").run_name(3) == "T_to_A-labels-0.5+joint-seed-3"
    assert Variant("T->A", untrained=True).run_name(0) == "T_to_A-untrained-seed-0"


def test_a_name_that_a_file_system_refuses_is_cut_and_still_its_own(grid):
    """The longest recipe, and the longest name of a variant."""
    recipe = "concat(T,A,V)"
    for _ in range(MOST_EMBEDS):
        recipe = f"embed({recipe},concat(T,A,V))"
    recipe = f"{recipe}->concat(T,A,V)"
    variants = [Variant(recipe, untrained, share, "é" * 50) for untrained in (False, True) for share in (1.0, 0.123456)]
    names = {variant.run_name(seed) for variant in variants for seed in (2**31 - 2, 2**31 - 1)}
    assert len(names) == 8
    for name in names:
        (grid.path / f"{name}.log").touch()
        assert len(name.encode()) <= 251
    # A name that there was room for stays as it is.
    variant = Variant(recipe, name="n" * (251 - len(Variant(recipe).run_name(0)) - 1))
    assert variant.run_name(0).endswith(f"+{variant.name}-seed-0")
    task = Task.of(Phase(1, "translation", parse(recipe), "key", None), variant, Config())
    assert len(task.name) == 251
    assert task.name.startswith("translation-embed_embed_")


def test_phases_that_variants_share_are_trained_once(grid):
    assert [task.name for task in grid.tasks()] == [
        *("T-seed-0", "translation-T_to_A-seed-0", "T_to_A-seed-0"),
        *("T+small-seed-0", "T_to_A+small-seed-0"),  # on the plain translation
        *("translation-T_to_A+mae-seed-0", "T_to_A+mae-seed-0"),
    ]
    titles = [task.title for task in grid.tasks()]
    assert titles[-2:] == ["translation T->A [mae], seed 0", "T->A [mae], seed 0"]


def test_a_run_tells_whose_it_is(grid):
    grid = replace(grid, controls=True, label_fractions=(0.5,))
    for row in grid.rows():
        run = config_of(row, NAMED, replace(grid.config, seed=7)).to_dict()
        assert (variant_of(run, NAMED, grid.config.to_dict()), run["seed"]) == (row, 7)
    run = {**grid.config.to_dict(), "regressor_units": 9}
    assert variant_of(run, NAMED, grid.config.to_dict()) is None
    # Runs and grids of before there was a field have its default.
    assert variant_of({"recipe": "T"}, {"ema": {"ema": 0.5}}, {}) == Variant("T")


def test_features_start_from_nothing(grid):
    config = replace(grid.config, init="run", freeze="encoder")
    assert config_of(Variant("T"), {}, config) == Config(recipe="T")
    assert config_of(Variant("T->A"), {}, config) == replace(config, recipe="T->A")
    run = config_of(Variant("T"), {}, config).to_dict()
    assert variant_of(run, {"cold": {"init": "", "freeze": "none"}}, config.to_dict()) == Variant("T")


def test_a_file_of_variants(tmp_path):
    path = tmp_path / "v.yaml"
    path.write_text("\ufeffjoint-0.5: {learning_rate: 1e-3, dropout: 0}\n2: {units: 32}\n", encoding="utf-8")
    named = read_variants(path, Config())
    assert named == {"joint-0.5": {"learning_rate": 1e-3, "dropout": 0.0}, "2": {"units": 32}}
    assert isinstance(named["joint-0.5"]["dropout"], float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {zebra: 1}", r"Unknown configuration fields\..*Received: \['zebra'\] \(variant a, .*v\.yaml\)\."),
        (
            "a: {seed: 1, epochs: 3, units: 4}",
            r"cannot vary these fields\..*Received: \['epochs', 'seed'\] \(variant a",
        ),
        ("a: {units: 3}\na: {units: 4}", r"A name is used twice\..*Received: \['a'\]"),
        ("a: {units: 64}", r"another configuration than the plain configuration\. Received: a: {'units': 64}"),
        ("a: {}", r"another configuration than the plain configuration\."),
        ("a: {units: 3}\nb: {units: 3}", r"another configuration than variant a\. Received: b"),
        ("a: {init: p}\nb: {init: ./p/}", r"another configuration than variant a\. Received: b: {'init': './p/'}"),
        ("a" * 101 + ": {units: 3}", r"Not a variant\. Expected .*at most 100"),
        ("a/b: {units: 3}", r"Not a variant\..*Received: 'a/b'"),
        ("a: 3", r"Not a variant\..*Received: 'a': 3 \("),
        ("a: {units: 0}", r"units is out of range\."),
        ("- a", r"A variant must be a mapping"),
    ],
)
def test_what_is_no_variant_is_refused(tmp_path, text, message):
    path = tmp_path / "v.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_variants(path, Config())
    assert "\n" not in str(caught.value)


def test_a_grid_keeps_what_its_runs_start_from(grid, tmp_path):
    run = Run(tmp_path / "run", Config(recipe="T->A", pretrain=True), tmp_path / "records", "def")
    finish(run, run.phases[0])
    for name, text in (("config.yaml", "recipe: T->A\npretrain: true\n"), ("statistics.npz", "")):
        (run.path / name).write_text(text)
    label = {"name": "sentiment", "low": -3, "high": 3, "neutral": 0}
    data = {"label": label, "max_steps": {}, "modalities": {}}
    environment = {"records": "records", "manifest_hash": "def", "data": data}
    (run.path / "environment.json").write_text(json.dumps(environment))
    grid = replace(grid, path=tmp_path / "grid", variants={"pre": {"init": str(run.path)}})
    inits = open_inits(grid.path, [str(run.path)])
    grid = replace(grid, inits=keep_inits(grid.path, inits))
    grid.save()
    assert grid.inits == {str(run.path): run.translations_hash}
    run.path.rename(tmp_path / "gone")
    (kept,) = open_inits(grid.path, [str(run.path)]).values()
    assert kept.path == copy_path(grid.path, run.translations_hash)
    assert keep_inits(grid.path, {str(run.path): kept}) == grid.inits
    assert replace(grid, inits={}).merged().inits == grid.inits
    # Other weights are another phase, and a translation that is not taken over is the plain one.
    keys = [{task.phase.key for task in replace(grid, inits={str(run.path): h}).tasks()} for h in ("a", "b")]
    assert len(keys[0] & keys[1]) == 3  # T, and the plain translation with its regressor
    assert len(keys[0]) == 5
    with pytest.raises(FileNotFoundError, match="No run there"):
        open_inits(grid.path, ["nowhere"])


def test_a_grid_knows_a_run_to_start_from_however_it_is_spelled(grid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    replace(grid, config=replace(grid.config, init="P3"), inits={"P3": "1234"}).save()
    # As a grid of the first releases may have it.
    file = grid.path / "grid.json"
    old = json.loads(file.read_text())
    old["config"]["init"] = "./P3"
    file.write_text(json.dumps({**old, "variants": {"other": {"init": "./P4"}}, "inits": {"./P3": "1234"}}))
    description = read_description(grid.path)
    assert (description["config"]["init"], description["inits"]) == ("P3", {"P3": "1234"})
    assert description["variants"] == {"other": {"init": "P4"}}
    for path in ("P3", "./P3", "P3/", str(tmp_path / "P3")):
        assert spelled_as_known(grid.path, {"init": path, "units": 3}) == {"init": "P3", "units": 3}
    assert spelled_as_known(grid.path, {"init": "P5"}) == {"init": "P5"}
    assert spelled_as_known(grid.path, {"init": ""}) == {"init": ""}
    assert spelled_as_known(grid.path, {"units": 3}) == {"units": 3}
