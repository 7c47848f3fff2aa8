"""Keeps the vectors of sentences from one conversion to the next, in a file of SQLite that processes share.

A cache saves time and decides nothing: each entry has a checksum, and what cannot be read or written is computed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmtrans.system.cache import cache_folder

Result = TypeVar("Result")

_NAME = Path("vectors.sqlite3")
_CHECK_BYTES = 16

#: Another process writes for moments only.
_WAIT_SECONDS = 10.0

_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, content BLOB NOT NULL, digest BLOB NOT NULL)"


def folder_of_this_machine(folder: Path | None) -> Path | None:
    """In a folder that several machines may share, that of this one: SQLite is not safe on a network drive.

    Args:
        folder: the shared folder; the user's own without it.
    """
    try:
        return (cache_folder("text") if folder is None else folder) / socket.gethostname()
    except RuntimeError:
        # There is no user's own; the cache will say so.
        return folder


class VectorCache:
    """Vectors by key. What fails is told in `trouble`, once, and then done without.

    Args:
        folder: the folder of the file, which is made if there is none; the user's own without it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = _NAME if folder is None else folder / _NAME
        self.trouble: list[str] = []
        self._connection: sqlite3.Connection | None = None
        self._is_off = False
        self._damaged = 0
        if folder is None:
            try:
                self.path = cache_folder("text") / _NAME
            except RuntimeError as error:
                self._give_up(error)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The vectors that are there and whole: key → float32 in one row."""

        def read(connection: sqlite3.Connection) -> dict[bytes, np.ndarray]:
            found = {}
            for key in keys:
                row = connection.execute("SELECT content, digest FROM vectors WHERE key = ?", (key,)).fetchone()
                if row is None:
                    continue
                if _digest(key, row[0]) == row[1]:
                    found[key] = np.frombuffer(row[0], "<f4")
                else:
                    self._damaged += 1
            return found

        return self._try(read, {})

    def put(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Stores vectors, all of them or none."""
        contents = {key: np.ascontiguousarray(array, "<f4").tobytes() for key, array in vectors.items()}
        rows = [(key, content, _digest(key, content)) for key, content in contents.items()]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

        self._try(write, None)

    @property
    def bytes(self) -> int:
        """Size of the file; 0 where there is none."""
        return self.path.stat().st_size if not self._is_off and self.path.is_file() else 0

    def close(self) -> None:
        """Closes the file, and says how many entries were damaged. The next use opens it again."""
        self._disconnect()
        if self._damaged:
            self.trouble.append(f"Damaged vectors of the cache were computed anew: {self._damaged} ({self.path}).")
            self._damaged = 0

    def _try(self, action: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        if self._is_off:
            return otherwise
        try:
            return action(self._connect())
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            # SQLite's own class is raised for a file that is damaged, or none of SQLite's; what the system refuses, and
            # a lock, have others.
            if type(error) is not sqlite3.DatabaseError or self.trouble or not self._remove():
                self._give_up(error)
            else:
                self.trouble.append(f"The cache of vectors was damaged, and begins anew: {error} ({self.path}).")
        return otherwise

    def _give_up(self, error: Exception) -> None:
        self._is_off = True
        self.trouble.append(f"The cache of vectors is not used: {error} ({self.path}). Records are the same.")

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, check_same_thread=False)
            self._connection.execute(_TABLE)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _remove(self) -> bool:
        """Removes the file; `False` where the system refuses. Whoever has it open goes on with what it was."""
        try:
            for path in (self.path, self.path.with_name(f"{_NAME}-journal")):
                path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def _digest(key: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, digest_size=_CHECK_BYTES).digest()
