"""Plots of a run: predicted against true, the seven-class confusion, the course of training, attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator, NullLocator

from mmtrans.evaluation.metrics import check_pair, has_seven_classes, pearson, to_classes
from mmtrans.plotting import BLUE, INK, MUTED, ORANGE, new_figure, saved, tidy
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.escape import for_plot
from tfrecords.schema import LabelScale

#: Inches of a picture of attention, at which steps become narrower and their names give way to numbers: matplotlib
#: draws nothing of more than 65,535 pixels.
MAX_INCHES = 40.0

#: Characters of a word at an axis, and numbers of steps without words.
WORD_LIMIT, MAX_NUMBERS = 24, 50

BEST_LINE = {"color": ORANGE, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 1}
CLASS_NAMES = ("-3", "-2", "-1", "0", "+1", "+2", "+3")

#: A row of a history, with numbers or their text.
HistoryRow = Mapping[str, str | float | None]


def _heading(axes: Axes, title: str, subtitle: str) -> None:
    title = for_plot(title)
    axes.annotate(
        title, (0, 1), (0, 22), "axes fraction", "offset points", fontsize=12, fontweight="bold", color=INK, va="bottom"
    )
    axes.annotate(subtitle, (0, 1), (0, 7), "axes fraction", "offset points", fontsize=9.5, color=MUTED, va="bottom")


def plot_predictions(
    path: Path | None, predictions: np.ndarray, labels: np.ndarray, videos: Sequence[str], title: str
) -> Figure:
    """Draws predicted against true sentiment, with the identity line and both marginal distributions.

    Args:
        path: the image to write; `None` for none.
        predictions: `(n,)` scores in label units.
        labels: `(n,)` true scores.
        videos: `(n,)` the video of each segment, for the count.
        title: what was evaluated, with the split: `T->A, test`.

    Raises:
        ValueError: different or wrong shapes, no segments, or values that are not finite.
    """
    predictions, labels = check_pair(predictions, labels)
    correlation = pearson(predictions, labels)
    r = "undefined" if correlation is None else f"{correlation:.3f}"
    mae = np.abs(predictions - labels).mean()
    low, high = min(predictions.min(), labels.min()), max(predictions.max(), labels.max())
    margin = 0.05 * (high - low) or 0.5
    limits = (low - margin, high + margin)

    figure = new_figure(6.6, 6.8)
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 0.9), height_ratios=(0.9, 5), wspace=0.02, hspace=0.02)
    top = figure.add_subplot(grid[0, 0])
    main = figure.add_subplot(grid[1, 0], sharex=top)
    right = figure.add_subplot(grid[1, 1], sharey=main)

    # Labels lie on a lattice of fifths: jitter along x only, so that the predictions stay exact.
    jitter = np.random.default_rng(0).uniform(-0.006, 0.006, labels.size) * (high - low)
    main.plot(limits, limits, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, label="predicted = true")
    alpha = float(np.clip(12 / np.sqrt(labels.size), 0.08, 0.8))
    main.scatter(labels + jitter, predictions, s=22, color=BLUE, alpha=alpha, linewidths=0, zorder=2)
    main.set(xlim=limits, ylim=limits)
    main.set_xlabel("true sentiment (label units)", color=INK)
    main.set_ylabel("predicted sentiment (label units)", color=INK)
    main.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
    tidy(main)

    bins = np.linspace(*limits, 32)
    edge = {"edgecolor": "white", "linewidth": 0.6}
    top.hist(labels, bins=bins, color=MUTED, alpha=0.55, **edge)
    right.hist(predictions, bins=bins, color=BLUE, alpha=0.55, orientation="horizontal", **edge)
    top.set_axis_off()
    right.set_axis_off()
    _heading(top, title, f"N = {labels.size:,} segments of {len(set(videos)):,} videos    r = {r}    MAE = {mae:.3f}")
    return saved(figure, path)


def plot_confusion(
    path: Path | None, predictions: np.ndarray, labels: np.ndarray, scale: LabelScale, title: str = "Seven classes"
) -> Figure:
    """Draws the seven-class confusion: shades are shares of each true class, numbers are segments.

    Args:
        path: the image to write; `None` for none.
        predictions: `(n,)` scores in label units.
        labels: `(n,)` true scores.
        scale: must span [-3, 3].
        title: what was evaluated, with the split: `T->A, test`.

    Raises:
        ValueError: another scale; different or wrong shapes, no segments, or values that are not finite.
    """
    if not has_seven_classes(scale):
        raise ValueError(
            f"This label has no seven classes. Expected a label that spans [-3, 3]. "
            f"Received: {scale.name} [{scale.low:g}, {scale.high:g}]. Plot the predictions instead."
        )
    predictions, labels = check_pair(predictions, labels)
    counts = np.zeros((7, 7), dtype=np.int64)
    np.add.at(counts, (to_classes(labels, 3) + 3, to_classes(predictions, 3) + 3), 1)
    support = counts.sum(axis=1)
    shares = counts / np.maximum(support, 1)[:, None]

    figure = new_figure(7.0, 6.0)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            share = shares[row, column]
            color = "white" if share > 0.55 else INK
            weight = "bold" if row == column else "normal"
            axes.text(column, row - 0.08, f"{count:,}", ha="center", va="center", color=color, fontweight=weight)
            axes.text(column, row + 0.27, f"{share:.0%}", ha="center", va="center", color=color, fontsize=7, alpha=0.75)
    axes.set_xticks(range(7), CLASS_NAMES)
    axes.set_yticks(range(7), [f"{name}  (n = {n:,})" for name, n in zip(CLASS_NAMES, support, strict=True)])
    axes.set_xticks(np.arange(0.5, 6), minor=True)
    axes.set_yticks(np.arange(0.5, 6), minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0, colors=INK, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class", color=INK)
    axes.set_ylabel("true class", color=INK)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=28, format=lambda value, _: f"{value:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=INK)
    bar.set_label("share of the true class", color=INK, fontsize=9)
    accuracy = np.trace(counts) / labels.size
    _heading(axes, title, f"N = {labels.size:,} segments    Acc-7 = {accuracy:.1%}")
    return saved(figure, path)


def plot_history(path: Path | None, rows: Sequence[HistoryRow]) -> Figure:
    """Draws train and valid loss by epoch, one panel a phase, the epoch of the best valid loss marked.

    Args:
        path: the image to write; `None` for none.
        rows: the rows of history.csv, as numbers or as the text that `csv.DictReader` gives: `phase`, `epoch`, `loss`,
            and where there are any, `valid_loss` and `learning_rate`. Other columns are left alone.

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
        _draw_phase(figure, grid[index // columns, index % columns], phase, phase_rows)
    return saved(figure, path)


def _column(rows: Sequence[HistoryRow], name: str) -> np.ndarray:
    """One column as float64 `(rows,)`, NaN where a row has no value."""
    cells = [row.get(name) for row in rows]
    return np.array([np.nan if cell is None or cell == "" else float(cell) for cell in cells])


def _draw_phase(figure: Figure, cell: SubplotSpec, phase: str, rows: Sequence[HistoryRow]) -> None:
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
    _heading(axes, phase, subtitle)
    axes.set_ylabel("mean loss", color=INK)
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


def plot_attention(
    path: Path | None, attention_weights: np.ndarray, words: Sequence[str], tokens: Sequence[str], title: str
) -> Figure:
    """Draws where the decoder looked: source steps to the right, target steps downwards.

    Args:
        path: the image to write; `None` for none.
        attention_weights: `(steps, source_steps)`.
        words: the source's words, or nothing: then steps are numbered.
        tokens: the decoded tokens, or nothing; a last row beyond them is EOS.
        title: name of the segment.
    """
    steps, source_steps = attention_weights.shape
    width, height = max(4.5, 1.9 + 0.27 * source_steps), max(3.0, 1.7 + 0.23 * steps)
    figure = new_figure(min(width, MAX_INCHES), min(height, MAX_INCHES))
    axes = figure.add_subplot()
    image = axes.imshow(attention_weights, cmap="Blues", vmin=0, aspect="auto")
    names = [*tokens, "<eos>"] if len(tokens) == steps - 1 else list(tokens)
    _name_steps(axes.xaxis, source_steps, words if width <= MAX_INCHES else ())
    _name_steps(axes.yaxis, steps, names if height <= MAX_INCHES else ())
    axes.tick_params(axis="x", rotation=60, length=0, colors=INK, labelsize=8)
    axes.tick_params(axis="y", length=0, colors=INK, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("source step (word)" if len(words) == source_steps else "source step", color=INK)
    axes.set_ylabel("target step (token)" if names else "target step", color=INK)
    bar = figure.colorbar(image, ax=axes, aspect=28)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=INK)
    bar.set_label("attention weight", color=INK, fontsize=9)
    _heading(axes, title, f"{steps} target steps over {source_steps} source steps")
    return saved(figure, path)


def _name_steps(axis: Axis, steps: int, names: Sequence[str]) -> None:
    """Names each step of an axis, or numbers as many as there is room for."""
    if len(names) == steps:
        axis.set_ticks(range(steps), [for_plot(name, WORD_LIMIT) for name in names])
        return
    axis.set_ticks(places := range(0, steps, ceil_div(steps, MAX_NUMBERS)), [str(place + 1) for place in places])
