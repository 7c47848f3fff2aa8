import fcntl
import gc
import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmtrans.sources.csd.reader import open_csd, open_sequences
from mmtrans.sources.untrusted.parent import Limits, call_isolated, read_isolated, stream_isolated
from tests.sources.csd.test_reader import write_corpus
from tests.sources.csd_files import words_of, write_csd
from tests.sources.readers import open_numbers, open_plain, stream, tell


def same(ours, theirs):
    assert (ours.id, ours.video_id, ours.label, ours.tokens) == (
        theirs.id,
        theirs.video_id,
        theirs.label,
        theirs.tokens,
    )
    assert list(ours.features) == list(theirs.features)
    for name, array in theirs.features.items():
        assert ours.features[name].dtype == array.dtype
        np.testing.assert_array_equal(ours.features[name], array)


def assert_reads_alike(corpus, expected):
    for name in ("format", "files", "label", "video_ids", "feature_names", "folds", "aligned", "noted"):
        assert getattr(corpus, name) == getattr(expected, name), name
    theirs = list(expected.read())
    # Twice: the first reading is by the process that opened the source, the second by another.
    for _ in range(2):
        ours = list(corpus.read())
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            same(*pair)
        assert (corpus.dropped, corpus.cleaning) == (expected.dropped, expected.cleaning)


@pytest.mark.parametrize("open_function", [open_numbers, open_plain])
def test_a_child_gives_the_same_segments_in_order(open_function):
    assert_reads_alike(read_isolated(open_function, Path("x")), open_function("x"))


def children():
    tasks = Path("/proc/self/task")
    return {pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


needs_children = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="/proc tells no children here"
)


@needs_children
def test_one_child_reads_parts_one_after_the_other_each_with_its_account():
    corpus, here = read_isolated(open_numbers, "x"), open_numbers("x")
    assert corpus.num_units == 7
    before = children()
    for first, stop in ((0, 2), (5, 7), (2, 5), (4, 4), (0, 7)):
        for ours, theirs in zip(corpus.read_units(first, stop), here.read_units(first, stop), strict=True):
            same(ours, theirs)
        assert (corpus.dropped, corpus.cleaning) == (here.dropped, here.cleaning)
        assert children() == before
    assert read_isolated(open_plain, "x").read_units is None


def test_a_part_that_is_given_up_or_fails_does_no_harm_to_the_next():
    corpus = read_isolated(open_numbers, "x", {"fault": "value", "at": 5})
    stream = corpus.read_units(0, 4)
    assert next(stream).id == "v[0]"
    stream.close()
    with pytest.raises(ValueError, match="The values are bad"):
        list(corpus.read_units(3, 7))
    assert [segment.id for segment in corpus.read_units(2, 4)] == ["v[2]", "v[3]"]


def test_csd_files_give_the_same_in_children(tmp_path):
    folder = write_corpus(tmp_path / "corpus", dirty=True)
    (folder / "folds.json").write_text('{"train": ["_dI--eQ6qVU"]}')
    glove = tmp_path / "glove.txt"
    glove.write_text("good 1 2\nfilm 3 4\n")
    corpus = open_csd(folder, glove=glove)
    assert_reads_alike(corpus, open_csd(folder, glove=glove, isolated=False))
    assert corpus.cleaning["text: words without a vector set to 0"] == 1


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        ("segfault", ValueError, r"reading it ended with signal SIGSEGV\. .* Received: x \(at x, /entry/features\)\."),
        ("exit", ValueError, r"reading it ended with exit code 3\. .* Received: x"),
        ("memory", ValueError, r"it needs more than 4096 MiB of memory\. Expected .* Received: x "),
        ("value", ValueError, r"^The values are bad\. Received: x\.$"),
        ("missing", FileNotFoundError, r"^There is nothing\. Received: x\.$"),
        ("defect", RuntimeError, r"(?s)The reader of x failed: Traceback.*a defect of the reader"),
    ],
)
@pytest.mark.parametrize("at", [-1, 2])
def test_a_child_that_fails_is_one_error(fault, error, match, at):
    found = []
    with pytest.raises(error, match=match) as caught:
        read_into(found, {"fault": fault, "at": at}, Limits(memory_bytes=4 << 30))
    assert found == ([] if at < 0 else ["v[0]"])
    if error is ValueError:
        assert "\n" not in str(caught.value)


