"""The commands that come next are named as the user who reads them can call them."""

import os

import pytest

from mmtrans.cli import following


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A folder `bin` with two programs, beside which nothing is found."""
    (tmp_path / "my bin").mkdir()
    for name in ("mmtrans", "tensorboard"):
        (tmp_path / "my bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "my bin" / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.defpath)
    return tmp_path / "my bin"


def test_a_program_off_the_path_is_named_by_its_path(environment, monkeypatch):
    monkeypatch.setattr("sys.argv", ["my bin/mmtrans", "train"])
    assert following.program() == "'my bin/mmtrans'"
    assert following.program("tensorboard") == "'my bin/tensorboard'"
    assert following.program("absent") == "absent"


def test_a_program_on_the_path_is_named_by_its_name(environment, monkeypatch):
    monkeypatch.setattr("sys.argv", [str(environment / "mmtrans")])
    monkeypatch.setenv("PATH", str(environment), prepend=os.pathsep)
    assert following.program() == "mmtrans"


def test_another_environments_program_is_not_meant(environment, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["my bin/mmtrans"])
    other = tmp_path / "other"
    other.mkdir()
    (other / "mmtrans").write_text("#!/bin/sh\n")
    (other / "mmtrans").chmod(0o755)
    monkeypatch.setenv("PATH", str(other), prepend=os.pathsep)
    assert following.program() == "'my bin/mmtrans'"
