"""The map of a study: for each row, in which worlds and with how many labels it has the lower error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from mmtrans.plotting import INK, MUTED, heading, new_figure, save
from mmtrans.report.numbers import number_text
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.escape import for_plot
from tools.study.results import Estimated, Results, clear_sign, rows_of, shares_of

#: Panels side by side.
COLUMNS = 3

#: The least difference of MAE at which a colour is full, so that noise alone is pale.
LEAST_REACH = 0.05


def plot_map(path: Path, results: Results) -> None:
    """Draws a panel a row: shares of the labels to the right, worlds downwards, differences as colours and numbers.

    Args:
        path: the image to write.
        results: what the study found.
    """
    rows, worlds, shares = rows_of(results), list(results["worlds"]), shares_of(results)
    differences = {
        (cell["row"], name, cell["label_fraction"]): cell["difference"]
        for name, world in results["worlds"].items()
        for cell in world["cells"]
        if cell["difference"] is not None
    }
    if not rows:
        return
    columns = min(COLUMNS, len(rows))
    lines = ceil_div(len(rows), columns)
    figure = new_figure(1.6 + columns * (1.2 + 0.9 * len(shares)), lines * (1.5 + 0.45 * len(worlds)))
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    reach = max(LEAST_REACH, *(abs(found["value"]) for found in differences.values()))
    colors = ScalarMappable(Normalize(-reach, reach), "RdBu_r")
    for axes, row in zip(panels, rows, strict=False):
        found = [[differences.get((row, world, share)) for share in shares] for world in worlds]
        values = np.array([[np.nan if cell is None else cell["value"] for cell in line] for line in found], float)
        axes.imshow(values, norm=colors.norm, cmap=colors.cmap, aspect="auto")
        _write_numbers(axes, found, reach)
        axes.set_xticks(range(len(shares)), [f"{100 * share:g} %" for share in shares])
        axes.set_yticks(range(len(worlds)), [for_plot(world) for world in worlds])
        axes.tick_params(colors=INK, labelsize=8, length=0)
        axes.spines[:].set_visible(False)
        heading(axes, row, "bold: the interval is clear of zero")
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    bar = figure.colorbar(colors, ax=panels.tolist(), aspect=28)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=INK)
    bar.set_label(f"MAE less that of {for_plot(results['against'])}: blue is better", color=INK, fontsize=9)
    figure.supxlabel("share of the labels", fontsize=9, color=MUTED)
    # The same figures give the same file, and text that can be searched.
    with rc_context({"svg.hashsalt": "map", "svg.fonttype": "none"}):
        save(figure, path, **({"metadata": {"Date": None}} if path.suffix == ".svg" else {}))


def _write_numbers(axes: Axes, found: list[list[Estimated | None]], reach: float) -> None:
    """Writes the differences of a panel into its fields, light on what is dark."""
    for y, line in enumerate(found):
        for x, cell in enumerate(line):
            if cell is not None:
                color = "white" if abs(cell["value"]) > 0.6 * reach else INK
                weight = "bold" if clear_sign(cell) else "normal"
                text = number_text(cell["value"])
                axes.text(x, y, text, ha="center", va="center", fontsize=8, color=color, fontweight=weight)