def read_into(found, options, limits):
    for segment in read_isolated(open_numbers, "x", options, limits=limits).read():
        found.append(segment.id)


@pytest.mark.slow
@pytest.mark.parametrize("at", [-1, 2])
def test_a_child_that_hangs_is_given_up(at):
    found = []
    with pytest.raises(ValueError, match=r"nothing came of it for 8 s\. .* Received: x \(at x, /entry/intervals\)"):
        read_into(found, {"fault": "hang", "at": at}, Limits(silent_seconds=8.0))
    assert found == ([] if at < 0 else ["v[0]"])


def test_children_know_nothing_of_tensorflow():
    import tensorflow  # noqa: F401 - that the parent has it must not matter

    assert len(list(read_isolated(open_numbers, "x", {"fault": "tensorflow"}).read())) == 5


def test_a_dataset_larger_than_the_memory_is_one_sentence(tmp_path):
    path = write_csd(tmp_path / "audio.csd", "COVAREP", {"v": (np.ones((1, 74)), [[0, 1]])})
    with h5py.File(path, "r+") as file:
        entry = file["COVAREP/data/v"]
        del entry["features"], entry["intervals"]
        # Chunks that were never written take no room in the file.
        entry.create_dataset("features", (6_000_000, 74), "f4", chunks=(1000, 74))
        entry.create_dataset("intervals", (6_000_000, 2), "f8", chunks=(1000, 2))
    options = {"vectors_from": None, "label": None, "label_shift": 0.0, "compat": None}
    corpus = read_isolated(open_sequences, path, options, limits=Limits(memory_bytes=1 << 30))
    with pytest.raises(
        ValueError, match=r"needs more than 1024 MiB of memory\. .*audio\.csd, /COVAREP/data/v/features\)"
    ):
        list(corpus.read())


def test_a_call_gives_its_result_or_one_error():
    assert call_isolated(tell, Path("x"), {"word": "ü"}) == {"path": "x", "word": "ü", "parts": [1, None]}
    with pytest.raises(ValueError, match=r"reading it ended with signal SIGSEGV\. .* \(at x, /entry/features\)\."):
        call_isolated(tell, "x", {"word": "a", "fault": "segfault"})
    with pytest.raises(FileNotFoundError, match=r"^There is nothing\. Received: x\.$"):
        call_isolated(tell, "x", {"word": "a", "fault": "missing"})


@needs_children
def test_no_process_stays():
    before = children()
    corpus = read_isolated(open_numbers, "x")
    assert len(children() - before) == 1
    stream = corpus.read()
    next(stream)
    stream.close()
    assert children() == before
    unread = read_isolated(open_numbers, "x")
    del unread
    gc.collect()
    deadline = time.monotonic() + 10
    while children() != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children() == before


def test_a_locked_file_is_read(tmp_path):
    path = write_csd(tmp_path / "words.csd", "words", {"v": (words_of("a"), [[0, 1]])})
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for isolated in (False, True):
            assert [segment.tokens for segment in open_csd(path, isolated=isolated).read()] == [("a",)]


def test_a_generator_is_streamed_part_by_part():
    parts = list(stream_isolated(stream, "x", {"number": 3}))
    assert [value for value, _ in parts] == [
        {"path": "x", "number": 0},
        {"path": "x", "number": 1},
        {"path": "x", "number": 2},
    ]
    assert [arrays["a"].tolist() for _, arrays in parts] == [[[0.0]], [[0.0], [1.0]], [[0.0], [1.0], [2.0]]]


@pytest.mark.parametrize(
    ("fault", "match"), [("segfault", "signal SIGSEGV"), ("value", r"^The values are bad\. Received: x\.$")]
)
def test_a_stream_that_fails_gives_what_came_before(fault, match):
    parts = stream_isolated(stream, "x", {"number": 3, "fault": fault})
    assert [next(parts)[0]["number"] for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match=match):
        next(parts)


def test_a_stream_that_nobody_reads_to_its_end_leaves_no_process():
    before = children()
    parts = stream_isolated(stream, "x", {"number": 10**6})
    next(parts)
    parts.close()
    assert children() == before
