import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tfrecords.segments import DIMS, assert_equal_segments, make_segment, make_segments
from tfrecords import writer
from tfrecords.manifest import file_sha256
from tfrecords.reader import read_segments
from tfrecords.writer import WORD_BUCKETS, bucket_length, new_records, record_of, write_shards


@given(st.integers(1, 100_000))
def test_bucket_length_is_the_smallest_bucket_that_holds_the_steps(steps):
    beyond = sorted({64 * 2**k for k in range(12)} | {96 * 2**k for k in range(12)})
    assert bucket_length(steps) == min(b for b in (*WORD_BUCKETS, *beyond) if b >= steps)


def test_every_segment_comes_back_once(tmp_path):
    segments = [
        *make_segments(30, split="train"),
        make_segment(90, 5, modalities=("audio",), split="train"),
        make_segment(91, 5, label=None, split="valid"),
        make_segment(92, 3, modalities=(), split="valid"),
    ]
    shards = write_shards(map(record_of, iter(segments)), tmp_path)
    assert list(shards) == ["train", "valid"]
    found = {}
    for split in shards:
        for shard in shards[split]:
            for segment in read_segments(tmp_path / shard.file, DIMS, split):
                assert segment.id not in found
                found[segment.id] = segment
    assert len(found) == len(segments)
    for segment in segments:
        assert found[segment.id].split == segment.split
        assert_equal_segments(found[segment.id], segment)


def test_a_shard_is_homogeneous_and_accounted_for(tmp_path):
    segments = make_segments(40, split="train") + [
        make_segment(90 + i, 5, modalities=m, label=label, split="train")
        for i, (m, label) in enumerate([(("audio",), 1.0), (("text",), None), (("text", "audio"), None)])
    ]
    shards = write_shards(map(record_of, segments), tmp_path)["train"]
    assert sum(shard.segments for shard in shards) == 43
    assert {shard.file for shard in shards} == set(os.listdir(tmp_path))
    for shard in shards:
        path = tmp_path / shard.file
        read = list(read_segments(path, DIMS))
        assert (shard.segments, shard.bytes) == (len(read), path.stat().st_size)
        assert shard.sha256 == file_sha256(path)
        for segment in read:
            assert {m: bucket_length(len(a)) for m, a in segment.features.items()} == shard.bucket_steps
            assert (segment.label is not None) == shard.labelled
    longest = [max(shard.bucket_steps.values()) for shard in shards]
    assert longest == sorted(longest)


def test_shards_roll_over_and_few_are_open(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_OPEN_SHARDS", 2)
    segments = make_segments(50, split="train")
    shards = write_shards(map(record_of, segments), tmp_path, max_segments=4)["train"]
    assert max(shard.segments for shard in shards) <= 4
    ids = [s.id for shard in shards for s in read_segments(tmp_path / shard.file, DIMS)]
    assert sorted(ids) == sorted(segment.id for segment in segments)


def test_unaligned_modalities_have_their_own_buckets(tmp_path):
    segment = make_segment(0, 5, split="test")
    segment.features["audio"] = np.ones((70, 2), np.float32)
    (shard,) = write_shards(map(record_of, [segment]), tmp_path)["test"]
    assert shard.bucket_steps == {"text": 6, "audio": 96}
    assert_equal_segments(next(read_segments(tmp_path / shard.file, DIMS)), segment)


def test_a_segment_without_a_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must have a split.*split=None \(v\[0\]\)"):
        record_of(make_segment(0, 3))


def _fill(directory, content="new"):
    (directory / "manifest.json").write_text(f'{{"format_version": 1, "content": "{content}"}}')


def _fail(target, error):
    with new_records(target, overwrite=True) as directory:
        _fill(directory)
        raise error


def _dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_records_appear_whole(tmp_path):
    target = tmp_path / "deep" / "records"
    with new_records(target) as directory:
        _fill(directory)
        assert directory.parent == target.parent
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["manifest.json"]
    assert os.listdir(target.parent) == ["records"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_nothing_and_the_old_records(tmp_path, error):
    target = tmp_path / "records"
    with new_records(target) as directory:
        _fill(directory, "old")
    with pytest.raises(error, match="stop"):
        _fail(target, error("stop"))
    assert os.listdir(tmp_path) == ["records"]
    assert "old" in (target / "manifest.json").read_text()


def test_overwrite_replaces_records(tmp_path):
    target = tmp_path / "records"
    for content in ("old", "new"):
        with new_records(target, overwrite=True) as directory:
            _fill(directory, content)
    assert "new" in (target / "manifest.json").read_text()
    assert os.listdir(tmp_path) == ["records"]


def test_an_empty_directory_may_be_filled(tmp_path):
    (tmp_path / "records").mkdir()
    with new_records(tmp_path / "records") as directory:
        _fill(directory)
    assert (tmp_path / "records" / "manifest.json").is_file()


def test_existing_records_are_kept_without_overwrite(tmp_path):
    _fill(tmp_path)
    with pytest.raises(ValueError, match=r"Records exist already\..*--overwrite"), new_records(tmp_path):
        pytest.fail("the body must not run")


@pytest.mark.parametrize("names", [["thesis.tex"], ["thesis.tex", "manifest.json"], ["lone.tfrecord"]])
def test_what_is_not_records_is_never_overwritten(tmp_path, names):
    target = tmp_path / "home"
    target.mkdir()
    for name in names:
        (target / name).write_text('{"format_version": 1}' if name == "manifest.json" else "x")
    with pytest.raises(ValueError, match="other things than records"), new_records(target, overwrite=True):
        pytest.fail("the body must not run")
    assert sorted(os.listdir(target)) == sorted(names)


def test_a_foreign_manifest_is_not_records(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "my web app"}')
    with pytest.raises(ValueError, match="other things than records"), new_records(tmp_path, overwrite=True):
        pytest.fail("the body must not run")


def test_a_damaged_manifest_is_not_records(tmp_path):
    for make in (lambda path: path.write_text("[" * 100_000), lambda path: os.mkfifo(path)):
        make(tmp_path / "manifest.json")
        with pytest.raises(ValueError, match="other things than records"), new_records(tmp_path, overwrite=True):
            pytest.fail("the body must not run")
        (tmp_path / "manifest.json").unlink()


def test_a_file_is_not_a_records_directory(tmp_path):
    (tmp_path / "records").write_text("x")
    with pytest.raises(ValueError, match="Records are a directory"), new_records(tmp_path / "records"):
        pytest.fail("the body must not run")


def test_what_killed_conversions_left_is_cleared_away(tmp_path):
    target, dead = tmp_path / "records", _dead_pid()
    (tmp_path / f".records.partial-{dead}").mkdir()
    (tmp_path / f".records.old-{dead}").mkdir()
    alive = tmp_path / f".records.partial-{os.getppid()}"
    alive.mkdir()
    other = tmp_path / f".others.partial-{dead}"
    other.mkdir()
    target.mkdir()
    with new_records(target) as directory:
        _fill(directory)
    assert sorted(os.listdir(tmp_path)) == sorted([alive.name, other.name, "records"])


def test_records_of_a_swap_that_was_killed_come_back(tmp_path):
    target = tmp_path / "records"
    old = tmp_path / f".records.old-{_dead_pid()}"
    old.mkdir()
    _fill(old, "old")
    with pytest.raises(ValueError, match="Records exist already"), new_records(target):
        pytest.fail("the body must not run")
    assert "old" in (target / "manifest.json").read_text()
