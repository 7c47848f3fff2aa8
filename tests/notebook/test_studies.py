"""Grids, searches and reports of a notebook are those of the commands."""

import csv

import pytest

from mmtrans import api
from mmtrans.cli.main import main
from mmtrans.grid import schedule

SIZES = ("units", "decoder_units", "attention_units", "regressor_units")
FIELDS = {"epochs": 1, "bidirectional": False, **dict.fromkeys(SIZES, 4)}
FLAGS = ["--epochs", "1", "--no-bidirectional"]
FLAGS += [part for name in SIZES for part in (f"--{name.replace('_', '-')}", "4")]


@pytest.fixture(scope="module")
def grid(small_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("studies") / "grid"
    return api.grid(small_dir, path, recipes=["T", "T->A"], seeds=[0], quiet=True, **FIELDS)


def test_a_grid_is_that_of_the_command(grid, small_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(schedule, "opened", lambda *_: pytest.fail("worked"))
    (tmp_path / "recipes").write_text("T\nT->A\n")
    command = ["grid", "--data", str(small_dir), "--out", str(grid.path), "--recipes", str(tmp_path / "recipes")]
    again = api.grid(small_dir, grid.path, recipes=str(tmp_path / "recipes"), seeds=1, quiet=True, **FIELDS)
    assert list(again.rows["row"]) == list(grid.rows["row"]) == ["T", "T->A"]
    assert list(again.rows["mae"]) == list(grid.rows["mae"])
    assert main([*command, "--seeds", "1", *FLAGS]) == 0
    assert f"Grid: {grid.path}" in " ".join(capsys.readouterr().out.split())


def test_a_grids_runs_are_opened_by_row(grid):
    assert repr(grid) == f"TrainedGrid({str(grid.path)!r}, 2 rows)"
    assert grid.failures == {}
    run = grid.run("T->A", seed=0)
    rows = dict(zip(run.metrics("test")["metric"], run.metrics("test")["value"], strict=True))
    assert rows["mae"] == pytest.approx(list(grid.rows["mae"])[1])
    with pytest.raises(ValueError, match=r"^No such row\. Expected one of \['T', 'T->A'\]\. Received: row='A'"):
        grid.run("A")


def test_a_report_is_a_page(grid, tmp_path):
    page = grid.report(tmp_path / "page.html")
    text = page._repr_html_()
    assert text.startswith('<iframe title="page.html" srcdoc="&lt;!')
    assert text.count("<") == 2
    assert "- " in repr(page)
    assert api.report(grid.path).path == grid.path / "report.html"


def test_a_variant_is_a_mapping_or_a_file(small_dir, tmp_path):
    with pytest.raises(ValueError, match=r"Variants must differ.*Received: same: \{'units': 64\} \(variants\)"):
        api.grid(small_dir, tmp_path / "grid", recipes=["T->A"], variants={"same": {"units": 64}}, units=64)
    assert not (tmp_path / "grid").exists()


def test_a_search_keeps_what_the_command_keeps(small_dir, tmp_path):
    fields = {name: FIELDS[name] for name in ("epochs", "bidirectional")}
    space = {"regressor_units": [2, 4]}
    search = api.tune(small_dir, tmp_path / "s", recipe="T", tuner="grid", space=space, quiet=True, **fields)
    with open(search.path / "trials.csv") as file:
        expected = list(csv.DictReader(file))
    assert list(search.trials["regressor_units"]) == [int(row["regressor_units"]) for row in expected] == [2, 4]
    assert list(search.trials["mae"]) == [float(row["mae"]) for row in expected]
    assert search.best["value"] == min(search.trials["mae"])
    assert repr(search).endswith(f"2 trials, best mae {search.best['value']:.4f})")
    again = search.fit(run=tmp_path / "run", quiet=True)
    assert again.config.to_dict()["regressor_units"] == search.best["parameters"]["regressor_units"]
    assert dict(zip(again.metrics()["metric"], again.metrics()["value"], strict=True))["mae"] == pytest.approx(
        search.best["value"]
    )
    with pytest.raises(ValueError, match=r"both searched and fixed.*\['regressor_units'\]"):
        api.tune(small_dir, tmp_path / "t", recipe="T", space=space, regressor_units=4)
