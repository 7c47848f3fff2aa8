"""What a user sees while a grid is worked on: bars on a terminal, a line a finished task elsewhere."""

from __future__ import annotations

import time

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mmtrans.grid.description import Failure
from mmtrans.grid.plan import Task
from mmtrans.grid.work import Completed, Trained
from mmtrans.system.console import Console
from mmtrans.system.escape import for_terminal


class Display:
    """Reports the tasks of a grid on stderr. Use it as a context manager.

    Args:
        total: tasks to be done.
        quiet: whether nothing is printed.
    """

    def __init__(self, total: int, quiet: bool = False):
        self.total = total
        self.done = 0
        self.console = Console(stderr=True, quiet=quiet)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(
            *columns,
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
            speed_estimate_period=3600,  # seconds; a task may take minutes
        )
        self.all_tasks = self.progress.add_task("grid", total=total, count=f"0/{total}")
        #: Task's name → its bar, and when it began.
        self._running: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, *_) -> None:
        self.progress.stop()

    def start(self, task: Task) -> None:
        """A worker begins a task."""
        bar = self.progress.add_task(for_terminal(task.title), total=None, count="")
        self._running[task.name] = bar, time.monotonic()

    def end(self, task: Task, result: Trained | Completed) -> None:
        """A task is done, with what the worker returned."""
        seconds = self._stop(task, 1)
        figures = (
            f"{result['split']} MAE {result['mae']:.4f}"
            if "mae" in result
            else "left untrained"
            if result["valid_loss"] is None
            else f"valid loss {result['valid_loss']:.4f}"
        )
        self._print(f"{task.title}: {figures}, {seconds:.0f} s")

    def fail(self, task: Task, num_lost: int, failure: Failure) -> None:
        """A task failed, and with it those that build on it."""
        self._stop(task, 1 + num_lost)
        lost = f" {num_lost} tasks that build on it are left out." if num_lost else ""
        self._print(f"{task.title} FAILED: {failure['reason']}{lost} See {failure['log']}.")

    def _stop(self, task: Task, count: int) -> float:
        """Counts tasks as done, and returns the seconds since the first of them began."""
        bar, began = self._running.pop(task.name, (None, time.monotonic()))
        # A worker that died at once has not told of its beginning.
        if bar is not None:
            self.progress.remove_task(bar)
        self.done += count
        self.progress.update(self.all_tasks, completed=self.done, count=f"{self.done}/{self.total}")
        return time.monotonic() - began

    def _print(self, line: str) -> None:
        self.console.print(f"[{self.done:>{len(str(self.total))}}/{self.total}] {line}", soft_wrap=True)
