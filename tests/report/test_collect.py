import json
import shutil

import numpy as np
import pytest

from mmtrans.report.collect import Variant, collect, expected_variants
from mmtrans.report.compare import compute
from mmtrans.report.summary import write_summary
from tests.report.grids import SCALE, describe, segments, write_grid, write_run

RECIPES = ("T", "concat(T,A)", "T->A")


@pytest.fixture(scope="module")
def data():
    return segments()


@pytest.fixture(scope="module")
def made(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("grid") / "grid"
    return write_grid(path, describe(RECIPES, controls=True), data, lambda _: 0.8, skip={(Variant("T->A"), 1)})


@pytest.fixture
def grid_dir(made, tmp_path):
    return shutil.copytree(made, tmp_path / "grid")


def test_variants_are_rows_then_controls_then_fewer_labels():
    description = describe(["T", "embed(A,T)->V"], controls=True, fractions=[0.1])
    whole = [Variant("T"), Variant("embed(A,T)->V"), Variant("A"), Variant("embed(A,T)->V", untrained=True)]
    fewer = [Variant(v.recipe, v.untrained, 0.1) for v in whole]
    assert list(expected_variants(description)) == whole + fewer
    assert expected_variants(describe(["T->A"])) == (Variant("T->A"),)


def test_seeds_of_a_variant_stand_side_by_side(grid_dir, data):
    grid = collect(grid_dir)
    assert (grid.num_finished, grid.num_expected) == (7, 8)
    assert grid.scale == SCALE
    assert list(grid.trained) == [*map(Variant, RECIPES), Variant("T->A", untrained=True)]
    trained = grid.trained[Variant("T")]
    assert trained.seeds == (0, 1)
    assert grid.trained[Variant("T->A")].seeds == (0,)
    ids, videos, labels = data
    order = np.argsort(ids)
    assert list(trained.ids) == [ids[i] for i in order]
    assert list(trained.videos) == [videos[i] for i in order]
    np.testing.assert_array_equal(trained.labels, labels[order])
    errors = np.abs(trained.predictions - trained.labels).mean(axis=1)
    assert errors == pytest.approx([metrics["mae"] for metrics in trained.metrics])


def test_runs_without_control_fields_are_ordinary_ones(grid_dir):
    for path in grid_dir.glob("runs/T-False-*/config.yaml"):
        path.write_text(f"recipe: T\nseed: {path.parent.name[-1]}\n")
    assert collect(grid_dir).trained[Variant("T")].seeds == (0, 1)


def test_unfinished_runs_are_missing_and_strangers_left_out(grid_dir, data):
    (grid_dir / "runs" / "T-False-1.0-seed-0" / "metrics.json").unlink()
    valid_only = grid_dir / "runs" / "T-False-1.0-seed-1" / "metrics.json"
    valid_only.write_text(json.dumps({"valid": {}}))
    write_run(grid_dir / "runs" / "stranger", Variant("V"), 0, data, data[2] + 0.1)
    write_run(grid_dir / "runs" / "other-seed", Variant("T"), 7, data, data[2] + 0.1)
    (grid_dir / "failures.json").write_text(json.dumps({"T-seed-0": {"reason": "Out of memory.", "log": "x.log"}}))
    grid = collect(grid_dir)
    assert Variant("T") not in grid.trained
    assert grid.others == ("other-seed", "stranger")
    assert grid.failures == {"T-seed-0": "Out of memory."}


@pytest.mark.parametrize(("attention", "mixed"), [("none", True), ("bahdanau", False)])
def test_runs_that_an_earlier_version_made_are_named_where_newer_ones_learn_otherwise(attention, mixed, tmp_path, data):
    """A latent that is all that passes, without attention; with attention both versions learn the same."""
    description = describe(["T->A"], variants={"vae": {"bottleneck": "vae", "attention": attention}})
    path = write_grid(tmp_path / "grid", description, data, lambda _: 0.8)
    assert collect(path).outdated == ()
    (directory,) = path.glob("runs/*vae-seed-1")
    environment = json.loads((directory / "environment.json").read_text())
    (directory / "environment.json").write_text(json.dumps({**environment, "run_format": 2}))
    grid = collect(path)
    outdated = ("T_to_A-False-1.0vae-seed-0",) if mixed else ()
    assert grid.outdated == outdated
    sentences = write_summary(grid, compute(grid, draws=50))
    found = [sentence for sentence in sentences if "earlier version" in sentence]
    assert len(found) == len(outdated)
    assert all(name in found[0] for name in outdated)


def test_what_cannot_be_reported_is_told_in_a_sentence(grid_dir, data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No grid there\. Expected .* grid\.json\. Received: grid=.*nowhere"):
        collect(tmp_path / "nowhere")
    write_run(grid_dir / "runs" / "again", Variant("T"), 0, data, data[2])
    with pytest.raises(ValueError, match=r"one variant and seed.*\['T-False-1.0-seed-0', 'again'\].*Move one"):
        collect(grid_dir)
    shutil.rmtree(grid_dir / "runs" / "again")
    fewer = tuple(column[:-1] for column in data)
    shutil.rmtree(grid_dir / "runs" / "T-False-1.0-seed-1")
    write_run(grid_dir / "runs" / "short", Variant("T"), 1, fewer, fewer[2])
    with pytest.raises(ValueError, match=r"different segments\. Expected the 60 of T-.*Received: 59 rows \(short"):
        collect(grid_dir)
    shutil.rmtree(grid_dir / "runs" / "short")
    write_run(grid_dir / "runs" / "foreign", Variant("T"), 1, data, data[2], manifest_hash="cd" * 32)
    with pytest.raises(ValueError, match=r"other records than its grid\. Expected manifest abab.*cdcd.*foreign"):
        collect(grid_dir)
    shutil.rmtree(grid_dir / "runs" / "foreign")
    write_run(grid_dir / "runs" / "copied", Variant("T"), 1, data, data[2])
    path = grid_dir / "runs" / "copied" / "metrics.json"
    result = json.loads(path.read_text())["test"]
    path.write_text(json.dumps({"test": {**result, "records": "ef" * 32}}))
    with pytest.raises(ValueError, match=r"of other records than their grid's\. Expected manifest abab.*efef.*metrics"):
        collect(grid_dir)
    (path.parent / "environment.json").write_text("[]")
    with pytest.raises(
        ValueError, match=r"environment\.json\)\. Remove the run's directory, and give the same `mmtrans g"
    ):
        collect(grid_dir)
    shutil.rmtree(grid_dir / "runs")
    with pytest.raises(ValueError, match=r"nothing to report yet.*evaluated on test\. Received: runs=0 of 8.*again"):
        collect(grid_dir)
    (grid_dir / "grid.json").write_text("{")
    with pytest.raises(ValueError, match=r"A file is damaged\. Expected JSON\. .*grid\.json"):
        collect(grid_dir)


def test_the_report_says_how_many_labels_runs_have_seen_where_some_are_hidden(tmp_path, data):
    path = write_grid(tmp_path / "grid", describe(["T", "A"], fractions=[0.1, 0.5]), data, lambda _: 0.8)
    grid = collect(path)
    assert not any("Labels that runs" in sentence for sentence in write_summary(grid, compute(grid)))
    for directory in (path / "runs").iterdir():
        file, share = directory / "environment.json", float(directory.name.split("-")[2])
        seen = round(200 * share) - directory.name.startswith("A")  # one segment has no audio
        labels = {"train": {"seen": seen, "all": 200}, "valid": {"seen": 45, "all": 45}}
        file.write_text(json.dumps({**json.loads(file.read_text()), "labels": labels}))
    grid = collect(path)
    assert (
        "Labels that runs have seen: with 10 % of the train labels 19 to 20 of them, beside 45 valid labels that chose "
        "the epoch; with 50 % of the train labels 99 to 100 of them, beside 45 valid labels that chose the epoch."
    ) in write_summary(grid, compute(grid))
    for file in (path / "runs").glob("*-0.1-seed-*/environment.json"):
        labels = {"train": {"seen": 20, "all": 200}, "valid": {"seen": 0, "all": 45}}
        file.write_text(json.dumps({**json.loads(file.read_text()), "labels": labels}))
    grid = collect(path)
    fixed = (
        "Labels that runs have seen: with 10 % of the train labels 20 of them, in a number of steps that was fixed; "
    )
    assert any(sentence.startswith(fixed) for sentence in write_summary(grid, compute(grid)))
