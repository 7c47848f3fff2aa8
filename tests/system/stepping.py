"""Steps functions through their file operations, so that a test can stop one, or kill it, before any of them."""

import sys
import threading

EVENTS = {"open", "os.listdir", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.utime"}

_local = threading.local()


class Killed(BaseException):
    """Comes instead of each further file operation of a function that was killed."""


class Actor:
    """A function in a thread of its own, stopped before its first file operation.

    Attributes:
        result: what the function returned.
        error: the exception that ended it.
        has_ended: whether it returned, failed or was killed.
    """

    def __init__(self, function):
        self.result = self.error = None
        self.has_ended = False
        self._left, self._is_killed = 0, False
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, args=(function,), daemon=True).start()
        self._stopped.acquire()

    def advance(self, operations=sys.maxsize):
        """Does so many file operations, or all; returns whether the function has not ended."""
        if not self.has_ended:
            self._left = operations
            self._go.release()
            self._stopped.acquire()
        return not self.has_ended

    def kill(self):
        """Ends the function where it stands."""
        self._is_killed = True
        self.advance()

    def _run(self, function):
        _local.actor = self
        try:
            self.result = function()
        except BaseException as error:
            self.error = error
        _local.actor = None
        self.has_ended = True
        self._stopped.release()

    def _before_operation(self):
        while self._left == 0 and not self._is_killed:
            self._stopped.release()
            self._go.acquire()
        if self._is_killed:
            raise Killed
        self._left -= 1


def _hook(event, _):
    actor = getattr(_local, "actor", None)
    if actor is not None and event in EVENTS:
        actor._before_operation()


sys.addaudithook(_hook)


def count(function):
    """Number of file operations of a function."""
    actor, number = Actor(function), 0
    while actor.advance(1):
        number += 1
    if actor.error:
        raise actor.error
    return number
