"""Modules that not every system has: Windows has neither `fcntl` nor `resource`."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HIDDEN = ("fcntl", "resource")
#: dask goes by the name of the system, and imports these here; so what imports it stays out.
IMPORT_ALL = (
    "import importlib, pkgutil, mmtrans, tfrecords\n"
    "for package in (mmtrans, tfrecords):\n"
    "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
    "        if not module.name.startswith('mmtrans.engine.'):\n"
    "            importlib.import_module(module.name)\n"
)


@pytest.fixture
def run_without(tmp_path):
    """`run_without(code)`: runs code in a process in which the modules are hidden, and proves that they are."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in HIDDEN:
        # Before those of Python, and in the processes that it starts too.
        (hidden / f"{name}.py").write_text("raise ModuleNotFoundError('There is none on this system.')\n")
    environment = {**os.environ, "PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"}

    def run(code):
        command = [sys.executable, "-c", f"{code}\nimport fcntl\n"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.stderr.rstrip().endswith("There is none on this system."), done.stderr
        return done

    return run


@pytest.mark.slow
def test_corpora_are_converted_and_models_trained_without_them(corpus_dir, tmp_path, run_without):
    records, run = tmp_path / "records", tmp_path / "run"
    run_without(
        f"{IMPORT_ALL}from mmtrans.cli.main import main\n"
        f"assert main(['convert', {str(corpus_dir)!r}, {str(records)!r}]) == 0\n"
        f"assert main(['train', '--data', {str(records)!r}, '--run', {str(run)!r}, '--recipe', 'T', '--epochs', '1', "
        "'--regressor-units', '3', '--no-bidirectional', '--quiet']) == 0\n"
    )
    assert (run / "metrics.json").is_file()


@pytest.mark.slow
def test_grids_and_searches_are_run_without_them(small_dir, tmp_path, run_without):
    (tmp_path / "rows.txt").write_text("T\n")
    (tmp_path / "space.yaml").write_text("regressor_units: [2, 3]\n")
    same = ["--data", str(small_dir), "--epochs", "1", "--quiet"]
    grid = ["grid", "--out", str(tmp_path / "grid"), "--recipes", str(tmp_path / "rows.txt"), "--seeds", "1", *same]
    tune = ["tune", "--out", str(tmp_path / "search"), "--space", str(tmp_path / "space.yaml"), "--tuner", "grid"]
    run_without(
        "from mmtrans.cli.main import main\n"
        f"assert main({[*grid, '--regressor-units', '3', '--no-bidirectional']!r}) == 0\n"
        f"assert main({[*tune, '--recipe', 'T', '--no-bidirectional', *same]!r}) == 0\n"
    )
    (metrics,) = tmp_path.glob("grid/runs/*/metrics.json")
    assert list(json.loads(metrics.read_text())) == ["valid", "test"]
    with open(tmp_path / "search" / "trials.csv", encoding="utf-8") as file:
        assert sorted(row["regressor_units"] for row in csv.DictReader(file)) == ["2", "3"]
