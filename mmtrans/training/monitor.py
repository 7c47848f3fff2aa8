"""What a user sees while a phase trains: a bar on a terminal, a line an epoch elsewhere, TensorBoard always."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import rich.progress
import tensorflow as tf
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from mmtrans.runs.phase_file import HistoryRow
from mmtrans.system.cell import CellLine, in_notebook
from mmtrans.system.console import Console
from mmtrans.training.progress import Progress
from mmtrans.training.samples import is_due

#: Scalars of every history row. TensorBoard shows them, and others that a row may have.
SCALARS = ("loss", "valid_loss", "learning_rate", "gradient_norm", "segments_per_second")


class Monitor:
    """Reports one phase. Use it as a context manager.

    Args:
        title: name of the phase, e.g. `translation T->A`.
        epochs: number of epochs of the phase at most.
        steps: batches of an epoch.
        logs_dir: directory of the phase's TensorBoard events; `None` for none.
        quiet: no output to the terminal.
        samples: `epoch →` nothing, writes samples of what the phase has learned to the default summary writer.
        workers: processes that train together; this one counts its own segments for each of them.
    """

    def __init__(
        self,
        title: str,
        epochs: int,
        steps: int,
        logs_dir: Path | None,
        quiet: bool = False,
        samples: Callable[[int], None] | None = None,
        workers: int = 1,
    ):
        self.title = title
        self.epochs = epochs
        self.steps = steps
        self.samples = samples
        self.workers = workers
        self.cell = CellLine() if in_notebook() and not quiet else None
        self.console = Console(stderr=True, quiet=quiet or self.cell is not None)
        self.figures = ""
        self.writer = (
            tf.summary.create_noop_writer() if logs_dir is None else tf.summary.create_file_writer(str(logs_dir))
        )
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
        )
        hidden = not self.console.is_terminal
        self.bar = rich.progress.Progress(*columns, console=self.console, transient=True, disable=hidden)
        self.task = self.bar.add_task(title, total=epochs * steps, figures="")
        self.started = time.perf_counter()
        self.segments = 0

    def __enter__(self) -> Monitor:
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()
        self.writer.close()

    def resume(self, epoch: int, batches: int = 0) -> None:
        """Starts the bar after `epoch` epochs, and `batches` of the next, that were trained before."""
        if epoch or batches:
            within = f" and {batches} of {self.steps} batches" if batches else ""
            self.console.print(f"{self.title}: resumes after epoch {epoch}{within}")
        self.bar.update(self.task, completed=epoch * self.steps + batches)

    def start_epoch(self) -> None:
        """Starts the clock of an epoch."""
        self.started, self.segments = time.perf_counter(), 0

    def step(self, segments: int) -> None:
        """Counts one batch."""
        self.segments += segments * self.workers
        self.bar.advance(self.task)
        if self.cell is not None:
            done = self.bar.tasks[self.task].completed
            text = f"{self.title}  epoch {int(done - 1) // self.steps + 1}/{self.epochs}  {self.figures}"
            self.cell.show(text, done / (self.epochs * self.steps))

    def segments_per_second(self) -> float:
        """Training speed of the epoch so far."""
        return self.segments / (time.perf_counter() - self.started)

    def end_epoch(self, row: HistoryRow, best: bool) -> None:
        """Reports a finished epoch: a row of history.csv."""
        epoch = int(row["epoch"])
        figures = (
            f"loss {row['loss']:.4f}  valid {row['valid_loss']:.4f}{'*' if best else ' '} "
            f"{row['segments_per_second']:.0f} segments/s"
        )
        self.figures = figures
        self.bar.update(self.task, figures=figures)
        if not self.console.is_terminal:
            self.console.print(f"{self.title}  epoch {epoch}/{self.epochs}  {figures}")
        with self.writer.as_default():
            for name in (*SCALARS, *(name for name in row if name not in (*SCALARS, "epoch"))):
                tf.summary.scalar(name, row[name], step=epoch)
            if self.samples is not None and is_due(epoch):
                self.samples(epoch)
        self.writer.flush()

    def end(self, progress: Progress) -> None:
        """Reports a finished phase."""
        line = (
            f"{self.title}: best valid loss {progress.best_loss:.4f} at epoch {progress.best_epoch} of {progress.epoch}"
        )
        self.console.print(line)
        if self.cell is not None:
            self.cell.show(line, now=True)
