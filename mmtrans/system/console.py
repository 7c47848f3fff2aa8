"""What is printed for people: no line obeys what a corpus or a file name says, and no name is taken for markup."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import rich.console
from rich.text import Text

from mmtrans.system.cell import in_notebook
from mmtrans.system.escape import for_terminal


class Console(rich.console.Console):
    """A console that shows each text as one line of what it says: control characters as escapes, brackets as they are.

    Lines are printed one by one, since a line end inside of a text may be a stranger's.

    Args:
        stderr: print there instead of on stdout.
        quiet: print nothing.
        width: width of a line, where it is not the terminal's.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, width: int | None = None):
        stream = sys.stderr if stderr else sys.stdout
        # In a notebook rich shows what it prints in the cell, wherever the stream leads.
        in_cell = None if in_notebook() else False
        super().__init__(
            file=stream, quiet=quiet, width=width, highlight=False, markup=False, emoji=False, force_jupyter=in_cell
        )

    def render_str(self, text: str, **kwargs) -> Text:
        """A text as rich prints it, in a line, a title or a cell."""
        return super().render_str(for_terminal(text), **kwargs)


def say(line: str) -> None:
    """Prints one line on stdout."""
    print(for_terminal(line), flush=True)


def warn(line: str) -> None:
    """Prints one line on stderr, with the command's name before it."""
    print(f"mmtrans: {for_terminal(line)}", file=sys.stderr)


@contextlib.contextmanager
def passing(line: str) -> Iterator[None]:
    """Tells a terminal what it waits for, within the context; the line is gone after it."""
    is_shown = sys.stderr.isatty()
    if is_shown:
        print(for_terminal(line), end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_shown:
            # Back to the first column, and clear the line.
            print("\r\033[K", end="", file=sys.stderr, flush=True)
