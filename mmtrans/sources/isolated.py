"""Reading in a child process: what kills, hangs or swells the C library of a format ends as one sentence here.

The child is a fresh interpreter that imports the reader and nothing of TensorFlow. It opens the source, sends the
`Corpus` without its features, and then streams segments through a pipe. A pipe holds little, so that the child waits
where the parent is slow: in memory are one unit (a video) in each child and one segment here. Frames are JSON and raw
arrays: nothing that the child sends can run code.

Limits of a child, on Linux: `MAX_MEMORY_BYTES` of address space (or three quarters of the machine's memory, if that is
less), and `MAX_SILENT_SECONDS` in which the parent waits for it and hears nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mmtrans.sources.corpus import Corpus, Dropped
from mmtrans.sources.frames import corpus_of, read_frame, segment_of
from tfrecords.schema import Segment

#: A whole video of MOSEI needs 0.3 GiB, the largest dataset that is read at all 4 GiB and as much again to treat it.
MAX_MEMORY_BYTES = 12 << 30

#: The longest video takes seconds; a slow network drive may take minutes.
MAX_SILENT_SECONDS = 300.0

#: More children than processors only wait for each other.
MAX_WORKERS = 64


@dataclass(frozen=True)
class Limits:
    """What a child may use: bytes of address space, and seconds without a word while the parent waits."""

    memory_bytes: int = MAX_MEMORY_BYTES
    silent_seconds: float = MAX_SILENT_SECONDS


def read_isolated(
    open_function: Callable[..., Corpus],
    path: str | Path,
    options: dict | None = None,
    *,
    workers: int = 1,
    limits: Limits | None = None,
) -> Corpus:
    """Opens and reads a source in child processes; what comes out is what `open_function(path, **options)` gives.

    Args:
        open_function: a function of a module, `open_function(path, **options) -> Corpus`. A `UnitCorpus` can be read
            by several children.
        path: the source; it is named where a child dies.
        options: keyword arguments that JSON can express.
        workers: how many children read at the same time, each every `workers`-th unit; order and account are the same
            for any number.
        limits: of each child; the module's by default.

    Returns:
        A corpus whose `read()` streams from the children.

    Raises:
        ValueError: `workers` out of range; the reader's own refusals; a child that died, fell silent, or needed more
            memory than it may have (here or while reading).
        FileNotFoundError: as the reader's own.
        RuntimeError: a defect of the reader, with the child's traceback.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise ValueError(
            f"The number of workers is out of range. Expected 1 to {MAX_WORKERS}. Received: workers={workers} ({path}). "
            f"Choose as many as there are processors."
        )
    request = {
        "function": f"{open_function.__module__}:{open_function.__qualname__}",
        "path": str(path),
        "options": options or {},
    }
    start = partial(_Child, request, limits or Limits())
    first = start()
    header, _ = first.receive()
    corpus = corpus_of(header)
    return replace(corpus, read=_Reading(corpus, start, workers, [first]))


@dataclass
class _Reading:
    """`Corpus.read` from children; those that are still idle after opening serve the first call."""

    corpus: Corpus
    start: Callable[[], _Child]
    workers: int
    idle: list[_Child] = field(default_factory=list)

    def __call__(self) -> Iterator[Segment]:
        self.corpus.dropped.clear()
        self.corpus.cleaning.clear()
        with contextlib.ExitStack() as stack:
            children = []
            for index in range(self.workers):
                child = self.idle.pop() if self.idle else self.start()
                stack.callback(child.stop)
                children.append(child)
                child.send({"first": index, "step": self.workers})
            for child in children[1:]:
                # Only those that were started for this call have their corpus still to send.
                child.receive_corpus()
            yield from self._interleave(children)

    def _interleave(self, children: list[_Child]) -> Iterator[Segment]:
        turn = 0
        while True:
            header, arrays = children[turn % len(children)].receive()
            if header["kind"] == "segment":
                yield segment_of(header, arrays)
            elif header["kind"] == "unit":
                self.corpus.dropped.extend(Dropped(*pair) for pair in header["dropped"])
                self.corpus.cleaning.update(Counter(header["cleaning"]))
                turn += 1
            else:
                # Units are dealt out in turn: the first child that has none left is the one whose turn is past the end.
                return
