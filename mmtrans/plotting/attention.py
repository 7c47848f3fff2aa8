"""Where the decoder looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from mmtrans.plotting import INK, heading, new_figure, saved
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.escape import for_plot

#: Inches of a picture of attention, at which steps become narrower and their names give way to numbers: matplotlib
#: draws nothing of more than 65,535 pixels.
MAX_INCHES = 40.0

#: Characters of a word at an axis, and numbers of steps without words.
WORD_LIMIT, MAX_NUMBERS = 24, 50


def plot_attention(
    path: Path | None,
    attention_weights: np.ndarray,
    words: Sequence[str],
    tokens: Sequence[str],
    title: str,
    *,
    prior: np.ndarray | None = None,
    r2: float | None = None,
) -> Figure:
    """Draws where the decoder looked: source steps to the right, target steps downwards.

    Args:
        path: the image to write; `None` for none.
        attention_weights: `(steps, source_steps)`.
        words: the source's words, or nothing: then steps are numbered.
        tokens: the decoded tokens, or nothing; a last row beyond them is EOS.
        title: name of the segment.
        prior: `(steps, source_steps)`, what the attention was before it learned; a second panel shows what is left
            without it. `None` where it started from nothing.
        r2: R² of the segment's frames; `None` where there is none.
    """
    steps, source_steps = attention_weights.shape
    panels = 1 if prior is None else 2
    width, height = max(4.8, 1.9 + 0.27 * source_steps), max(3.0, 1.9 + 0.23 * steps)
    figure = new_figure(min(panels * width, MAX_INCHES), min(height, MAX_INCHES))
    drawn = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    names = [*tokens, "<eos>"] if len(tokens) == steps - 1 else list(tokens)
    named = names if height <= MAX_INCHES else ()
    _draw_weights(figure, drawn[0], attention_weights, "attention weight", {"cmap": "Blues", "vmin": 0})
    facts = [f"{steps} target by {source_steps} source steps"]
    facts += [] if r2 is None else [f"R² {r2:.3f}"]
    if prior is not None:
        rest = attention_weights - prior
        reach = max(float(np.abs(rest).max()), 0.05)
        limits = {"cmap": "RdBu", "vmin": -reach, "vmax": reach}
        _draw_weights(figure, drawn[1], rest, "weight less that of the distance", limits)
        varies = min(attention_weights.std(), prior.std()) > 1e-9
        r = f"{np.corrcoef(attention_weights.ravel(), prior.ravel())[0, 1]:.3f}" if varies else "undefined"
        heading(drawn[1], "less the distance", f"r = {r} with the distance alone")
    for axes in drawn:
        _name_steps(axes.xaxis, source_steps, words if panels * width <= MAX_INCHES else ())
        axes.tick_params(axis="x", rotation=60, length=0, colors=INK, labelsize=8)
        axes.set_xlabel("source step (word)" if len(words) == source_steps else "source step", color=INK)
    _name_steps(drawn[0].yaxis, steps, named)
    drawn[0].set_ylabel("target step (token)" if names else "target step", color=INK)
    heading(drawn[0], title, "    ".join(facts))
    return saved(figure, path)


def _draw_weights(figure: Figure, axes: Axes, weights: np.ndarray, what: str, colors: Mapping[str, Any]) -> None:
    image = axes.imshow(weights, aspect="auto", **colors)
    axes.tick_params(axis="y", length=0, colors=INK, labelsize=8)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, aspect=28)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=INK)
    bar.set_label(what, color=INK, fontsize=9)


def _name_steps(axis: Axis, steps: int, names: Sequence[str]) -> None:
    """Names each step of an axis, or numbers as many as there is room for."""
    if len(names) == steps:
        axis.set_ticks(range(steps), [for_plot(name, WORD_LIMIT) for name in names])
        return
    axis.set_ticks(places := range(0, steps, ceil_div(steps, MAX_NUMBERS)), [str(place + 1) for place in places])
