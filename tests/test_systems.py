"""Modules that not every system has: Windows has neither `fcntl` nor `resource`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HIDDEN = ("fcntl", "resource")
IMPORT_ALL = (
    "import importlib, pkgutil, mmtrans, tfrecords\n"
    "for package in (mmtrans, tfrecords):\n"
    "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
    "        importlib.import_module(module.name)\n"
)


@pytest.mark.slow
def test_corpora_are_converted_and_models_trained_without_them(corpus_dir, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in HIDDEN:
        # Before those of Python, and in the processes that read a corpus too.
        (hidden / f"{name}.py").write_text("raise ModuleNotFoundError('There is none on this system.')\n")
    records, run = tmp_path / "records", tmp_path / "run"
    code = (
        f"{IMPORT_ALL}from mmtrans.cli.main import main\n"
        f"assert main(['convert', {str(corpus_dir)!r}, {str(records)!r}]) == 0\n"
        f"assert main(['train', '--data', {str(records)!r}, '--run', {str(run)!r}, '--recipe', 'T', '--epochs', '1', "
        "'--units', '3', '--no-bidirectional', '--quiet']) == 0\n"
        "import fcntl\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stderr.rstrip().endswith("There is none on this system."), done.stderr
    assert (run / "metrics.json").is_file()
