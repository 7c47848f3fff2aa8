import errno
import os

import pytest

from mmtrans.system.files import check_directory, check_new_file, new_file, write_atomically
from tests.tfrecords.test_processes import process_of


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as partial:  # noqa: PT012
        partial.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_two_may_write_one_file_at_a_time(tmp_path):
    path = tmp_path / "a.json"
    with new_file(path) as ours:
        ours.write_text("ours")
        write_atomically(path, "theirs")
    assert path.read_text() == "ours"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def full(self, text, encoding=None):
        self.write_bytes(text.encode()[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_text", full)
    with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
        write_atomically(path, "newer")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_a_killed_process_has_left_goes(tmp_path):
    child, gone = process_of("")
    child.communicate()
    for name in (f".a.json.partial-{gone}-1", ".a.json.partial", f".b.json.partial-{gone}-1"):
        (tmp_path / name).write_text("half")
    write_atomically(tmp_path / "a.json", "whole")
    assert sorted(os.listdir(tmp_path)) == [f".b.json.partial-{gone}-1", "a.json"]


def test_a_file_needs_a_place(tmp_path, monkeypatch):
    check_new_file(tmp_path / "new", "--out")
    check_new_file(tmp_path / "some" / "folders" / "new", "--out")
    (tmp_path / "old").write_text("mine")
    check_new_file(tmp_path / "old", "--out")
    with pytest.raises(ValueError, match=r"No file can be written there\. .*Received: out=.*\(it is a folder\)"):
        check_new_file(tmp_path, "--out")
    with pytest.raises(ValueError, match=r"Received: features=.*old is no folder\)\. Give .* --features\."):
        check_new_file(tmp_path / "old" / "new", "--features")
    with pytest.raises(OSError, match="too long"):
        check_new_file(tmp_path / ("x" * 250), "--out")
    # Root may write everywhere, so a refusal is made up.
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(ValueError, match="may not be written to"):
        check_new_file(tmp_path / "new", "--out")
    with pytest.raises(ValueError, match=r"deep \(.* may not be written to\)\. Name another place with --plots DIR"):
        check_directory(tmp_path / "very" / "deep", "--plots")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
