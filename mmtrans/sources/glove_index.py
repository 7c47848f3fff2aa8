"""Where the words of a large file of word vectors lie: found once, kept in the user's cache, and mapped into memory.

An index belongs to one path, and holds for the file that it was made of: the same size, times and inode, and so the
same sha256, which it tells. It is a line of JSON and two arrays, with a checksum of all: a damaged index is as
none. It is replaced as a whole: processes may make the same one at a time, and a kill leaves the old one or none.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np

from mmtrans.system.cache import cache_folder
from mmtrans.system.files import new_file

#: A smaller file is read anew each time, which takes some milliseconds.
LEAST_BYTES = 1 << 20

_FORMAT = 1
_HEADER_BYTES = 1 << 13
_FOLDER, _SUFFIX = "glove", ".index"


@dataclass(frozen=True)
class Index:
    """Where a file has which word.

    Attributes:
        sha256: sha256 of the file.
        dim: numbers of a vector.
        hashes: `(words,)` uint64, ascending: the hash of each line's word.
        offsets: `(words,)` uint64: where the line begins; of equal hashes the first line comes first.
    """

    sha256: str
    dim: int
    hashes: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, sha256: str, dim: int, hashes: Iterable[int], offsets: Iterable[int]) -> Index:
        """The index of lines in the order of the file."""
        by_line, places = np.array(hashes, "<u8"), np.array(offsets, "<u8")
        order = np.argsort(by_line, kind="stable")
        return cls(sha256, dim, by_line[order], places[order])

    def find(self, word: bytes) -> list[int]:
        """The offsets of lines whose word may be this one: two words may have the same hash."""
        first, last = (
            int(np.searchsorted(self.hashes, np.uint64(word_hash(word)), side)) for side in ("left", "right")
        )
        return self.offsets[first:last].tolist()


def word_hash(word: bytes) -> int:
    """The hash of a word, below 2^64."""
    return int.from_bytes(blake2b(word, digest_size=8).digest(), "little")


def stamp_of(path: Path) -> list[int]:
    """What changes when a file does: its device, inode, size, and times of modification and change."""
    found = os.stat(path)
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def find_file(digest: str) -> Path | None:
    """A file of this sha256 that has an index, and has not changed since; `None` where none is known."""
    with contextlib.suppress(OSError, RuntimeError):
        for place in sorted(cache_folder(_FOLDER).glob(f"*{_SUFFIX}")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                path = Path(_read_header(place)["path"])
                index = load_index(path)
                if index is not None and index.sha256 == digest:
                    return path
    return None


def load_index(path: Path) -> Index | None:
    """The kept index of a file; `None` where there is none, or a damaged one, or the file has changed since."""
    try:
        place = _place_of(path)
        header = _read_header(place)
        checksum = header.pop("checksum")
        words, dim, digest = int(header["words"]), int(header["dim"]), str(header["sha256"])
        if [header["format"], *header["stamp"]] != [_FORMAT, *stamp_of(path)]:
            return None
        arrays = np.memmap(place, "<u8", "r", offset=_HEADER_BYTES, shape=(2, words))
        if place.stat().st_size != _HEADER_BYTES + arrays.nbytes or _checksum(header, arrays) != checksum:
            return None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Index(digest, dim, *arrays)


def save_index(path: Path, stamp: list[int], index: Index) -> None:
    """Keeps the index of a file for the next time; where the cache takes nothing, there is a next time without it.

    Args:
        path: the file.
        stamp: the file's stamp of before it was read.
        index: the index.
    """
    arrays = np.stack([index.hashes, index.offsets])
    header: dict[str, Any] = {"format": _FORMAT, "stamp": stamp, "sha256": index.sha256, "dim": index.dim}
    header |= {"words": len(index.hashes), "path": os.path.realpath(path)}
    header["checksum"] = _checksum(header, arrays)
    with contextlib.suppress(OSError, RuntimeError):
        place = _place_of(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with new_file(place) as partial, partial.open("wb") as file:
            file.write(json.dumps(header).encode().ljust(_HEADER_BYTES - 1) + b"\n")
            file.write(arrays.data)


def _read_header(place: Path) -> dict[str, Any]:
    with place.open("rb") as file:
        return json.loads(file.read(_HEADER_BYTES))


def _checksum(header: dict[str, Any], arrays: np.ndarray) -> str:
    digest = sha256(json.dumps(header).encode())
    digest.update(arrays.data)
    return digest.hexdigest()


def _place_of(path: Path) -> Path:
    name = sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    return cache_folder(_FOLDER) / f"{name[:32]}{_SUFFIX}"
