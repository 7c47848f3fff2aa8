"""The other end of `untrusted.parent`: the process that opens a source and streams it through its stdout."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mmtrans.sources.corpus import Corpus
from mmtrans.sources.untrusted import hdf5
from mmtrans.sources.untrusted.messages import Command, Opening, Request
from mmtrans.sources.untrusted.wire import encode, encode_account, encode_corpus, encode_segment
from mmtrans.system.errors import sentence_of

try:
    import resource
except ImportError:
    # Windows: the memory of a child has no limit there.
    resource = None

#: What the last dataset's path is cut to; longer ones only fill the message.
_WHERE_BYTES = 1000


def main() -> None:
    """Serves one parent: one line of JSON that says what to open, and for each reading one that says which units."""
    # The parent is interrupted too, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    frames = os.dup(1)
    # Whatever a library prints must not get between the frames.
    os.dup2(2, 1)
    request: Opening | None = json.loads(sys.stdin.readline() or "null")
    if request is None:
        return
    where = [request["path"]]

    def note(path: str, name: str) -> None:
        where[0] = f"{path}, {name}"
        os.pwrite(request["where"], where[0].encode(errors="replace")[:_WHERE_BYTES] + b"\0", 0)

    hdf5.watch(note)
    limit_memory(request["memory_bytes"])
    try:
        _serve(request, frames)
    except BrokenPipeError:
        # The parent is gone, and with it everyone who could be told.
        return
    except MemoryError:
        _write(frames, encode({"kind": "error", "type": "MemoryError", "where": where[0]}))
    except (ValueError, OSError) as error:
        # Anything else is a defect of ours: its traceback ends the process, and the parent shows it.
        kind = "FileNotFoundError" if isinstance(error, FileNotFoundError) else "ValueError"
        message = (sentence_of(error) if isinstance(error, OSError) else None) or str(error)
        _write(frames, encode({"kind": "error", "type": kind, "message": message}))


def limit_memory(memory_bytes: int) -> None:
    """Limits this process's address space to `memory_bytes`, or three quarters of the machine's memory if less.

    Where the system has no such limit (macOS accepts and ignores it, or refuses; Windows has none) reading goes on
    without.
    """
    if resource is None:
        return
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(memory_bytes, physical * 3 // 4)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _serve(request: Request, frames: int) -> None:
    module, _, name = request["function"].partition(":")
    function: Callable[..., object] = getattr(importlib.import_module(module), name)
    corpus = function(request["path"], **request["options"])
    if inspect.isgenerator(corpus):
        parts: Any = corpus
        for value, arrays in parts:
            _write(frames, encode({"kind": "part", "value": value}, arrays))
        _write(frames, encode({"kind": "done"}))
        return
    if not isinstance(corpus, Corpus):
        _write(frames, encode({"kind": "value", "value": corpus}))
        return
    _write(frames, encode_corpus(corpus))
    while line := sys.stdin.readline():
        command: Command = json.loads(line)
        stop, read_units = command["stop"], corpus.read_units
        for segment in corpus.read() if stop is None or read_units is None else read_units(command["first"], stop):
            _write(frames, encode_segment(segment))
        _write(frames, encode_account(corpus.account))


def _write(frames: int, pieces: list[bytes | memoryview]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(frames, rest) :]
