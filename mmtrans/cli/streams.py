"""The three standard streams, which a shell may have closed, and which may fail."""

from __future__ import annotations

import io
import os
import sys


def open_streams() -> None:
    """Gives the process all three: in the place of one that the shell has closed (`>&-`) comes the null device.

    Else the next file that is opened would get the number of the stream, and whatever is printed would go there.
    Characters that the encoding of an output lacks become escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_stdout() -> None:
    """Writes out what is left for stdout; where that fails it goes nowhere, else Python would complain at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
