"""A worker's side of a conversion in parts: it opens the source once, and reads and prepares parts of it into files.

A part's file has a name of its own each time that it is written, and the client reads what it was told of alone: what a
worker that is believed dead still writes is never read.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mmtrans.conversion.part_file import write_part
from mmtrans.conversion.prepare import Preparation, Prepared
from mmtrans.sources.account import Account
from mmtrans.sources.corpus import Corpus
from mmtrans.system import interrupts

_LOG = "log"

#: Between two looks of a worker at whether a conversion is over.
_SECONDS_BETWEEN_LOOKS = 1.0

#: Directory of a conversion → the corpus that this process has open for it.
_open: dict[Path, Corpus] = {}


@dataclass(frozen=True)
class Part:
    """The units of a corpus from `first` to before `stop`."""

    first: int
    stop: int


@dataclass(frozen=True)
class Written:
    """A part that is done, as far as it can be read.

    Attributes:
        name: name of its file.
        segments: how many segments are in it.
        account: the reader's account of it.
        trouble: sentences about what went wrong and changed no segment.
        refusal: the reader's sentence, where it goes no further.
    """

    name: str
    segments: int
    account: Account
    trouble: tuple[str, ...]
    refusal: str | None


@dataclass(frozen=True)
class PartWork:
    """Does the parts of one conversion; as it is sent with each of them, what a process keeps is not in it.

    Attributes:
        opening: opens the corpus.
        fingerprint: what `fingerprint_of` tells of the corpus as the client sees it.
        preparation: what prepares the segments.
        directory: a directory for the files of the parts, which is there as long as the conversion.
    """

    tasks_per_process: ClassVar[int | None] = None  # a part leaves nothing in the process

    opening: Callable[[], Corpus]
    fingerprint: str
    preparation: Preparation
    directory: Path

    def start(self) -> None:
        """Nothing; the corpus is opened for the first part, whose outcome tells what is wrong."""

    def log_path(self, task: Part) -> Path:
        """The one log of all parts."""
        return self.directory / _LOG

    def __call__(self, task: Part) -> Written:
        with interrupts.deferred() as is_stopped:
            return self._write(task, is_stopped)

    def _write(self, part: Part, is_stopped: Callable[[], bool]) -> Written:
        corpus = self._corpus()
        read_units = corpus.read_units
        if read_units is None:
            raise TypeError(f"a corpus that is not read in units: {corpus.format}")

        refusals: list[str] = []

        def prepared() -> Iterator[Prepared]:
            try:
                for segment in read_units(part.first, part.stop):
                    if is_stopped():
                        return
                    yield self.preparation(segment)
            except ValueError as error:
                # What was read before may hold something that is worse.
                refusals.append(str(error))

        name = f"{part.first}-{uuid.uuid4().hex}"
        segments = write_part(self.directory / name, prepared())
        account = Account()
        account.add(corpus.account)
        trouble = tuple(corpus.trouble)
        corpus.trouble.clear()
        return Written(name, segments, account, trouble, next(iter(refusals), None))

    def _corpus(self) -> Corpus:
        if self.directory not in _open:
            _open[self.directory] = self._opened()
            threading.Thread(target=_close_after, args=(self.directory,), daemon=True).start()
        return _open[self.directory]

    def _opened(self) -> Corpus:
        """The corpus.

        Raises:
            ValueError: this process does not see it as the client does.
        """
        problem = "other content"
        try:
            corpus = self.opening()
            if fingerprint_of(corpus) == self.fingerprint:
                return corpus
        except (ValueError, OSError) as error:
            problem = str(error).removesuffix(".")
        raise ValueError(
            f"A worker does not see the source as this machine does. Expected the same files, at the same place. "
            f"Received: {problem} (a worker on {socket.gethostname()}). Give it the same file system."
        )


def log_of(directory: Path) -> str:
    """What was printed while the parts were done."""
    path = directory / _LOG
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def fingerprint_of(corpus: Corpus) -> str:
    """What tells a corpus from others, and from the same with other files or another encoder of words."""
    told = {
        "format": corpus.format,
        "bytes": [Path(path).stat().st_size for path in corpus.files],
        "videos": list(corpus.video_ids),
        "units": corpus.num_units,
        "names": {name: list(names) for name, names in corpus.feature_names.items()},
        "aligned": dict(corpus.aligned),
        "words": sorted(corpus.vocabulary),
    }
    if corpus.text is not None:
        # Another TensorFlow may round otherwise.
        told["text"] = {**corpus.text.to_json(), "encoder": None}
        told["versions"] = [found.version for found in importlib.metadata.distributions(name="tensorflow")]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _close_after(directory: Path) -> None:
    """Lets go of a conversion's corpus, and so of the process that reads it, when the conversion is over."""
    while directory.is_dir():
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    _open.pop(directory, None)
