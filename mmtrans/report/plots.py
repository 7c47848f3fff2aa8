"""Plots of a report as SVG text, to be put into a page: no script, no network, text as text."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

from mmtrans.evaluation.plots.robustness import CURVE_STYLES, PANELS
from mmtrans.grid.variants import Variant
from mmtrans.plotting import BLUE, INK, MUTED, ORANGE, tidy
from mmtrans.recipe import Translation, parse
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.compare import Comparison, Results, Row
from mmtrans.report.learning_curves import learning_curves
from mmtrans.report.numbers import number_text
from mmtrans.report.svg import Plot, empty_figure, svg_text
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.escape import for_plot

#: A finding: Holm's p-value below this.
LEVEL = 0.05

#: Kind of baseline → title of its panel.
TITLES = {
    "concat": "against the features of all\nits modalities, concatenated",
    "source": "against its source alone,\nthe same input at test time",
    "untrained": "against its own encoder,\nuntrained",
}

#: Curves of a label plot: name, colour, marker. The markers tell them apart in black and white.
CURVES = (("translation", BLUE, "o"), ("untrained encoder", ORANGE, "s"), ("source alone", MUTED, "^"))


def draw(grid: CollectedGrid, results: Results) -> dict[str, Plot]:
    """The plots that the results allow: title of the table that a plot belongs to → plot."""
    plots = {}
    if any(course.histories for course in grid.courses):
        plots["Training"] = learning_curves(grid)
    if results.translations:
        plots["Measured, with intervals"] = heat_map(results.whole)
    if any(results.comparisons.values()):
        plots["Translations against their baselines"] = forest_plot(results)
    if any(variant.label_fraction < 1 for variant in results.rows):
        plots["Few labels"] = label_plot(results)
    if any(row.curves for row in results.rows.values()):
        plots["Robustness"] = robustness_curves(results)
    return plots


def forest_plot(results: Results) -> Plot:
    """Difference in MAE of each translation to its baselines, with 95 % intervals where there are any."""
    families = {kind: family for kind, family in results.comparisons.items() if family}
    names = [row.variant.recipe for row in results.translations]
    names = [name for name in names if any(name in family for family in families.values())]
    figure = empty_figure(2.6 + 3.4 * len(families), 1.6 + 0.3 * len(names))
    panels = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for axes, (kind, family) in zip(panels, families.items(), strict=True):
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
        for place, name in enumerate(names):
            if name in family:
                _draw_difference(axes, place, family[name])
        axes.set_title(TITLES[kind], fontsize=10.5, color=INK, loc="left")
        axes.set_xlabel("difference in MAE (label units)\n← better | worse →", color=INK, fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        tidy(axes, label_size=10)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    tested = any(c.difference.p_value is not None for family in families.values() for c in family.values())
    caption = "Mean absolute error of each translation minus that of its baseline. Left of the line it is better."
    if tested:
        caption += (
            f" Bars are 95 % intervals over videos and seeds; a filled mark is a finding (Holm's p below {LEVEL:g}): "
            "blue disc better, orange square worse."
        )
    return Plot(caption, svg_text(figure, "Difference in mean absolute error of translations to their baselines"))


def _draw_difference(axes: Axes, place: int, comparison: Comparison) -> None:
    difference, adjusted = comparison.difference, comparison.adjusted
    found = adjusted is not None and adjusted < LEVEL
    color = MUTED if not found else BLUE if difference.mean < 0 else ORANGE
    marker = "s" if found and difference.mean > 0 else "o"
    if difference.low is not None and difference.high is not None:
        axes.plot([difference.low, difference.high], [place, place], color=color, linewidth=1.8, zorder=2)
    face = color if found else "white"
    axes.plot(difference.mean, place, marker, color=color, markerfacecolor=face, markersize=6.5, zorder=3)


def heat_map(rows: Sequence[Row]) -> Plot:
    """MAE by what is read and what it is translated into; a dark cell is a low error.

    Args:
        rows: rows of `Results.whole`; baselines fill the column of sources alone.
    """
    cells = {}
    for row in rows:
        recipe = parse(row.variant.recipe)
        if isinstance(recipe, Translation):
            # `embed(T,A)->V` without its arrow and target.
            cells[str(recipe).removesuffix(f"->{recipe.target}"), str(recipe.target)] = row
        else:
            cells[str(recipe), "nothing"] = row
    sources = list(dict.fromkeys(source for source, _ in cells))
    targets = sorted({target for _, target in cells}, key=lambda name: (name != "nothing", len(name), name))
    values = np.full((len(sources), len(targets)), np.nan)
    for (source, target), row in cells.items():
        values[sources.index(source), targets.index(target)] = row.figures["mae"].mean
    figure = empty_figure(2.4 + 1.25 * len(targets), 1.6 + 0.42 * len(sources))
    axes = figure.add_subplot()
    # No colour of a value is that of an empty cell: the map ends before white, and empty cells are hatched.
    colors = ListedColormap(matplotlib.colormaps["Blues_r"](np.linspace(0, 0.82, 256)))
    axes.patch.set(facecolor="#f1f3f5", hatch="////", edgecolor="#c5ccd3", linewidth=0)
    image = axes.imshow(values, cmap=colors, aspect="auto")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (source, target), row in cells.items():
        place = targets.index(target), sources.index(source)
        color = "white" if values[place[1], place[0]] < middle else INK
        mae, accuracy = row.figures["mae"].mean, row.figures["acc2_has0"].mean
        text = f"{number_text(mae)} ({number_text(accuracy)})"
        axes.text(*place, text, ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(targets)), targets)
    axes.set_yticks(range(len(sources)), sources)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("translated into", color=INK, fontsize=10, labelpad=8)
    axes.set_ylabel("read", color=INK, fontsize=10)
    axes.tick_params(length=0, colors=INK, labelsize=10)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, aspect=28)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9, colors=INK)
    bar.set_label("MAE (label units)", color=INK, fontsize=10)
    caption = (
        "Mean absolute error over seeds, in brackets Acc-2 (≥0). Darker is better; a hatched cell has no recipe. "
        "The column “nothing” holds the baselines, which read features and translate nothing."
    )
    return Plot(caption, svg_text(figure, "Mean absolute error by what is read and what it is translated into"))


def label_plot(results: Results) -> Plot:
    """MAE against the share of labels: a panel for each translation, with its controls."""
    rows = results.translations
    columns = min(3, len(rows))
    lines = ceil_div(len(rows), columns)
    figure = empty_figure(3.5 * columns + 0.6, 0.8 + 2.7 * lines)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    fractions = sorted({variant.label_fraction for variant in results.rows})
    for axes, row in zip(panels[: len(rows)], rows, strict=True):
        recipe = parse(row.variant.recipe)
        variants = (Variant(str(recipe)), Variant(str(recipe), untrained=True), Variant(str(recipe.inputs)))
        for variant, curve in zip(variants, CURVES, strict=True):
            _draw_curve(axes, results, variant, fractions, curve)
        axes.set_title(str(recipe), fontsize=10.5, color=INK, loc="left")
        tidy(axes, label_size=10)
        axes.set_xscale("log")
        axes.set_xticks(fractions, [f"{100 * fraction:g} %" for fraction in fractions])
        axes.set_xticks([], minor=True)
        axes.tick_params(labelbottom=True)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    figure.supxlabel("share of the train labels (logarithmic)", fontsize=10, color=INK)
    figure.supylabel("MAE (label units)", fontsize=10, color=INK)
    # What is drawn in some panel, each once; three names do not fit beside one another above a single one.
    drawn = {name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    named = {"handles": drawn.values(), "labels": drawn.keys(), "ncols": 1 if columns == 1 else 3}
    figure.legend(**named, loc="outside upper center", frameon=False, fontsize=10, labelcolor=INK)
    caption = (
        "Mean absolute error over seeds when the sentiment phase sees only a share of the labels; translations are "
        "always trained on all segments. Bars are 95 % intervals over videos and seeds."
    )
    return Plot(caption, svg_text(figure, "Mean absolute error against the share of labels"))


def _draw_curve(axes: Axes, results: Results, variant: Variant, fractions: Sequence[float], curve: tuple) -> None:
    name, color, marker = curve
    # Side by side, or the bars of three curves would hide one another.
    shift = 1 + 0.04 * (CURVES.index(curve) - 1)
    points = []
    for fraction in fractions:
        row = results.rows.get(Variant(variant.recipe, variant.untrained, fraction))
        if row is None:
            continue
        mae = row.figures["mae"]
        points.append((fraction * shift, mae.mean))
        if mae.low is not None and mae.high is not None:
            axes.plot([fraction * shift] * 2, [mae.low, mae.high], color=color, linewidth=1, alpha=0.6)
    if points:
        axes.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=5, linewidth=1.6, label=name)


def robustness_curves(results: Results) -> Plot:
    """MAE against the level of each corruption: panels for each variant, with a curve for each modality it reads."""
    rows = [row for row in results.rows.values() if row.curves]
    figure = empty_figure(11.4, 0.9 + 2.2 * len(rows))
    panels = figure.subplots(len(rows), len(PANELS), sharex="col", sharey=True, squeeze=False)
    constant = min(metrics["mae"] for metrics in results.trivial.values())
    drawn = {}
    for line, row in zip(panels, rows, strict=True):
        for axes, kind in zip(line, PANELS, strict=True):
            axes.axhline(constant, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="best constant")
            for modality, (levels, errors) in row.curves[kind].items():
                color, marker = CURVE_STYLES[modality]
                axes.plot(levels, errors, color=color, marker=marker, markersize=4, linewidth=1.6, label=modality)
            tidy(axes, label_size=10)
        line[0].set_ylabel(for_plot(row.variant.title), color=INK, fontsize=10)
        drawn |= {name: handle for handle, name in zip(*line[0].get_legend_handles_labels(), strict=True)}
    for axes, (name, _) in zip(panels[0], PANELS.values(), strict=True):
        axes.set_title(name, fontsize=10.5, color=INK, loc="left")
    for axes, (_, unit) in zip(panels[-1], PANELS.values(), strict=True):
        axes.set_xlabel(unit, fontsize=10, color=INK)
    named = {"handles": drawn.values(), "labels": drawn.keys(), "ncols": len(drawn)}
    figure.legend(**named, loc="outside upper center", frameon=False, fontsize=10, labelcolor=INK)
    caption = "Mean absolute error (label units) when one modality that a run reads is corrupted, mean over seeds."
    return Plot(caption, svg_text(figure, "Mean absolute error against the level of corruption"))
