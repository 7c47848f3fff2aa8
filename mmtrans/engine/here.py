"""The engine of one job: tasks are done in this process, one after another, without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmtrans.engine.answers import answer_of
from mmtrans.engine.engine import Engine, Entry, Outcome, Work
from mmtrans.engine.logs import printing_to
from mmtrans.system.errors import SystemRefusalError


class Here(Engine):
    """Does tasks in this process. Ctrl-C is the task's own: it makes its work safe, and the interrupt goes on.

    Args:
        work: the work.
        on_start: called with each task when it begins.
    """

    def __init__(self, work: Work, on_start: Callable[[Any], None]):
        super().__init__()
        self.work = work
        self.on_start = on_start
        self._is_started = False

    @property
    def slots(self) -> int:
        return 1

    def _next(self) -> tuple[Entry, Outcome]:
        entry = self._pop_ready()
        self.on_start(entry.task)
        with printing_to(self.work.log_path(entry.task)):
            answer = answer_of(lambda: self._do(entry.task))
        if answer.kind == "refused":
            raise SystemRefusalError(answer.reason)
        return entry, Outcome(entry.task, answer.result, answer.reason)

    def _do(self, task: Any) -> Any:
        if not self._is_started:
            self.work.start()
            self._is_started = True
        return self.work(task)
