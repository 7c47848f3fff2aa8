"""What a user sees while a phase trains: a line an epoch, beneath it a bar on a terminal, TensorBoard always."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import rich.progress
import tensorflow as tf
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from mmtrans.runs.phase_file import HistoryRow
from mmtrans.system.cell import CellLine, in_notebook
from mmtrans.system.console import Console
from mmtrans.training.progress import Progress
from mmtrans.training.samples import is_due

#: Characters of a bar, and of a title beside it: with epoch, time left and loss they fit a line of 80.
BAR_WIDTH, TITLE_WIDTH = 10, 34

#: In a phase's directory of events, those of valid: TensorBoard draws a loss of both into one chart.
VALID = "valid"

#: What begins the name of a figure of valid in a history row.
_OF_VALID = "valid_"


class Monitor:
    """Reports one phase. Use it as a context manager.

    Args:
        title: name of the phase, e.g. `translation T->A`.
        epochs: number of epochs of the phase at most.
        steps: batches of an epoch.
        logs_dir: directory of the phase's TensorBoard events; `None` for none.
        quiet: no output to the terminal.
        samples: `epoch →` nothing, writes samples of what the phase has learned to the default summary writer.
        record: rows of history.csv of all epochs so far → nothing, keeps them for those who look on.
    """

    def __init__(
        self,
        title: str,
        epochs: int,
        steps: int,
        logs_dir: Path | None,
        quiet: bool = False,
        samples: Callable[[int], None] | None = None,
        record: Callable[[Sequence[HistoryRow]], None] | None = None,
    ):
        self.title = title
        self.epochs = epochs
        self.steps = steps
        self.samples = samples
        self.record = record
        self.cell = CellLine() if in_notebook() and not quiet else None
        self.console = Console(stderr=True, quiet=quiet or self.cell is not None)
        self.figures = ""
        self.writer, self.valid_writer = (
            tf.summary.create_noop_writer() if logs_dir is None else tf.summary.create_file_writer(str(place))
            for place in (logs_dir, logs_dir and logs_dir / VALID)
        )
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[epoch]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}", markup=False),
        )
        hidden = not self.console.is_terminal
        self.bar = rich.progress.Progress(*columns, console=self.console, transient=True, disable=hidden)
        short = title if len(title) <= TITLE_WIDTH else f"{title[: TITLE_WIDTH - 1]}…"
        self.task = self.bar.add_task(short, total=epochs * steps, epoch=f"epoch 1/{epochs}", loss="")
        self.started = time.perf_counter()
        self.segments = 0

    def __enter__(self) -> Monitor:
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()
        self.writer.close()
        self.valid_writer.close()

    def resume(self, epoch: int, batches: int = 0) -> None:
        """Starts the bar after `epoch` epochs, and `batches` of the next, that were trained before."""
        if epoch or batches:
            within = f" and {batches} of {self.steps} batches" if batches else ""
            self.console.print(f"{self.title}: resumes after epoch {epoch}{within}")
        following = f"epoch {min(epoch + 1, self.epochs)}/{self.epochs}"
        self.bar.update(self.task, completed=epoch * self.steps + batches, epoch=following)

    def start_epoch(self) -> None:
        """Starts the clock of an epoch."""
        self.started, self.segments = time.perf_counter(), 0

    def step(self, segments: int) -> None:
        """Counts one batch of so many segments, those of all processes."""
        self.segments += segments
        self.bar.advance(self.task)
        if self.cell is not None:
            done = self.bar.tasks[self.task].completed
            text = f"{self.title}  epoch {int(done - 1) // self.steps + 1}/{self.epochs}  {self.figures}"
            self.cell.show(text, done / (self.epochs * self.steps))

    def segments_per_second(self) -> float:
        """Training speed of the epoch so far."""
        return self.segments / (time.perf_counter() - self.started)

    def end_epoch(self, row: HistoryRow, best: bool, history: Sequence[HistoryRow] = ()) -> None:
        """Reports a finished epoch.

        Args:
            row: its row of history.csv.
            best: whether its weights are kept.
            history: the rows of all epochs so far.
        """
        if self.record is not None:
            self.record(history)
        epoch = int(row["epoch"])
        figures = (
            f"loss {row['loss']:.4f}  valid {row['valid_loss']:.4f}{'*' if best else ' '} "
            f"{row['segments_per_second']:.0f} segments/s"
        )
        self.figures = figures
        following = min(epoch + 1, self.epochs)
        self.bar.update(self.task, epoch=f"epoch {following}/{self.epochs}", loss=f"loss {row['loss']:.4f}")
        self.console.print(f"{self.title}  epoch {epoch}/{self.epochs}  {figures}", soft_wrap=True)
        for name, value in row.items():
            if name == "epoch":
                continue
            with (self.valid_writer if name.startswith(_OF_VALID) else self.writer).as_default():
                tf.summary.scalar(name.removeprefix(_OF_VALID), value, step=epoch)
        with self.writer.as_default():
            if self.samples is not None and is_due(epoch):
                self.samples(epoch)
        self.writer.flush()
        self.valid_writer.flush()

    def end(self, progress: Progress) -> None:
        """Reports a finished phase."""
        is_best = progress.best_loss <= min((row["valid_loss"] for row in progress.history), default=progress.best_loss)
        what = "best valid loss" if is_best else "valid loss"
        line = f"{self.title}: {what} {progress.best_loss:.4f} at epoch {progress.best_epoch} of {progress.epoch}"
        self.console.print(line)
        if self.cell is not None:
            self.cell.show(line, now=True)
