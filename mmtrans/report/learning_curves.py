"""Learning curves of a grid: valid loss by epoch, a panel a phase, a line a seed."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mmtrans.grid.variants import Variant
from mmtrans.plotting import BLUE, INK, MUTED, ORANGE, tidy
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.svg import Plot, empty_figure, svg_text
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.escape import for_plot

#: Panels side by side, and inches of one.
COLUMNS, WIDTH, HEIGHT = 4, 2.7, 1.75


def learning_curves(grid: CollectedGrid) -> Plot:
    """Valid loss by epoch of the phases of recipes themselves: no controls, no variants, all labels."""
    curves = _curves(grid)
    columns = min(COLUMNS, len(curves))
    lines = ceil_div(len(curves), columns)
    figure = empty_figure(WIDTH * columns + 0.4, HEIGHT * lines + 0.9)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, (title, found) in zip(panels, curves.items(), strict=False):
        for losses, is_limited in found:
            _draw(axes, losses, is_limited)
        axes.set_title(for_plot(title), fontsize=9, color=INK, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        tidy(axes, label_size=8)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    figure.supxlabel("epoch", fontsize=10, color=INK)
    figure.supylabel("valid loss", fontsize=10, color=INK)
    handles = [
        Line2D([], [], color=MUTED, linewidth=1.4, label="a seed"),
        Line2D([], [], color=BLUE, marker="o", linestyle="", markersize=5, label="best epoch"),
        Line2D([], [], color=ORANGE, marker="|", linestyle="", markersize=9, markeredgewidth=2, label="epoch limit"),
    ]
    legend = {"ncols": 1 if columns == 1 else 3, "frameon": False, "fontsize": 9, "labelcolor": INK}
    figure.legend(handles=handles, loc="outside upper center", **legend)
    caption = (
        "Learning curves: valid loss by epoch, a line a seed, each phase by itself. A disc is the epoch whose weights "
        "are kept; a bar at the end says that the limit of epochs stopped the phase."
    )
    return Plot(caption, svg_text(figure, "Valid loss by epoch of each phase"))


def _curves(grid: CollectedGrid) -> dict[str, list[tuple[list[float], bool]]]:
    """Title of a phase → the valid losses of each seed, and whether the limit stopped it; phases that rows share are
    there once."""
    curves: dict[str, dict[int, tuple[list[float], bool]]] = {}
    rows = [trained for variant, trained in grid.trained.items() if variant == Variant(variant.recipe)]
    for trained in rows or grid.trained.values():
        for course in trained.courses:
            limited = [phase.stopped_by == "epochs" for phase in course.phases]
            for (title, losses), is_limited in zip(course.histories.items(), limited, strict=False):
                if losses:
                    curves.setdefault(title, {}).setdefault(course.seed, (losses, is_limited))
    return {title: list(seeds.values()) for title, seeds in curves.items()}


def _draw(axes: Axes, losses: list[float], is_limited: bool) -> None:
    epochs = range(1, len(losses) + 1)
    axes.plot(epochs, losses, color=MUTED, linewidth=1.4)
    best = min(range(len(losses)), key=losses.__getitem__)
    axes.plot(best + 1, losses[best], "o", color=BLUE, markersize=4.5, zorder=3)
    if is_limited:
        axes.plot(len(losses), losses[-1], "|", color=ORANGE, markersize=9, markeredgewidth=2, zorder=2)
