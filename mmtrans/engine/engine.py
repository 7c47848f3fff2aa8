"""What every engine does alike: tasks begin when those that they build on have ended, the urgent ones first."""

from __future__ import annotations

import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

#: Tasks of a process whose memory grows with each, as with a training; then it gives way to a new one.
TASKS_PER_PROCESS = 25


class Work(Protocol):
    """Where and how tasks are done. It is picklable, as are the tasks.

    Attributes:
        tasks_per_process: number of tasks after which a worker's process gives way to a new one, where a nanny starts
            it; `None` for never.
    """

    tasks_per_process: ClassVar[int | None]

    def start(self) -> None:
        """Prepares a process for its first task."""

    def __call__(self, task: Any) -> Any:
        """Does a task, and returns something small that is picklable. It may be called again for a task that is done.

        A ValueError or FloatingPointError is the task's failure, with its message as the reason.
        """

    def log_path(self, task: Any) -> Path:
        """File that receives what is printed while a task is done, after what is there."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: the task.
        result: what the work returned.
        reason: why it failed, in one line; `None` where it did not.
        is_lost: whether it was not tried, since something that it builds on failed, for that reason.
    """

    task: Any
    result: Any = None
    reason: str | None = None
    is_lost: bool = False


@dataclass(frozen=True, order=True)
class Entry:
    """A task that was submitted. The more urgent of two is the lesser."""

    rank: tuple[int, int]
    key: str = field(compare=False)
    task: Any = field(compare=False)


def _nothing() -> None:
    pass


class Engine(ABC):
    """Does tasks. One that builds on others begins when the caller, having dealt with their outcomes, asks for more.

    Attributes:
        on_room: called now and then while outcomes are waited for and workers have nothing to do, as after one has
            joined; it may submit tasks.
    """

    def __init__(self) -> None:
        self.on_room: Callable[[], None] = _nothing
        self._entries: dict[str, Entry] = {}
        self._numbers = itertools.count()
        self._unmet: dict[str, set[str]] = {}
        self._children: dict[str, list[str]] = {}
        self._reasons: dict[str, str | None] = {}
        self._unsettled: list[str] = []
        self._ready: list[Entry] = []
        self._lost: list[Entry] = []

    @property
    @abstractmethod
    def slots(self) -> int:
        """Tasks that can be at work at a time now; of a cluster workers join and leave."""

    @property
    def num_waiting(self) -> int:
        """Tasks that were submitted, and whose outcome was not given out yet."""
        return len(self._entries)

    def submit(self, task: Any, key: str, after: Sequence[str] = (), priority: int = 0) -> None:
        """Adds a task.

        Args:
            task: the task.
            key: its name, which no other task of the engine has had.
            after: keys of tasks that it builds on. They were submitted before.
            priority: of the tasks that may begin the one with the highest begins first, and else the one that was
                submitted first.
        """
        if key in self._entries or key in self._reasons:
            raise KeyError(f"A task of this key was submitted: {key}")
        if unknown := [parent for parent in after if parent not in self._entries and parent not in self._reasons]:
            raise KeyError(f"A task builds on tasks that were not submitted: {key} on {unknown}")
        self._entries[key] = entry = Entry((-priority, next(self._numbers)), key, task)
        failed = next((parent for parent in after if self._reasons.get(parent) is not None), None)
        if failed is not None:
            self._lose(entry, self._reasons[failed])
            return
        open_parents = {parent for parent in after if parent in self._entries or parent in self._unsettled}
        if not open_parents:
            heapq.heappush(self._ready, entry)
            return
        self._unmet[key] = open_parents
        for parent in open_parents:
            self._children.setdefault(parent, []).append(key)

    def outcomes(self) -> Iterator[Outcome]:
        """Yields what becomes of tasks, as they end, until none is left. More may be submitted in between.

        Raises:
            SystemRefusalError: the operating system refused something, as it would refuse other tasks.
        """
        while True:
            while self._unsettled:
                self._settle(self._unsettled.pop(0))
            if self._lost:
                entry = self._lost.pop(0)
                outcome = Outcome(entry.task, reason=self._reasons[entry.key], is_lost=True)
            elif self._entries:
                entry, outcome = self._next()
                self._reasons[entry.key] = outcome.reason
            else:
                return
            del self._entries[entry.key]
            self._unsettled.append(entry.key)
            yield outcome

    @abstractmethod
    def _next(self) -> tuple[Entry, Outcome]:
        """Does what is ready until a task has ended."""

    def _pop_ready(self) -> Entry:
        return heapq.heappop(self._ready)

    def _settle(self, key: str) -> None:
        """Lets what builds on a task begin, or loses it."""
        reason = self._reasons[key]
        for child in self._children.pop(key, ()):
            if child not in self._unmet:
                continue
            if reason is not None:
                del self._unmet[child]
                self._lose(self._entries[child], reason)
                continue
            self._unmet[child].remove(key)
            if not self._unmet[child]:
                del self._unmet[child]
                heapq.heappush(self._ready, self._entries[child])

    def _lose(self, entry: Entry, reason: str | None) -> None:
        self._reasons[entry.key] = reason
        self._lost.append(entry)
