"""Files of figures tell where they are from, and when they are stale."""

import json
import subprocess

import pytest

from tools.figures.provenance import command_of, commit_of, is_stale


@pytest.fixture
def checkout(tmp_path):
    """A repository with two folders, each of its own commit."""

    def git(*arguments):
        identity = ("-c", "user.name=n", "-c", "user.email=e")
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    commits = {}
    for name in ("code", "page"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        git("add", name)
        git("commit", "-q", "-m", name)
        commits[name] = git("rev-parse", "HEAD")
    return tmp_path, commits


def test_the_commit_is_the_last_that_changed_the_folders(checkout):
    tree, commits = checkout
    assert commit_of(tree, "code") == commits["code"][:12]
    assert commit_of(tree, "code", "page") == commits["page"][:12]
    (tree / "code" / "file").write_text("changed")
    assert commit_of(tree, "code") == commits["code"][:12] + "+"
    assert commit_of(tree, "page") == commits["page"][:12]


def test_there_is_no_commit_where_git_knows_none(tmp_path):
    assert commit_of(tmp_path, "code") is None


def test_there_is_no_commit_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path, "code") is None


def test_a_command_keeps_the_names_of_absolute_paths():
    command = command_of("tools.study", ["/somewhere/a study.yaml", "--jobs", "2"])
    assert command == "python -m tools.study 'a study.yaml' --jobs 2"


def test_figures_of_speed_are_stale_when_the_code_has_changed(checkout):
    tree, commits = checkout
    (tree / "code").rename(tree / "mmtrans")
    assert is_stale({"commit": commits["page"], "lines": []}, tree) is False  # git knows no such folder
    git = ("git", "-C", str(tree), "-c", "user.name=n", "-c", "user.email=e")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "mmtrans"], check=True)
    at = commit_of(tree, "mmtrans")
    assert is_stale({"commit": at, "lines": []}, tree) is False
    (tree / "mmtrans" / "file").write_text("changed")
    assert is_stale({"commit": at, "lines": []}, tree) is True
    assert is_stale({"commit": "0000000", "lines": []}, tree) is False  # nobody knows


def test_figures_of_models_are_stale_when_a_golden_number_has_changed(checkout):
    tree, _ = checkout
    golden = tree / "tests" / "golden" / "keras-3.json"
    golden.parent.mkdir(parents=True)
    golden.write_text(json.dumps({"a": [1.5]}))
    git = ("git", "-C", str(tree), "-c", "user.name=n", "-c", "user.email=e")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "golden"], check=True)
    commit = commit_of(tree, "tests")
    golden.write_text(json.dumps({"a": [1.5], "b": [2.5]}))  # a new one changes nothing
    assert is_stale({"commit": f"{commit}+", "ways": {}}, tree) is False
    golden.write_text(json.dumps({"a": [1.25], "b": [2.5]}))
    assert is_stale({"commit": commit, "ways": {}}, tree) is True
