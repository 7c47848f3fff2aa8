"""The Dockerfile of this checkout, as the tool reads it, and what the tool reads of others."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tools.container.dockerfile import Instruction, context_files, read_dockerfile

ROOT = Path(__file__).resolve().parents[3]

#: Release of Debian → its Python.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}


@pytest.fixture(scope="module")
def ours():
    """Keyword → what follows it, in our Dockerfile."""
    instructions = read_dockerfile((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    return {keyword: [each for each in instructions if each.keyword == keyword] for keyword in ("FROM", "RUN", "CMD")}


def test_our_python_is_one_that_setup_py_allows(ours):
    suite = re.fullmatch(r"debian:(\w+)-slim", ours["FROM"][0].text)[1]
    allowed = re.search(r'python_requires="(.+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))[1]
    assert PYTHONS[suite] in SpecifierSet(allowed)


def test_our_command_is_one_that_is_installed(ours):
    assert ours["CMD"][0].words() == ["mmtrans-train"]
    assert '"mmtrans-train = ' in (ROOT / "setup.py").read_text(encoding="utf-8")
    assert "pip install --no-cache-dir -c constraints.txt ." in ours["RUN"][0].text


def test_the_image_gets_what_is_installed_and_nothing_else():
    tops = ("mmtrans", "tfrecords")
    inner = (path.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("*") if path.is_file())
    project = {Path(name) for name in ("constraints.txt", "LICENSE", "pyproject.toml", "README.md", "setup.py")}
    assert set(context_files(ROOT)) == project | {path for path in inner if "__pycache__" not in path.parts}


def test_lines_are_joined_and_comments_left_out():
    text = '# one\nFROM a:b\n\nRUN first && \\\n    # why\n    second\n  # two\nCMD ["c", "d e"]\n'
    read = read_dockerfile(text)
    assert read == [
        Instruction(2, "FROM", "a:b"),
        Instruction(4, "RUN", "first && second"),
        Instruction(8, "CMD", '["c", "d e"]'),
    ]
    assert read[2].words() == ["c", "d e"]
    assert Instruction(1, "ENV", "A=1 B='2 3'").words() == ["A=1", "B=2 3"]


def test_an_unknown_instruction_is_named():
    with pytest.raises(ValueError, match=r"Expected one of CMD, .*\. Received: ONBUILD \(Dockerfile, line 2\)"):
        read_dockerfile("FROM a\nONBUILD RUN b\n")


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("", {"a.py", "b/a.py", "b/c/a.pyc", "b/c/d.txt", "bb/a.py"}),
        ("# all of b\nb\n", {"a.py", "bb/a.py"}),
        ("*.py\n", {"b/a.py", "b/c/a.pyc", "b/c/d.txt", "bb/a.py"}),
        ("**/*.py\n", {"b/c/a.pyc", "b/c/d.txt"}),
        ("*\n!b\n**/c\n", {"b/a.py"}),
        ("*\n!b/c/d.txt\n", {"b/c/d.txt"}),
        ("b/c\n!b/c/*.txt\n", {"a.py", "b/a.py", "b/c/d.txt", "bb/a.py"}),
    ],
)
def test_the_last_pattern_that_matches_counts(tmp_path, patterns, left):
    for name in ("a.py", "b/a.py", "b/c/a.pyc", "b/c/d.txt", "bb/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text(patterns)
    found = {path.as_posix() for path in context_files(tmp_path)}
    assert found - {".dockerignore"} == left


def test_nothing_that_git_ignores_gets_into_the_image():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    assert {path.as_posix() for path in context_files(ROOT)} <= set(known)
