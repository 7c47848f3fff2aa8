"""Files within folders: links are followed once, loops and links upwards end."""

import os

import pytest

from mmtrans.conversion.convert import convert
from mmtrans.sources.folders import files_within
from mmtrans.sources.open import open_corpus
from tests.sources.csd_files import write_truth

LABELS = "labels.csd"


@pytest.fixture
def tree(tmp_path):
    """`corpus` with two files, and `elsewhere` with a folder and a file in it."""
    for name in ("corpus/a.x", "corpus/sub/b.x", "elsewhere/far/c.x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def found(folder):
    aside = []
    return [str(file.relative_to(folder)) for file in files_within(folder, aside)], [link.name for link in aside]


def test_links_to_folders_and_files_are_followed(tree):
    (tree / "corpus/linked").symlink_to("../elsewhere")
    (tree / "corpus/d.x").symlink_to(tree / "elsewhere/far/c.x")
    assert found(tree / "corpus") == (["a.x", "d.x", "sub/b.x"], [])
    (tree / "corpus/d.x").unlink()
    assert found(tree / "corpus") == (["a.x", "sub/b.x", "linked/far/c.x"], [])
    (tree / "top").symlink_to("corpus")
    assert found(tree / "top")[0] == ["a.x", "sub/b.x", "linked/far/c.x"]


def test_loops_and_links_upwards_end(tree):
    (tree / "corpus/sub/up").symlink_to("../..")
    (tree / "corpus/sub/self").symlink_to("..")
    (tree / "elsewhere/far/round").symlink_to("../../corpus/sub")
    (tree / "corpus/far").symlink_to("../elsewhere/far")
    (tree / "elsewhere/far/again").symlink_to("../../elsewhere/far")
    (tree / "corpus/loop").symlink_to("loop")
    names, aside = found(tree / "corpus")
    assert names == ["a.x", "loop", "sub/b.x", "far/c.x"]
    assert sorted(aside) == ["self", "up"]


def test_hidden_ones_are_left_aside_and_links_to_hidden_places_are_not(tree):
    os.rename(tree / "elsewhere", tree / ".elsewhere")
    (tree / "corpus/.cache").symlink_to("../.elsewhere")
    assert found(tree / "corpus") == (["a.x", "sub/b.x"], [])
    (tree / "corpus/cache").symlink_to("../.elsewhere")
    assert found(tree / "corpus")[0] == ["a.x", "sub/b.x", "cache/far/c.x"]


def test_a_corpus_in_linked_folders_is_read_whole_and_other_links_are_noted(tmp_path):
    folder, store = write_truth(tmp_path / "corpus"), tmp_path / "store" / "deep"
    expected = convert(open_corpus(folder), tmp_path / "expected")
    store.mkdir(parents=True)
    for file in folder.glob("*.csd"):
        file.rename(store / file.name)
    (folder / "features").symlink_to("../store")
    manifest = convert(open_corpus(folder), tmp_path / "linked")
    assert manifest.splits == expected.splits
    assert manifest.notes == expected.notes
    (folder / "up").symlink_to("..")
    (folder / "gone").symlink_to("moved-away")
    (note,) = [note for note in open_corpus(folder).notes if "Links to nothing, or to a folder above" in note]
    assert "are left aside: 2 (" in note
    assert f"{folder / 'gone'}, {folder / 'up'})." in note
