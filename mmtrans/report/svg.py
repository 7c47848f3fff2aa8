"""A picture of a page: SVG text, to be put into the page as it is: no script, no network, text as text."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mmtrans.plotting import save
from mmtrans.system.escape import for_html


@dataclass(frozen=True)
class Plot:
    """A picture of a page: what it shows, in words, and its SVG text."""

    caption: str
    svg: str


def svg_text(figure: Figure, title: str) -> str:
    """A figure as SVG text, an image by role.

    Args:
        figure: the figure.
        title: what it shows, which a screen reader says and a pointer that rests on it shows.
    """
    FigureCanvasSVG(figure)
    file = io.StringIO()
    # A fixed salt and no date: the same numbers give the same file.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mmtrans"}):
        save(figure, file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    start = text.index("<svg")
    end = text.index(">", start)
    named = f' role="img" aria-label="{for_html(title)}"><title>{for_html(title)}</title>'
    return f"{text[start:end]}{named}{text[end + 1 :]}"


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")
