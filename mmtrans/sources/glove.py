"""Reader of word vectors in GloVe's text format: a word and its numbers on each line, with spaces or tabs between."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from unicodedata import normalize

import numpy as np

from mmtrans.sources.glove_index import LEAST_BYTES, Index, load_index, save_index, stamp_of, word_hash
from mmtrans.sources.numerals import parse_number
from mmtrans.system.user_files import FileKind, check_file, unreadable, what_is

_EXPECTED = "a GloVe text file, a word and its numbers on each line"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_HEAD_BYTES = 1 << 16

#: No published word vector comes near; a larger count in a header is damage.
MAX_DIM = 1 << 16


@dataclass(frozen=True)
class Glove:
    """An opened file of word vectors.

    Attributes:
        path: the file.
        index: where which word lies in it.
        has_tabs: whether tabs may part its fields.
    """

    path: Path
    index: Index
    has_tabs: bool

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return self.index.dim

    @property
    def sha256(self) -> str:
        """sha256 of the file."""
        return self.index.sha256

    def read(self, vocabulary: Collection[str]) -> dict[str, np.ndarray]:
        """Reads the vectors of the wanted words; no other line is looked at.

        Args:
            vocabulary: the words to load, in the file's own case.

        Returns:
            word → `(dim,)` float32 for those that the file has. Of a word that occurs twice the first vector counts;
            one whose characters are composed otherwise (Unicode's NFD) is found.

        Raises:
            ValueError: a field of a wanted word is no finite number, or the file was changed meanwhile.
        """
        # A word's own spelling comes last, and counts.
        wanted = {normalize(form, word).encode(): word for form in ("NFD", "NFC") for word in vocabulary}
        wanted |= {word.encode(): word for word in vocabulary}
        places = sorted((offset, spelling) for spelling in wanted for offset in self.index.find(spelling))
        vectors: dict[str, np.ndarray] = {}
        with self.path.open("rb") as file:
            for offset, spelling in places:
                word = wanted[spelling]
                if word in vectors:
                    continue
                file.seek(offset)
                line = _tidy(file.readline(), self.has_tabs, offset)
                found, numbers = _split(line, self.dim, lambda offset=offset: f"{self.path}, byte {offset}")
                if found == spelling:
                    vectors[word] = _parse_vector(numbers, lambda offset=offset: self._line_at(offset))
        return vectors

    def _line_at(self, offset: int) -> str:
        """The place of a line, for messages."""
        with self.path.open("rb") as file:
            blocks = iter(lambda: file.read(min(1 << 20, offset - file.tell())), b"")
            number = 1 + sum(block.count(b"\n") for block in blocks)
        return f"{self.path}, line {number}"


def open_glove(path: str | Path) -> Glove:
    """Opens a file of word vectors. A large one is read through once; what was found is kept in the user's cache.

    The first line says how many numbers a vector has: as many as stand at its end, its first field left aside. The
    word of a line is what stands before its last `dim` fields, spaces included (GloVe 840B has such words). A
    word2vec header (`count dim`) is understood. A byte order mark, line ends of Windows and blanks at the end of a line
    are passed over.

    Args:
        path: a text file in UTF-8.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind (the message says which), a line has too few fields, or the file changes
            while it is read.
    """
    path = check_file(path, "file of word vectors", _EXPECTED)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    kind = what_is(path) or _binary_kind(head)
    if kind is not None:
        raise unreadable(path, "file of word vectors", _EXPECTED, kind)
    has_tabs = b"\t" in head
    stamp = stamp_of(path)
    is_large = path.stat().st_size >= LEAST_BYTES
    index = load_index(path) if is_large else None
    if index is None:
        index = _scan(path, has_tabs)
        if stamp_of(path) != stamp:
            raise ValueError(
                f"The file of word vectors was changed while it was read. Expected a file that is whole. "
                f"Received: {path}. Try again when it is written."
            )
        if is_large:
            save_index(path, stamp, index)
    return Glove(path, index, has_tabs)


def read_glove(path: str | Path, vocabulary: Collection[str]) -> tuple[dict[str, np.ndarray], int]:
    """Opens a file of word vectors and reads those of a vocabulary, as `open_glove` and `Glove.read` do.

    Returns:
        word → `(dim,)` float32 for those of the vocabulary that the file has, and `dim`.
    """
    glove = open_glove(path)
    return glove.read(vocabulary), glove.dim


def _scan(path: Path, has_tabs: bool) -> Index:
    """Reads a file through: where its words are, how many numbers a vector has, and the sha256."""
    hashes, offsets, digest = array("Q"), array("Q"), sha256()
    dim = offset = 0
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            digest.update(raw)
            line = _tidy(raw, has_tabs, offset)
            begin, offset = offset, offset + len(raw)
            if not line:
                continue
            if not dim:
                dim = _dim_of_first_line(line, path)
                if _is_header(line):
                    continue
            word, _ = _split(line, dim, lambda number=number: f"{path}, line {number}")
            hashes.append(word_hash(word))
            offsets.append(begin)
    if not dim:
        raise ValueError(f"The file of word vectors is empty. Received: {path}. Download it again.")
    return Index.of(digest.hexdigest(), dim, hashes, offsets)


def _tidy(line: bytes, has_tabs: bool, offset: int) -> bytes:
    """A line with single blanks between its fields, without its end and without a byte order mark."""
    line = line.rstrip(b"\r\n\t ")
    if not offset:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    return line.replace(b"\t", b" ") if has_tabs else line


def _split(line: bytes, dim: int, place: Callable[[], str]) -> tuple[bytes, bytes]:
    """The word and the numbers of a line; `place` says for messages where it is."""
    word, _, rest = line.partition(b" ")
    return (word, rest) if rest.count(b" ") == dim - 1 else _split_from_right(line, dim, place)


def _binary_kind(head: bytes) -> FileKind | None:
    """What a file with NUL bytes is, which text never has."""
    if b"\0" not in head:
        return None
    if _is_header(head.partition(b"\n")[0].rstrip(b"\r ")):
        remedy = "Save it as text, e.g. with gensim: load_word2vec_format(file, binary=True).save_word2vec_format(text)"
        return FileKind("word2vec's binary format", remedy)
    return FileKind("a binary file", "Give the vectors as text")


def _is_header(line: bytes) -> bool:
    fields = line.split(b" ")
    return len(fields) == 2 and all(field.isdigit() for field in fields)


def _dim_of_first_line(line: bytes, path: Path) -> int:
    fields = line.split(b" ")
    if _is_header(line):
        dim = int(fields[1])
    else:
        dim = 0
        while dim < len(fields) - 1 and _is_number(fields[-1 - dim]):
            dim += 1
    if not 0 < dim <= MAX_DIM:
        raise ValueError(
            f"A line of word vectors must be a word and its numbers. Received: {_shorten(line)} ({path}, line 1). "
            f"Give a GloVe text file."
        )
    return dim


def _is_number(field: bytes) -> bool:
    try:
        _parse_number(field)
    except ValueError:
        return False
    return True


def _parse_number(field: bytes) -> float:
    return parse_number(field.decode("ascii", "replace"))


def _split_from_right(line: bytes, dim: int, place: Callable[[], str]) -> tuple[bytes, bytes]:
    fields = line.rsplit(b" ", dim)
    if len(fields) <= dim:
        raise ValueError(
            f"A line of word vectors must be a word and {dim} numbers. Received: {_shorten(line)} "
            f"({place()}). Download the file again, or remove the line."
        )
    return fields[0], b" ".join(fields[1:])


def _parse_vector(numbers: bytes, place: Callable[[], str]) -> np.ndarray:
    try:
        vector = np.array([_parse_number(field) for field in numbers.split(b" ")], np.float64)
    except ValueError:
        vector = np.array([np.nan])
    with np.errstate(over="ignore"):
        vector = vector.astype(np.float32)
    if not np.isfinite(vector).all():
        raise ValueError(
            f"A word vector must consist of finite numbers. Received: {_shorten(numbers)} ({place()}). "
            f"Download the file again, or remove the line."
        )
    return vector


def _shorten(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 40 else text[:40] + "…")
