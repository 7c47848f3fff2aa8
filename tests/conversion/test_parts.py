"""Conversion in parts: records are as one process makes them, whatever the workers, their order, and their fate."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.part_file import read_part, write_part
from mmtrans.conversion.parts import InParts
from mmtrans.conversion.prepare import Preparation
from mmtrans.engine.here import Here
from mmtrans.engine.options import EngineOptions
from mmtrans.sources.open import open_corpus
from tests.conversion.test_convert import bytes_of, child_environment, write_videos
from tests.conversion.unit_corpora import Units
from tests.tfrecords.segments import make_segments
from tfrecords.schema import LabelScale

HERE = InParts(EngineOptions(), most_units=2)
TWO = InParts(EngineOptions(jobs=2), most_units=2)


@pytest.fixture
def units(tmp_path):
    (tmp_path / "file").write_text("content")
    return lambda **fault: Units(tmp_path, **fault)


@pytest.fixture
def expected(units, tmp_path):
    """The records that one process makes."""
    manifest = convert(units()(), tmp_path / "expected")
    reasons = {dropped.reason for dropped in manifest.dropped}
    assert reasons == {"duplicate id, the first is kept", "its video is in no fold", "no word lies in its interval"}
    assert manifest.cleaning["text: different words without a vector"] == 4
    assert manifest.cleaning["labels: beyond -3 to 3, set to the nearer end"] > 3
    return bytes_of(tmp_path / "expected")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("most_units", [1, 2, 5, 100])
def test_parts_of_any_size_give_the_same_records(most_units, units, expected, tmp_path):
    convert(units()(), tmp_path / "records", prepare=InParts(EngineOptions(), most_units=most_units))
    assert bytes_of(tmp_path / "records") == expected
    assert names_in(tmp_path) == ["expected", "file", "records"]


class Backwards(Here):
    """Does the last task first, of as many as there may be."""

    slots = 50

    def _pop_ready(self):
        return self._ready.pop(self._ready.index(max(self._ready)))


def test_parts_that_end_in_reverse_give_the_same_records(units, expected, tmp_path, monkeypatch):
    done = []

    @contextlib.contextmanager
    def opened(options, work, needs):
        yield Backwards(work, done.append)

    monkeypatch.setattr("mmtrans.conversion.parts.opened", opened)
    convert(units()(), tmp_path / "records", prepare=HERE)
    assert [part.first for part in done] == list(range(10, -1, -1))
    assert bytes_of(tmp_path / "records") == expected


def test_only_a_few_parts_are_ahead_of_their_turn(units, tmp_path):
    seen = []
    prepare = InParts(EngineOptions(), most_units=1)

    def watched(corpus, preparation, records_dir):
        for segment in prepare(corpus, preparation, records_dir):
            (directory,) = [path for path in tmp_path.iterdir() if ".partial-" in path.name and (path / "log").exists()]
            seen.append(len(names_in(directory)) - 1)
            yield segment

    convert(units()(), tmp_path / "records", prepare=watched)
    assert len(seen) > 15
    assert max(seen) <= 3


@pytest.mark.slow
def test_workers_give_the_same_records(tmp_path):
    source = write_videos(tmp_path / "source")
    (tmp_path / "glove.txt").write_text("good 1 2\n")
    for name, prepare in (("one", None), ("several", InParts(EngineOptions(jobs=3), most_units=1))):
        corpus = open_corpus(source, glove=tmp_path / "glove.txt")
        assert corpus.num_units == 7
        manifest = convert(corpus, tmp_path / name, **({"prepare": prepare} if prepare else {}))
    assert len(manifest.dropped) == 9
    assert manifest.cleaning["text: different words without a vector"] == 1
    assert bytes_of(tmp_path / "several") == bytes_of(tmp_path / "one")


@pytest.mark.slow
def test_a_worker_that_is_killed_in_a_unit_has_its_part_done_by_another(units, expected, tmp_path, capfd):
    convert(units(fault="kill", at=5)(), tmp_path / "records", prepare=TWO)
    assert int((tmp_path / "struck").read_text()) != os.getpid()
    assert bytes_of(tmp_path / "records") == expected
    assert names_in(tmp_path) == ["expected", "file", "records", "struck"]
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("fault", "prepare"),
    [
        ({"fault": "refuse", "at": 6}, HERE),
        ({"columns": 3}, HERE),
        # Both in one part.
        ({"fault": "refuse", "at": 9, "columns": 3}, HERE),
        pytest.param({"fault": "refuse", "at": 5}, TWO, marks=pytest.mark.slow),
    ],
)
def test_what_is_wrong_with_a_unit_is_said_as_by_one_process(fault, prepare, units, tmp_path):
    sentences = []
    for way in ({}, {"prepare": prepare}):
        with pytest.raises(ValueError, match=r"The values  are bad|audio with 3 columns") as caught:
            convert(units(**fault)(), tmp_path / "records", **way)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    assert names_in(tmp_path) == ["file"]


def test_a_defect_shows_its_traceback(units, tmp_path, capfd):
    with pytest.raises(ValueError, match="A defect of mmtrans: KeyError: 'a defect of the reader'"):
        convert(units(fault="bug", at=6)(), tmp_path / "records", prepare=HERE)
    assert "unit_corpora.py" in capfd.readouterr().err
    assert names_in(tmp_path) == ["file"]


def test_a_worker_that_sees_another_source_is_told(units, tmp_path):
    corpus = units()()
    other = replace(corpus, opening=replace(corpus.opening, folder=tmp_path / "none"))
    for seen, what in ((other, "No such file or directory"), (_changing(corpus), "other content")):
        with pytest.raises(ValueError, match=rf"does not see the source.*Received: .*{what}.*\(a worker on "):
            convert(seen, tmp_path / "records", prepare=HERE)


def _changing(corpus):
    """A corpus whose file is another one when it is opened again."""

    def opening():
        corpus.files[0].write_text("longer content")
        return corpus.opening()

    return replace(corpus, opening=opening)


def test_a_file_of_a_part_that_is_cut_off_is_refused(tmp_path):
    segments = [replace(segment, split=None) for segment in make_segments(3)]
    label = LabelScale("sentiment", -3.0, 3.0, 0.0)
    preparation = Preparation({"aligned": 9}, {"v0": "train", "v1": "test"}, label, {})
    prepared = [preparation(segment) for segment in segments]
    assert write_part(tmp_path / "part", prepared) == 3
    found = list(read_part(tmp_path / "part", 3))
    assert [(segment.id, segment.record, segment.lengths) for segment in found] == [
        (segment.id, segment.record, segment.lengths) for segment in prepared
    ]
    content = (tmp_path / "part").read_bytes()
    for length in (len(content) - 1, len(content) // 3, 5, 0):
        (tmp_path / "part").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"A part of the conversion is damaged\."):
            list(read_part(tmp_path / "part", 3))


def _wait_until(holds):
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def foreign_cluster(tmp_path):
    """Address of a scheduler with two workers, which somebody has started elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = elsewhere / "scheduler.json"
    start = [sys.executable, "-m", "dask"]
    common = {"cwd": elsewhere, "env": child_environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        for arguments in (
            ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
            ["worker", "--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1", "--no-dashboard"],
        ):
            process = stack.enter_context(subprocess.Popen([*start, *arguments], start_new_session=True, **common))
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
            _wait_until(file.exists)
        _wait_until(lambda: file.read_text().strip().endswith("}"))
        yield json.loads(file.read_text())["address"]


@pytest.mark.slow
def test_a_cluster_that_somebody_else_started_converts(foreign_cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_videos(tmp_path / "source")
    Path("glove.txt").write_text("good 1 2\n")
    convert(open_corpus("source", glove="glove.txt"), "one")
    for name in ("first", "second"):
        # By paths that are relative to this process's directory.
        prepare = InParts(EngineOptions(scheduler=foreign_cluster), most_units=1)
        convert(open_corpus("source", glove="glove.txt"), name, prepare=prepare)
        assert bytes_of(tmp_path / name) == bytes_of(tmp_path / "one")
    # The workers go on, without the processes that read for them.
    _wait_until(lambda: _readers() == [])
    assert names_in(tmp_path) == ["elsewhere", "first", "glove.txt", "one", "second", "source"]


def _readers():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"mmtrans.sources.untrusted.child" in path.read_bytes():
                found.append(path)
    return found
