import os
import threading

import numpy as np
import pytest

from mmtrans.sources import glove, glove_index
from mmtrans.sources.glove import open_glove
from tfrecords.manifest import file_sha256

WORDS = [f"w{i}" for i in range(50)]


@pytest.fixture(autouse=True)
def scans(tmp_path, monkeypatch):
    """A cache of the test's own, in which small files have indexes too; the paths of files that were read through."""
    found = []

    def scan(path, has_tabs):
        found.append(path)
        return real(path, has_tabs)

    real = glove._scan
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(glove, "LEAST_BYTES", 0)
    monkeypatch.setattr(glove, "_scan", scan)
    return found


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("".join(f"w{i} {i} -{i}.5\n" for i in range(50)) + "w3 0 0\n. . 8 9\n", encoding="utf-8")
    return path


def vectors_of(path):
    return {word: vector.tolist() for word, vector in open_glove(path).read([*WORDS, ". .", "none"]).items()}


EXPECTED = {**{f"w{i}": [i, float(f"-{i}.5")] for i in range(50)}, ". .": [8, 9]}


def index_of(tmp_path):
    (place,) = (tmp_path / "cache" / "mmtrans" / "glove").iterdir()
    return place


def test_a_file_is_read_through_once(path, scans):
    assert vectors_of(path) == EXPECTED
    assert vectors_of(path) == EXPECTED
    assert scans == [path]
    opened = open_glove(path)
    assert (opened.dim, opened.sha256) == (2, file_sha256(path))


def test_a_small_file_is_kept_nowhere(path, scans, tmp_path, monkeypatch):
    monkeypatch.setattr(glove, "LEAST_BYTES", path.stat().st_size + 1)
    assert vectors_of(path) == vectors_of(path) == EXPECTED
    assert len(scans) == 2
    assert not (tmp_path / "cache").exists()


def test_a_changed_file_is_read_anew_whatever_its_times_say(path, scans):
    vectors_of(path)
    before = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("w7 7 ", "w7 5 "), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert vectors_of(path) == {**EXPECTED, "w7": [5, -7.5]}
    assert open_glove(path).sha256 == file_sha256(path)
    assert len(scans) == 2


def test_a_file_that_changes_while_it_is_read_is_refused(path, monkeypatch):
    def scan(path, has_tabs):
        with path.open("a") as file:
            file.write("late 1 2\n")
        return real(path, has_tabs)

    real = glove._scan
    monkeypatch.setattr(glove, "_scan", scan)
    with pytest.raises(ValueError, match=r"word vectors was changed while it was read\. .*Received: .*glove\.txt\."):
        open_glove(path)


@pytest.mark.parametrize("kind", ["a bit of an offset", "a bit of the sha256", "cut", "longer", "empty", "a list"])
def test_a_damaged_index_is_made_anew(path, scans, tmp_path, kind):
    vectors_of(path)
    place = index_of(tmp_path)
    content = bytearray(place.read_bytes())
    if kind.startswith("a bit"):
        content[-9 if kind == "a bit of an offset" else content.index(b'"sha256"') + 20] ^= 1
    content = {"cut": content[:-16], "longer": content + b"\0" * 16, "empty": b"", "a list": b"[]"}.get(kind, content)
    place.write_bytes(content)
    assert vectors_of(path) == EXPECTED
    assert len(scans) == 2
    assert vectors_of(path) == EXPECTED
    assert len(scans) == 2


@pytest.mark.parametrize("cache", ["a file", "no home"])
def test_without_a_place_for_the_index_the_file_is_read_each_time(path, scans, tmp_path, monkeypatch, cache):
    (tmp_path / "cache").write_text("mine")
    if cache == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(glove_index, "cache_folder", no_home)
    assert vectors_of(path) == vectors_of(path) == EXPECTED
    assert len(scans) == 2
    assert (tmp_path / "cache").read_text() == "mine"


def no_home(name):
    raise RuntimeError("Could not determine home directory.")


def test_words_of_one_hash_are_told_apart(path, scans, monkeypatch):
    monkeypatch.setattr(glove, "word_hash", lambda word: 7)
    monkeypatch.setattr(glove_index, "word_hash", lambda word: 7)
    assert vectors_of(path) == vectors_of(path) == EXPECTED
    assert len(scans) == 1


def test_a_vector_that_is_none_is_named_by_its_line(path):
    path.write_text(path.read_text(encoding="utf-8") + "odd 1 x\n", encoding="utf-8")
    open_glove(path)
    with pytest.raises(ValueError, match=r"finite numbers\. Received: '1 x' \(.*glove\.txt, line 53\)\."):
        open_glove(path).read(["odd"])


def test_several_at_a_time_have_the_same_answer(path, tmp_path):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(vectors_of(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [EXPECTED] * 4
    assert index_of(tmp_path).suffix == ".index"


def test_an_index_is_mapped_and_not_read(path):
    open_glove(path)
    assert isinstance(open_glove(path).index.hashes, np.memmap)
