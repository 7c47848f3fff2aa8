"""Ctrl-C and SIGTERM, by which a cluster says stop: both end what runs in good order."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. Whatever lets Ctrl-C pass lets this pass."""


class _Deferral:
    """How many contexts defer at present, what has come meanwhile, and whether nothing may be deferred."""

    depth = 0
    came: type[KeyboardInterrupt] | None = None
    is_urgent = False


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Context in which SIGTERM raises `Terminated`, as Ctrl-C raises `KeyboardInterrupt`, and both may be `deferred`.

    A signal that is ignored, as under `nohup`, stays so. In another thread than the main one nothing changes.
    """
    ordinary = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    replaced = {}
    if threading.current_thread() is threading.main_thread():
        for number, handler in ordinary.items():
            if signal.getsignal(number) == handler:
                replaced[number] = signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        if replaced:
            _Deferral.came, _Deferral.is_urgent = None, False


def handle_again() -> None:
    """Takes the signals back, within `handled`, from a library that has put a handler of its own in place.

    TensorFlow does so for SIGTERM where a training has several processes, and then nothing ends it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) == _on_signal and threading.current_thread() is threading.main_thread():
            # Python knows nothing of the other handler.
            signal.signal(number, _on_signal)


def _on_signal(number: int, _frame: object) -> None:
    error = Terminated if number == signal.SIGTERM else KeyboardInterrupt
    if _Deferral.depth and _Deferral.came is None and not _Deferral.is_urgent:
        _Deferral.came = error
        return
    _Deferral.came = None
    raise error


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Context that the first signal does not interrupt; it raises at the end. The second one interrupts at once.

    Yields:
        what tells whether a signal has come: the body then makes its work safe, and ends.
    """
    _Deferral.depth += 1
    try:
        yield lambda: _Deferral.came is not None
    finally:
        _Deferral.depth -= 1
    if not _Deferral.depth and _Deferral.came is not None:
        came, _Deferral.came = _Deferral.came, None
        raise came


def held_back() -> type[KeyboardInterrupt] | None:
    """What a signal that has come within `deferred` will raise at its end, or `None`."""
    return _Deferral.came


def raise_held_back() -> None:
    """Raises, within `deferred`, what has come: here nothing is lost."""
    if _Deferral.depth and _Deferral.came is not None:
        raise _Deferral.came


def request_stop() -> None:
    """Lets what is `deferred` in another thread end as SIGTERM would: now, or when something is deferred next."""
    if _Deferral.came is None:
        _Deferral.came = Terminated


def forget_stop() -> None:
    """Takes a `request_stop` back, which nothing has heeded."""
    _Deferral.came = None


def interrupt_main_thread() -> None:
    """Raises `KeyboardInterrupt` in the main thread, from another one; it is not deferred."""
    _Deferral.is_urgent = True
    thread_id = threading.main_thread().ident
    if thread_id is not None and hasattr(signal, "pthread_kill"):
        # Wakes it where it waits.
        signal.pthread_kill(thread_id, signal.SIGINT)
    else:
        _thread.interrupt_main()
