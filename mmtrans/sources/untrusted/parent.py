"""Reading in a child process: what kills, hangs or swells the C library of a format ends as one sentence here.

A child is a fresh interpreter that imports the reader and nothing of TensorFlow. It opens the source, sends the
`Corpus` without its features, and on command streams segments through a pipe. A pipe holds little, so that a child
waits where the parent is slow: in memory are one video in the child and one segment here. It ends with its parent.

Limits of a child: `MAX_MEMORY_BYTES` of address space, or three quarters of the machine's memory if that is less; and
`MAX_SILENT_SECONDS` in which the parent waits for it and hears nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.untrusted.messages import (
    Answer,
    Command,
    CorpusHeader,
    Opening,
    PartHeader,
    Request,
    SegmentHeader,
    ValueHeader,
)
from mmtrans.sources.untrusted.wire import PREFIX, account_of, corpus_of, decode, segment_of
from tfrecords.schema import Segment

try:
    import fcntl
except ImportError:
    # Windows: pipes keep their size there.
    fcntl = None

#: The largest dataset that is read at all has 4 GiB, and its treatment needs as much again and half of it.
MAX_MEMORY_BYTES = 12 << 30

#: The longest video takes seconds; a slow network drive may take minutes.
MAX_SILENT_SECONDS = 300.0

#: Room for a few segments, so that parent and child seldom wait for each other.
_PIPE_BYTES = 1 << 20

_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from mmtrans.sources.untrusted.child import main; main()"
)


@dataclass(frozen=True)
class Limits:
    """What a child may use: bytes of address space, and seconds without a word while the parent waits."""

    memory_bytes: int = MAX_MEMORY_BYTES
    silent_seconds: float = MAX_SILENT_SECONDS


def read_isolated(
    open_function: Callable[..., Corpus],
    path: str | Path,
    options: Mapping[str, object] | None = None,
    *,
    limits: Limits | None = None,
) -> Corpus:
    """Opens and reads a source in a child process; what comes out is what `open_function(path, **options)` gives.

    Args:
        open_function: a function of a module, `open_function(path, **options) -> Corpus`.
        path: the source; it is named where a child dies.
        options: keyword arguments that JSON can express.
        limits: limits of the child; the module's by default.

    Returns:
        A corpus that streams from the child. After `read()` the child ends; over calls of `read_units` it stays.

    Raises:
        ValueError: the reader's own refusals; a child that died, fell silent, or needed more memory than it may have.
            All may also come while reading.
        FileNotFoundError: the reader raises one.
        RuntimeError: a defect of the reader, with the child's traceback.
    """
    limits = limits or Limits()
    request = _request(open_function, path, options, limits)
    child = _Child(request, limits)
    corpus = corpus_of(cast(CorpusHeader, child.receive()[0]))
    # The child that has opened the source, and waits for a command.
    idle = [child]

    def read(first: int = 0, stop: int | None = None) -> Iterator[Segment]:
        corpus.account.clear()
        child = idle.pop() if idle else _opened(request, limits)
        try:
            yield from _read(corpus, child, {"first": first, "stop": stop})
            if stop is not None:
                idle.append(child)
        finally:
            if child not in idle:
                child.stop()

    return replace(corpus, read=read, read_units=read if corpus.num_units else None)


def call_isolated(
    function: Callable[..., object],
    path: str | Path,
    options: Mapping[str, object] | None = None,
    *,
    limits: Limits | None = None,
) -> object:
    """What `function(path, **options)` gives, computed in a child process.

    Args:
        function: a function of a module whose result JSON can express.
        path, options, limits: the arguments of `read_isolated` with these names.

    Raises:
        ValueError, FileNotFoundError, RuntimeError: the same causes as those of `read_isolated`.
    """
    limits = limits or Limits()
    child = _Child(_request(function, path, options, limits), limits)
    try:
        return cast(ValueHeader, child.receive()[0])["value"]
    finally:
        child.stop()


def stream_isolated(
    function: Callable[..., Iterator[tuple[object, Mapping[str, np.ndarray]]]],
    path: str | Path,
    options: Mapping[str, object] | None = None,
    *,
    limits: Limits | None = None,
) -> Iterator[tuple[object, dict[str, np.ndarray]]]:
    """What the generator `function(path, **options)` yields in a child process, part by part.

    The child ends where the iteration does.

    Args:
        function: a generator function of a module. Each part is a value that JSON can express, and non-empty float32
            arrays by name.
        path, options, limits: the arguments of `read_isolated` with these names.

    Raises:
        ValueError, FileNotFoundError, RuntimeError: the same causes as those of `read_isolated`, while iterating.
    """
    limits = limits or Limits()
    child = _Child(_request(function, path, options, limits), limits)
    try:
        while True:
            header, arrays = child.receive()
            if header["kind"] == "done":
                return
            yield cast(PartHeader, header)["value"], arrays
    finally:
        child.stop()


def _request(function: Callable, path: str | Path, options: Mapping[str, object] | None, limits: Limits) -> Request:
    return {
        "function": f"{function.__module__}:{function.__qualname__}",
        "path": str(path),
        "options": options or {},
        "memory_bytes": limits.memory_bytes,
    }


def _opened(request: Request, limits: Limits) -> _Child:
    child = _Child(request, limits)
    child.receive()
    return child


def _read(corpus: Corpus, child: _Child, command: Command) -> Iterator[Segment]:
    child.send(command)
    while True:
        header, arrays = child.receive()
        if header["kind"] == "end":
            corpus.account.add(account_of(header))
            return
        yield segment_of(cast(SegmentHeader, header), arrays)


class _Child:
    """A process that opens a source, and reads of it on command; `stop` may be called at any time."""

    def __init__(self, request: Request, limits: Limits) -> None:
        self._path = request["path"]
        self._limits = limits
        # The child notes here what it is about to touch, for the case that it does not come back.
        self._where, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - `stop` closes
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=[self._where.fileno()],
            env=environment,
            bufsize=0,
        )
        self._stdin, self._stdout = _unbuffered(self._process.stdin), _unbuffered(self._process.stdout)
        # A corpus that nobody reads leaves no process behind; nor does a parent that is killed: the child's stdin ends.
        files = (self._stdin, self._stdout, self._where, self._errors)
        self.stop = weakref.finalize(self, _stop, self._process, *files)
        if fcntl is not None:
            # Only Linux can, and a user's share of such pages is limited.
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.send({**request, "where": self._where.fileno()})

    def send(self, message: Opening | Command) -> None:
        with contextlib.suppress(BrokenPipeError):
            # That it is dead is told, with the reason, where its answer is missing.
            self._stdin.write(json.dumps(message).encode() + b"\n")

    def receive(self) -> tuple[Answer, dict[str, np.ndarray]]:
        """The next frame, or the child's failure as an exception."""
        text_bytes, array_bytes = PREFIX.unpack(self._receive_bytes(PREFIX.size))
        header, arrays = decode(self._receive_bytes(text_bytes), self._receive_bytes(array_bytes))
        if header["kind"] != "error":
            return header, arrays
        self.stop()
        if header["type"] == "MemoryError":
            raise self._refusal(f"it needs more than {self._limits.memory_bytes >> 20} MiB of memory", header["where"])
        raise {"ValueError": ValueError, "FileNotFoundError": FileNotFoundError}[header["type"]](header["message"])

    def _receive_bytes(self, count: int) -> bytearray:
        data = bytearray(count)
        rest = memoryview(data)
        deadline = time.monotonic() + self._limits.silent_seconds
        while rest:
            if not select.select([self._stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
                where = self._read_where()
                self.stop()
                raise self._refusal(f"nothing came of it for {self._limits.silent_seconds:g} s", where)
            received = self._stdout.readinto(rest)
            if not received:
                raise self._death()
            rest = rest[received:]
        return data

    def _death(self) -> Exception:
        code, where = self._process.wait(), self._read_where()
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace")
        self.stop()
        if code > 0 and "Traceback" in errors:
            return RuntimeError(f"The reader of {self._path} failed: {errors}")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return self._refusal(f"reading it ended with {how}", where)

    def _read_where(self) -> str:
        self._where.seek(0)
        return self._where.read().partition(b"\0")[0].decode(errors="replace") or self._path

    def _refusal(self, problem: str, where: str) -> ValueError:
        return ValueError(
            f"The source cannot be read: {problem}. Expected an undamaged file. Received: {self._path} (at {where}). "
            f"Download the file again."
        )


def _unbuffered(pipe: IO[bytes] | None) -> io.FileIO:
    """A pipe of a process that was started with `bufsize=0`, as what it then is."""
    if not isinstance(pipe, io.FileIO):
        raise TypeError(f"a pipe to a child is a {type(pipe).__name__}")
    return pipe


def _stop(process: subprocess.Popen, *files: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for file in files:
        # Closing flushes into a pipe that nobody reads any more.
        with contextlib.suppress(BrokenPipeError):
            file.close()
