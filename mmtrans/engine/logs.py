"""Where a task's output goes: into its log, while what is for the user stays on the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mmtrans.system.cell import logged


@contextlib.contextmanager
def printing_to(path: Path) -> Iterator[None]:
    """Sends both output streams to the end of a file within the context, those of C++ code and of children too."""
    with (
        open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace") as log,
        contextlib.ExitStack() as end,
    ):
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            kept = os.dup(number)
            end.callback(os.close, kept)
            end.callback(os.dup2, kept, number)
            os.dup2(log.fileno(), number)
        end.enter_context(logged())
        end.enter_context(contextlib.redirect_stdout(log))
        end.enter_context(contextlib.redirect_stderr(log))
        yield


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Context in which `sys.stderr` goes where it goes now, whatever `printing_to` does to file descriptor 2.

    What takes `sys.stderr` for later within the context, as a progress display does, is shown while a task is done.
    """
    if sys.stderr is not sys.__stderr__:
        # Somebody reads it as it is.
        yield
        return
    sys.stderr.flush()
    with (
        open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace") as terminal,
        contextlib.redirect_stderr(terminal),
    ):
        yield
