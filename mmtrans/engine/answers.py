"""What became of a task where it was done: its result, or why there is none. An answer is data that travels."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mmtrans.system import errors as system_errors
from mmtrans.system.console import say

#: Exceptions that are a task's failure, with their message as the reason.
FAILURES = (ValueError, FloatingPointError)


@dataclass(frozen=True)
class Answer:
    """What became of a task.

    Attributes:
        kind: `done`; `failed`, which is the task's own; `refused` by the operating system, as other tasks would be;
            `unfit`, where the worker lacks what it needs; `stopped` before its end, since nobody waits for it.
        result: what a task that is done returned; of an unfit worker its address; of one that was refused something
            what it is called.
        reason: why there is no result, in one line.
    """

    kind: Literal["done", "failed", "refused", "unfit", "stopped"]
    result: Any = None
    reason: str | None = None


def answer_of(do: Callable[[], Any]) -> Answer:
    """Does something, and tells what became of it. What it prints of an exception tells the log."""
    try:
        return Answer("done", do())
    except Exception as error:
        return _answer_to(error)


def _answer_to(error: Exception) -> Answer:
    is_ours = isinstance(error, FAILURES) or (isinstance(error, FileNotFoundError) and error.errno is None)
    is_refused = not is_ours and system_errors.is_refusal(error)
    is_known = is_ours or is_refused or system_errors.is_memory(error)
    # Another disk that is full may leave no room to say so.
    with contextlib.suppress(OSError):
        if is_known:
            say(f"{type(error).__name__}: {error}")
        else:
            traceback.print_exception(error)
    if is_refused:
        return Answer("refused", reason=system_errors.sentence_of(error))
    if is_ours:
        return Answer("failed", reason=" ".join(str(error).split()))
    if is_known:
        return Answer("failed", reason=system_errors.sentence_of(error))
    told = " ".join(f"{type(error).__name__}: {error}".split())
    return Answer("failed", reason=f"A defect of mmtrans: {told}. The log has the traceback.")
