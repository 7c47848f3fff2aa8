"""A line of a notebook's cell that is written over: many lines there are many outputs."""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from mmtrans.system.escape import for_html

#: Between two changes of the line.
SECONDS = 0.5

#: Characters of a bar.
WIDTH = 24

_logged = contextvars.ContextVar("logged", default=False)


class CellLine:
    """One line in the output of the cell that runs; it appears with its first text."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = 0.0

    def show(self, text: str, share: float | None = None, now: bool = False) -> None:
        """Shows a text in place of the one before, unless that came within the last half second.

        Args:
            text: one line.
            share: what of the work is done, 0 to 1, drawn as a bar before the text.
            now: show it in any case.
        """
        if not now and time.monotonic() - self._shown < SECONDS:
            return
        # There wherever `in_notebook` says yes.
        display = importlib.import_module("IPython.display")

        self._shown = time.monotonic()
        filled = 0 if share is None else round(WIDTH * share)
        bar = "" if share is None else f"{'█' * filled}{'░' * (WIDTH - filled)} "
        line = display.HTML(f"<pre>{for_html(bar + text)}</pre>")
        if self._handle is None:
            self._handle = display.display(line, display_id=True)
        else:
            self._handle.update(line)


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Context in which what is printed goes into a log, and nothing of it into a cell."""
    before = _logged.set(True)
    try:
        yield
    finally:
        _logged.reset(before)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, and its cells show what is printed."""
    if _logged.get():
        return False
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
