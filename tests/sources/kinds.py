"""The table of kinds × readers: what each format's reader makes of each kind of awkward input.

A kind is what can befall any corpus: a file that is cut off, a word that is silence, a modality of another width. Every
kind has one entry for every format: a `Row`, or a sentence that says why the format cannot meet it. A new format fails
`tests/sources/test_kinds.py` until it has an entry in each kind, and a new kind until each format has one.

The modules `kinds_of_*.py` hold the entries, each a `KINDS`: kind → format → entry.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmtrans.sources.corpus import Corpus
from tests.sources.csd_files import write_truth
from tests.sources.format_files import WRITERS, dump
from tfrecords.schema import Segment

#: format → what writes the common corpus in it: `write(folder, segments) -> path`.
WRITE: dict[str, Callable[..., Path]] = {"csd": write_truth}
for _format, _write in WRITERS.values():
    WRITE.setdefault(_format, _write)

#: Formats of pickles that map split → part → array, and what they call audio and text.
PICKLES = ("mult", "mmsa", "multibench", "lmf")
AUDIO = {"mult": "audio", "mmsa": "audio", "multibench": "audio", "lmf": "covarep"}
TEXT = {"mult": "text", "mmsa": "text", "multibench": "text", "lmf": "glove"}


@dataclass(frozen=True)
class Row:
    """What one reader makes of one kind.

    Args:
        write: writes the source into a new folder, and returns what is to be opened.
        refused: pattern of the one sentence, where the source is refused.
        check: `check(corpus, segments by id)`, where it is read; the corpus has been read to its end.
        options: keyword arguments of `open_corpus`.
    """

    write: Callable[[Path], Path]
    refused: str | None = None
    check: Callable[[Corpus, Mapping[str, Segment]], None] | None = None
    options: Mapping[str, object] = field(default_factory=dict)


Kinds = Mapping[str, Mapping[str, Row | str]]


def first_file(path: Path) -> Path:
    """The file itself, or the first of a folder that has features."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return next(file for file in files if file.suffix not in (".json", ".csv"))


def after(change: Callable[[Path], object]) -> Callable[[str], Callable[[Path], Path]]:
    """`format` → a writer of the common corpus whose first file then undergoes `change(file)`."""

    def of_format(format: str) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            path = WRITE[format](folder)
            change(first_file(path))
            return path

        return write

    return of_format


def pickled(format: str, change: Callable[[dict], object]) -> Callable[[Path], Path]:
    """A writer of the common corpus in a pickle of splits, each of whose parts (with text keys) undergo `change`."""

    def write(folder: Path) -> Path:
        path = WRITE[format](folder)
        content = {text_of(split): parts for split, parts in pickle.loads(path.read_bytes()).items()}
        content = {split: {text_of(key): value for key, value in parts.items()} for split, parts in content.items()}
        for parts in content.values():
            change(parts)
        return dump(path, content, 4)

    return write


def text_of(key: object) -> str:
    """A key as text, however the pickle has it."""
    return key.decode() if isinstance(key, bytes) else key
