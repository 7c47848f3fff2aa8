"""What a wheel holds and says of itself."""

import shutil
import subprocess
import sys
from email import message_from_string
from pathlib import Path

import pytest
import yaml

from mmtrans import __version__

ROOT = Path(__file__).resolve().parents[1]

pytest.importorskip("setuptools")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with what setup.py builds: metadata below `mmtrans.egg-info`, and in `lib` the files of a wheel."""
    out = tmp_path_factory.mktemp("built")
    command = ["egg_info", "--egg-base", str(out), "build", "--build-base", str(out), "--build-lib", str(out / "lib")]
    subprocess.run([sys.executable, "setup.py", "-q", *command], cwd=ROOT, check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def metadata(built):
    return message_from_string((built / "mmtrans.egg-info" / "PKG-INFO").read_text(encoding="utf-8"))


def test_a_wheel_holds_all_modules_and_the_files_beside_them(built):
    names = {path.relative_to(built / "lib").as_posix() for path in (built / "lib").rglob("*") if path.is_file()}
    ours = (path for top in ("mmtrans", "tfrecords") for path in (ROOT / top).rglob("*") if path.is_file())
    expected = {path.relative_to(ROOT).as_posix() for path in ours if "__pycache__" not in path.parts}
    assert names == expected
    assert names >= {"mmtrans/py.typed", "tfrecords/py.typed", "mmtrans/report/page.html.j2", "tfrecords/schema.py"}


def test_a_source_archive_holds_the_whole_checkout(built):
    names = set((built / "mmtrans.egg-info" / "SOURCES.txt").read_text(encoding="utf-8").split("\n"))
    lanes = {"constraints.txt", "constraints-addons.txt", "requirements-encoder.txt", "requirements-models.txt"}
    papers = {"CITATION.cff", "LICENSE", "README.md", "mkdocs.yml"}
    project = {".dockerignore", ".gitignore", ".pre-commit-config.yaml", "Dockerfile", "Makefile", "pyproject.toml"}
    assert lanes | papers | project | {"setup.py"} <= names
    folders = ("benchmarks", "docs", "examples", "mmtrans", "tests", "tfrecords", "tools", ".ci")
    inner = (path for top in folders for path in (ROOT / top).rglob("*") if path.is_file())
    files = (path.relative_to(ROOT) for path in inner if "__pycache__" not in path.parts)
    assert {path.as_posix() for path in files} - names == set()
    assert [name for name in names if "__pycache__" in name] == []


def test_a_source_archive_holds_all_that_git_knows(built):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout")
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    names = set((built / "mmtrans.egg-info" / "SOURCES.txt").read_text(encoding="utf-8").split("\n"))
    assert set(known) - names == set()


def test_the_version_has_one_home(metadata):
    assert metadata["Version"] == __version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == __version__


def test_the_metadata_are_complete(metadata):
    assert metadata["Name"] == "mmtrans"
    assert metadata["Author"] == "mmtrans authors"
    assert metadata["License"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10,<3.14"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    pythons = {
        line for line in metadata.get_all("Classifier") if line.startswith("Programming Language :: Python :: 3.")
    }
    assert pythons == {f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)}
