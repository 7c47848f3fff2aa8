"""A stand-in for an engine: trainings end at once, by a clock of their own."""

from __future__ import annotations

import heapq

from mmtrans.engine.answers import FAILURES
from mmtrans.engine.engine import Outcome


class ClockEngine:
    """Does tasks in this process, in the order in which so many workers would end them.

    Args:
        work: does a task.
        slots: number of workers.
        seconds: task → how long a worker takes.
    """

    def __init__(self, work, slots=1, seconds=lambda task: 1.0):
        self.work = work
        self.slots = slots
        self.seconds = seconds
        self.now = 0.0
        self.busy_seconds = 0.0
        self.begun = []
        self._at_work = []

    @property
    def num_waiting(self):
        return len(self._at_work)

    @property
    def at_work(self):
        return [task for _, _, task in self._at_work]

    @property
    def share(self):
        """How much of the workers' time was used until the last task ended."""
        return self.busy_seconds / (self.slots * self.now)

    def submit(self, task, key, after=(), priority=0):
        assert len(self._at_work) < self.slots
        assert task.name not in {other.name for other in self.at_work}, "two at once in one directory"
        assert key not in self.begun
        self.begun.append(key)
        seconds = self.seconds(task)
        self.busy_seconds += seconds
        heapq.heappush(self._at_work, (self.now + seconds, len(self.begun), task))

    def outcomes(self):
        while self._at_work:
            self.now, _, task = heapq.heappop(self._at_work)
            try:
                yield Outcome(task, self.work(task), None, False)
            except FAILURES as error:
                yield Outcome(task, None, str(error), False)
