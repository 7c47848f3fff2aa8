"""What all plots share: colours, an empty figure, tidy panels, and files that are written whole or not at all."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import IO, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from mmtrans.system.escape import for_plot
from mmtrans.system.files import new_file

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, ORANGE = "#2563eb", "#ea580c"


class Picture(Figure):
    """A figure that a notebook shows, whatever its settings are."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        save(self, file, format="png")
        return file.getvalue()


def new_figure(width: float, height: float) -> Picture:
    """An empty figure of so many inches, bound to no display."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Picture(figsize=(width, height), dpi=150, layout=layout, facecolor="white")
    # The canvas is bound here: no pyplot, no global state, no display.
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, *, label_size: int = 9, grid: Literal["both", "x", "y"] = "both") -> None:
    """Takes away from a panel what is not data.

    Args:
        axes: the panel.
        label_size: points of its tick labels.
        grid: direction of its grid lines.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=label_size, length=3)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def heading(axes: Axes, title: str, subtitle: str) -> None:
    """Puts a title above a panel, and beneath it in grey what its numbers are."""
    title = for_plot(title)
    axes.annotate(
        title, (0, 1), (0, 22), "axes fraction", "offset points", fontsize=12, fontweight="bold", color=INK, va="bottom"
    )
    axes.annotate(subtitle, (0, 1), (0, 7), "axes fraction", "offset points", fontsize=9.5, color=MUTED, va="bottom")


def pixels_of(figure: Figure) -> np.ndarray:
    """A figure as an image, `(height, width, 3)` uint8; where no font has a character there is a box."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def saved(figure: Figure, path: Path | None) -> Figure:
    """The figure, after it is written where a path is given."""
    if path is not None:
        save(figure, path)
    return figure


def save(figure: Figure, path: Path | IO, **options) -> None:
    """Writes a figure, a file whole or not at all; where no font has a character there is a box, and no warning of
    each."""
    if isinstance(path, Path):
        with new_file(path) as partial, open(partial, "wb") as file:
            save(figure, file, format=path.suffix[1:], **options)
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(path, **options)
