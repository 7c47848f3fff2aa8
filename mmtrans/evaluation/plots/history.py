"""The course of training: losses and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator, NullLocator

from mmtrans.config import Config
from mmtrans.plotting import BLUE, INK, MUTED, ORANGE, heading, new_figure, saved, tidy
from mmtrans.runs.phases import Phase
from mmtrans.system.arithmetic import ceil_div

BEST_LINE = {"color": ORANGE, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 1}

#: A row of a history, with numbers or their text.
HistoryRow = Mapping[str, str | float | None]


def plot_history(
    path: Path | None, rows: Sequence[HistoryRow], losses: Mapping[str, str] = MappingProxyType({})
) -> Figure:
    """Draws train and valid loss by epoch, one panel a phase, the epoch of the best valid loss marked.

    Args:
        path: the image to write; `None` for none.
        rows: the rows of history.csv, as numbers or as the text that `csv.DictReader` gives: `phase`, `epoch`, `loss`,
            and where there are any, `valid_loss` and `learning_rate`. Other columns are left alone.
        losses: phase → what its loss is, such as `mse`.

    Raises:
        ValueError: no rows, or a row without `phase`, `epoch` or `loss`.
    """
    if not rows:
        raise ValueError("The history is empty. Expected one row an epoch. Received: rows=0. Train an epoch first.")
    phases: dict[str, list[Mapping[str, str | float | None]]] = {}
    for row in rows:
        missing = sorted({"phase", "epoch", "loss"} - set(row))
        if missing:
            raise ValueError(
                f"A row of the history lacks columns. Expected phase, epoch and loss. "
                f"Received: missing={missing} of columns={sorted(row)}. Give the rows of history.csv."
            )
        phases.setdefault(str(row["phase"]), []).append(row)

    columns = 2 if len(phases) in (2, 4) else min(len(phases), 3)
    lines = ceil_div(len(phases), columns)
    figure = new_figure(1.4 + 4.6 * columns, 0.4 + 4.2 * lines)
    grid = figure.add_gridspec(lines, columns)
    for index, (phase, phase_rows) in enumerate(phases.items()):
        _draw_phase(figure, grid[index // columns, index % columns], phase, phase_rows, losses.get(phase))
    return saved(figure, path)


def loss_names(phases: Iterable[Phase], config: Config) -> dict[str, str]:
    """Phase → what its loss is: `mse`, `cross-entropy`, or the terms of a sum."""
    translation = "cross-entropy" if config.output.target == "tokens" else config.output.translation_loss
    kinds = {
        "translation": f"{translation}, with its way back" if config.output.cycle_weight else translation,
        "sentiment": config.regressor.sentiment_loss,
        "joint": f"{translation} and {config.regressor.sentiment_loss}, weighted",
    }
    return {phase.name: kinds[phase.kind] for phase in phases}


def _column(rows: Sequence[HistoryRow], name: str) -> np.ndarray:
    """One column as float64 `(rows,)`, NaN where a row has no value."""
    cells = [row.get(name) for row in rows]
    return np.array([np.nan if cell is None or cell == "" else float(cell) for cell in cells])


def _draw_phase(
    figure: Figure, cell: SubplotSpec, phase: str, rows: Sequence[HistoryRow], loss_name: str | None
) -> None:
    epochs, loss, valid, rate = (_column(rows, name) for name in ("epoch", "loss", "valid_loss", "learning_rate"))
    has_rate = bool(np.isfinite(rate).any())
    # A phase without learning rates gives their strip to the losses.
    halves = cell.subgridspec(2 if has_rate else 1, 1, height_ratios=(4, 1) if has_rate else None, hspace=0.05)
    axes = figure.add_subplot(halves[0])
    # A phase of one epoch has no line: its points must be seen.
    marker = "o" if len(rows) < 15 else None
    axes.plot(epochs, loss, color=MUTED, linewidth=1.6, marker=marker, markersize=3.5, label="train")
    subtitle = f"{len(rows):,} epochs" if len(rows) > 1 else "1 epoch"
    best = None
    if np.isfinite(valid).any():
        best = int(np.nanargmin(valid))
        axes.plot(epochs, valid, color=BLUE, linewidth=1.8, marker=marker, markersize=3.5, label="valid")
        axes.axvline(epochs[best], **BEST_LINE)
        axes.plot(epochs[best], valid[best], "o", color=ORANGE, markersize=7, zorder=5, label="best valid")
        subtitle += f"    best valid loss {valid[best]:.4g} at epoch {epochs[best]:g}"
    heading(axes, phase, subtitle)
    axes.set_ylabel(f"mean loss ({loss_name})" if loss_name else "mean loss", color=INK)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    tidy(axes)
    if has_rate:
        axes.tick_params(labelbottom=False)
        axes = figure.add_subplot(halves[1], sharex=axes)
        _draw_learning_rate(axes, epochs, rate)
        if best is not None:
            axes.axvline(epochs[best], **BEST_LINE)
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_learning_rate(axes: Axes, epochs: np.ndarray, rate: np.ndarray) -> None:
    low, high = float(np.nanmin(rate)), float(np.nanmax(rate))
    axes.step(
        epochs, rate, where="mid", color=MUTED, linewidth=1.4, marker="o" if len(rate) == 1 else None, markersize=3
    )
    axes.set_yscale("log" if low > 0 else "linear")
    tidy(axes)
    # Two numbers say it all: the ticks of a log axis collide in a strip this low.
    axes.set_yticks(sorted({low, high}), [f"{value:.2g}" for value in sorted({low, high})])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("learning\nrate", color=INK, fontsize=8)
