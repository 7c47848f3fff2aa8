"""Plots of scores: predicted against true, and the seven-class confusion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmtrans.evaluation.metrics import check_pair, has_seven_classes, pearson, to_classes
from mmtrans.plotting import BLUE, INK, MUTED, heading, new_figure, saved, tidy
from tfrecords.schema import LabelScale

#: Distances of the lattices that labels may lie on, as means over so many people do; and the share that must.
STEPS, ON_LATTICE = (1.0, 0.5, 1 / 3, 0.25, 0.2, 0.1), 0.9

CLASS_NAMES = ("-3", "-2", "-1", "0", "+1", "+2", "+3")


def plot_predictions(
    path: Path | None,
    predictions: np.ndarray,
    labels: np.ndarray,
    videos: Sequence[str],
    title: str,
    *,
    neutral: float = 0.0,
) -> Figure:
    """Draws predicted against true sentiment, with the identity line and both marginal distributions.

    Args:
        path: the image to write; `None` for none.
        predictions: `(n,)` scores in label units.
        labels: `(n,)` true scores.
        videos: `(n,)` the video of each segment, for the count.
        title: what was evaluated, with the split: `T->A, test`.
        neutral: the neutral point, where lines part the sides of both axes.

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

    step = lattice_step(labels)
    # Labels on a lattice hide one another: they are spread along x alone, so that the predictions stay exact.
    spread = 0.0 if step is None else min(0.15 * step, 0.006 * (high - low))
    jitter = np.random.default_rng(0).uniform(-spread, spread, labels.size)
    main.plot(limits, limits, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, label="predicted = true")
    for line in (main.axhline, main.axvline):
        line(neutral, color=MUTED, linewidth=0.8, zorder=0.9)
    alpha = float(np.clip(12 / np.sqrt(labels.size), 0.08, 0.8))
    main.scatter(labels + jitter, predictions, s=22, color=BLUE, alpha=alpha, linewidths=0, zorder=2)
    main.set(xlim=limits, ylim=limits)
    spreading = f"; points spread sideways by up to {spread:.2g}" if spread else ""
    main.set_xlabel(f"true sentiment (label units{spreading})", color=INK)
    main.set_ylabel("predicted sentiment (label units)", color=INK)
    main.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
    tidy(main)

    bins = _bins(limits, step)
    edge = {"edgecolor": "white", "linewidth": 0.6}
    top.hist(labels, bins=bins, color=MUTED, alpha=0.55, **edge)
    right.hist(predictions, bins=bins, color=BLUE, alpha=0.55, orientation="horizontal", **edge)
    top.set_axis_off()
    right.set_axis_off()
    heading(top, title, f"N = {labels.size:,} segments of {len(set(videos)):,} videos    r = {r}    MAE = {mae:.3f}")
    return saved(figure, path)


def lattice_step(labels: np.ndarray) -> float | None:
    """The largest of `STEPS` whose multiples most labels are, such as .2 of means over five people; else `None`."""
    for step in STEPS:
        places = labels / step
        if (np.abs(places - np.round(places)) < 0.01).mean() >= ON_LATTICE:
            return step
    return None


def _bins(limits: tuple[float, float], step: float | None) -> list[float]:
    """Edges of bins, with a place of the lattice of the labels in the middle of each; without a lattice 31 of them."""
    if step is None:
        return np.linspace(*limits, 32).tolist()
    first, last = np.floor(limits[0] / step), np.ceil(limits[1] / step)
    return ((np.arange(first, last + 2) - 0.5) * step).tolist()


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
            axes.text(column, row + 0.27, f"{share:.0%}", ha="center", va="center", color=color, fontsize=8.5)
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
    heading(axes, title, f"N = {labels.size:,} segments    Acc-7 = {accuracy:.1%}")
    return saved(figure, path)
