import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from tools.benchmark_record import Record, commit_of


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


def test_lines_are_kept_as_they_come(tmp_path):
    record = Record(tmp_path / "file.json", ["grid", "--tree", "/somewhere/old tree", "--jobs", "2"])
    assert not record.path.exists()
    record.add(
        {"bench": "grid", "configuration": {"tree": "/somewhere/old tree", "jobs": 2}, "results": {"wall_s": 1.5}}
    )
    record.add({"bench": "grid", "summary_of": 1})
    kept = json.loads(record.path.read_text())
    assert kept["command"] == "python -m tools.benchmark grid --tree 'old tree' --jobs 2"
    assert kept["lines"] == [
        {"bench": "grid", "configuration": {"tree": "old tree", "jobs": 2}, "results": {"wall_s": 1.5}},
        {"bench": "grid", "summary_of": 1},
    ]
    assert datetime.now(timezone.utc) - datetime.fromisoformat(kept["date"]) < timedelta(minutes=1)
    assert kept["hardware"]["cores"] >= 1
    assert kept["hardware"]["memory_gib"] > 0


def test_a_command_keeps_its_line(tmp_path, capsys):
    from tools.benchmark import main

    assert main(["start", "--save", str(tmp_path / "file.json")]) == 0
    (line,) = json.loads((tmp_path / "file.json").read_text())["lines"]
    told = json.loads(capsys.readouterr().out)
    assert line["results"] == told["results"]
