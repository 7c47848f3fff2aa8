"""Reader of word vectors in GloVe's text format: a word and its numbers on each line, with spaces or tabs between."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from unicodedata import normalize

import numpy as np

from mmtrans.sources.numerals import parse_number
from mmtrans.system.user_files import FileKind, check_file, unreadable, what_is

_EXPECTED = "a GloVe text file, a word and its numbers on each line"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_HEAD_BYTES = 1 << 16

#: No published word vector comes near; a larger count in a header is damage.
MAX_DIM = 1 << 16


def read_glove(path: str | Path, vocabulary: Collection[str]) -> tuple[dict[str, np.ndarray], int]:
    """Reads the vectors of the wanted words; the others are passed over without being parsed.

    The first line says how many numbers a vector has: as many as stand at its end, its first field left aside. The
    word of a line is what stands before its last `dim` fields, spaces included (GloVe 840B has such words). A
    word2vec header (`count dim`) is understood. Of a word that occurs twice the first vector counts. A byte order mark,
    line ends of Windows and blanks at the end of a line are passed over, and a word whose characters are composed
    otherwise (Unicode's NFD) is found.

    Args:
        path: a text file in UTF-8.
        vocabulary: the words to load, in the file's own case.

    Returns:
        word → `(dim,)` float32 for those of the vocabulary that the file has, and `dim`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind (the message says which), or a line has too few fields or (for a wanted
            word) a field that is not a finite number.
    """
    path = check_file(path, "file of word vectors", _EXPECTED)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    kind = what_is(path) or _binary_kind(head)
    if kind is not None:
        raise unreadable(path, "file of word vectors", _EXPECTED, kind)
    # A word's own spelling comes last, and counts.
    wanted = {normalize(form, word).encode(): word for form in ("NFD", "NFC") for word in vocabulary}
    wanted |= {word.encode(): word for word in vocabulary}
    vectors: dict[str, np.ndarray] = {}
    dim, has_tabs = 0, b"\t" in head
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.rstrip(b"\r\n\t ")
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if not line:
                continue
            if has_tabs:
                line = line.replace(b"\t", b" ")
            if not dim:
                dim = _dim_of_first_line(line, path)
                if _is_header(line):
                    continue
            word, _, rest = line.partition(b" ")
            if rest.count(b" ") != dim - 1:
                word, rest = _split_from_right(line, dim, path, number)
            if word in wanted and wanted[word] not in vectors:
                vectors[wanted[word]] = _parse_vector(rest, path, number)
    if not dim:
        raise ValueError(f"The file of word vectors is empty. Received: {path}. Download it again.")
    return vectors, dim


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


def _split_from_right(line: bytes, dim: int, path: Path, number: int) -> tuple[bytes, bytes]:
    fields = line.rsplit(b" ", dim)
    if len(fields) <= dim:
        raise ValueError(
            f"A line of word vectors must be a word and {dim} numbers. Received: {_shorten(line)} "
            f"({path}, line {number}). Download the file again, or remove the line."
        )
    return fields[0], b" ".join(fields[1:])


def _parse_vector(numbers: bytes, path: Path, number: int) -> np.ndarray:
    try:
        vector = np.array([_parse_number(field) for field in numbers.split(b" ")], np.float64)
    except ValueError:
        vector = np.array([np.nan])
    with np.errstate(over="ignore"):
        vector = vector.astype(np.float32)
    if not np.isfinite(vector).all():
        raise ValueError(
            f"A word vector must consist of finite numbers. Received: {_shorten(numbers)} ({path}, line {number}). "
            f"Download the file again, or remove the line."
        )
    return vector


def _shorten(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 40 else text[:40] + "…")
