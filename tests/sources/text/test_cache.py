"""The cache of vectors: it survives kills, other processes, damage and a full disk, and never gives a wrong vector."""

import multiprocessing
import os
import signal
import sqlite3
import time

import numpy as np
import pytest

from mmtrans.sources.text.cache import VectorCache

KEYS = [bytes([number]) * 32 for number in range(5)]
VECTORS = {key: np.arange(6, dtype=np.float32) + number for number, key in enumerate(KEYS)}


def filled(folder):
    cache = VectorCache(folder)
    cache.put(VECTORS)
    cache.close()
    return cache


def found(folder):
    """What a new process' cache gives, and its trouble."""
    cache = VectorCache(folder)
    vectors = cache.get([*KEYS, b"\xff" * 32])
    cache.close()
    for key, array in vectors.items():
        np.testing.assert_array_equal(array, VECTORS[key])
    return len(vectors), cache.trouble


def test_what_was_put_is_there(tmp_path):
    filled(tmp_path / "a" / "b")
    assert found(tmp_path / "a" / "b") == (5, [])


def test_the_users_own_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert filled(None).path == tmp_path / "mmtrans" / "text" / "vectors.sqlite3"
    assert found(None) == (5, [])


def test_where_nobody_knows_the_users_home_there_is_no_cache(monkeypatch):
    def no_home(name):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("mmtrans.sources.text.cache.cache_folder", no_home)
    cache = VectorCache()
    cache.put(VECTORS)
    assert cache.get(KEYS) == {}
    assert [line.partition(" (")[0] for line in cache.trouble] == [
        "The cache of vectors is not used: Could not determine home directory."
    ]


def test_a_changed_entry_is_none_and_is_replaced(tmp_path):
    path = filled(tmp_path).path
    with sqlite3.connect(path) as connection:
        content = bytearray(VECTORS[KEYS[0]].tobytes())
        content[3] ^= 1
        connection.execute("UPDATE vectors SET content = ? WHERE key = ?", (bytes(content), KEYS[0]))
        # A whole entry of another sentence.
        other = connection.execute("SELECT content, digest FROM vectors WHERE key = ?", (KEYS[1],)).fetchone()
        connection.execute("UPDATE vectors SET content = ?, digest = ? WHERE key = ?", (*other, KEYS[2]))
    connection.close()
    number, trouble = found(tmp_path)
    assert number == 3
    assert trouble == [f"Damaged vectors of the cache were computed anew: 2 ({path})."]
    filled(tmp_path)
    assert found(tmp_path) == (5, [])


@pytest.mark.parametrize("kind", ["text", "cut", "zeros", "flipped"])
def test_a_damaged_file_begins_anew(kind, tmp_path):
    path = filled(tmp_path).path
    content = bytearray(path.read_bytes())
    damaged = {
        "text": b"no file of SQLite" * 300,
        "cut": bytes(content[: len(content) // 2]),
        "zeros": bytes(content[:100]) + bytes(len(content) - 100),
        "flipped": bytes(
            byte ^ 0x55 if number % 7 == 0 and number > 100 else byte for number, byte in enumerate(content)
        ),
    }[kind]
    path.write_bytes(damaged)
    number, trouble = found(tmp_path)
    assert number < 5
    assert len(trouble) == 1
    assert "damaged, and begins anew" in trouble[0] or "computed anew" in trouble[0]
    filled(tmp_path)
    assert found(tmp_path) == (5, [])


def test_what_the_system_refuses_is_told_once_and_done_without(tmp_path):
    (tmp_path / "vectors.sqlite3").mkdir()
    cache = VectorCache(tmp_path)
    cache.put(VECTORS)
    assert cache.get(KEYS) == {}
    cache.put(VECTORS)
    assert len(cache.trouble) == 1
    assert cache.trouble[0].startswith("The cache of vectors is not used: unable to open database file (")
    assert cache.trouble[0].endswith("Records are the same.")


def test_a_full_disk_is_told_once_and_what_was_there_stays(tmp_path):
    filled(tmp_path)
    cache = VectorCache(tmp_path)
    assert len(cache.get(KEYS)) == 5
    cache._connection.execute("PRAGMA max_page_count = 4")
    cache.put({bytes([number]) * 32: np.zeros(4000, np.float32) for number in range(100, 110)})
    assert [line.partition(" (")[0] for line in cache.trouble] == [
        "The cache of vectors is not used: database or disk is full"
    ]
    assert cache.get(KEYS) == {}
    assert found(tmp_path) == (5, [])


def test_a_lock_that_lasts_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr("mmtrans.sources.text.cache._WAIT_SECONDS", 0.05)
    path = filled(tmp_path).path
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert found(tmp_path)[0] == 0
    other.execute("ROLLBACK")
    other.close()
    assert found(tmp_path) == (5, [])


def _put_many(folder, first):
    cache = VectorCache(folder)
    for number in range(20):
        cache.put({bytes([first, number]) * 16: np.full(100, number, np.float32)})
    cache.close()
    os._exit(len(cache.trouble))


def test_two_processes_write_at_a_time(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_put_many, args=(tmp_path, first)) for first in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    keys = [bytes([first, number]) * 16 for first in (1, 2) for number in range(20)]
    assert len(VectorCache(tmp_path).get(keys)) == 40


def _put_for_ever(folder):
    cache = VectorCache(folder)
    while True:
        cache.put({key: array.repeat(5000) for key, array in VECTORS.items()})


def test_a_kill_leaves_whole_entries(tmp_path):
    context = multiprocessing.get_context("fork")
    for seconds in (0.05, 0.08, 0.11):
        writer = context.Process(target=_put_for_ever, args=(tmp_path,))
        writer.start()
        time.sleep(seconds)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        cache = VectorCache(tmp_path)
        for key, array in cache.get(KEYS).items():
            np.testing.assert_array_equal(array, VECTORS[key].repeat(5000))
        assert cache.trouble == []
        cache.close()
