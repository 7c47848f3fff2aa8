"""What mattered in a search: how much each parameter says about the objective, and a plot of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from mmtrans.plotting import BLUE, INK, ORANGE, save, tidy
from mmtrans.search.plan import Search
from mmtrans.search.results import Trial, best_first
from mmtrans.search.space import Choices, Interval
from mmtrans.system.arithmetic import ceil_div
from mmtrans.system.escape import for_plot

#: Under so many trials a forest says nothing.
MIN_TRIALS = 10

MAX_TICKS = 8


def columns_of(search: Search, trials: Sequence[Trial]) -> dict[str, np.ndarray]:
    """What differed between trials, as numbers: parameter, or `max_epochs`, → `(trials,)` float64.

    A listed value is the place that it has in its list.
    """
    columns = {}
    for name, parameter in search.space.items():
        values = [trial.parameters[name] for trial in trials]
        if isinstance(parameter, Choices):
            values = [parameter.values.index(value) for value in values]
        columns[name] = np.array(values, np.float64)
    budgets = np.array([trial.max_epochs for trial in trials], np.float64)
    return {**columns, "max_epochs": budgets} if len(set(budgets)) > 1 else columns


def importances(columns: Mapping[str, np.ndarray], values: np.ndarray) -> tuple[dict[str, float], float] | None:
    """How much worse a random forest predicts the objective when the values of one parameter are shuffled.

    Args:
        columns: parameter → `(trials,)`.
        values: `(trials,)` of the objective.

    Returns:
        parameter → share of all, each 0 to 1, the largest first; and the forest's R² on trials that it has not seen,
        at or under 0 where the shares say nothing. `None` with fewer than `MIN_TRIALS` trials or one value.
    """
    if len(values) < MIN_TRIALS or np.ptp(values) == 0:
        return None
    table = np.column_stack(list(columns.values()))
    forest = RandomForestRegressor(300, oob_score=True, random_state=0).fit(table, values)
    drops = permutation_importance(forest, table, values, n_repeats=20, random_state=0).importances_mean
    shares = np.maximum(drops, 0) / max(np.maximum(drops, 0).sum(), 1e-12)
    pairs = sorted(zip(columns, shares.tolist(), strict=True), key=lambda pair: -pair[1])
    return dict(pairs), float(forest.oob_score_)


def plot_parameters(search: Search, trials: Sequence[Trial]) -> None:
    """Draws the objective over each parameter, the most important first: `DIR/plots/parameters.png`.

    Args:
        search: the search.
        trials: the trials of the search; those that failed are left out.
    """
    ranked = best_first(search, list(trials))
    if not ranked:
        return
    columns, values = columns_of(search, ranked), np.array([trial.value for trial in ranked])
    found = importances(columns, values)
    shares = found[0] if found else dict.fromkeys(columns)
    width = min(4, len(shares))
    height = ceil_div(len(shares), width)
    figure = Figure(figsize=(3.1 * width + 0.6, 2.7 * height + 0.9), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(search, len(ranked), found), fontsize=10, color=INK, x=0.01, ha="left")
    grid = figure.subplots(height, width, squeeze=False, sharey=True)
    for axes in grid.flat[len(shares) :]:
        axes.set_visible(False)
    for axes, (name, share) in zip(grid.flat, shares.items(), strict=False):
        axes.set_title(
            for_plot(name) if share is None else f"{for_plot(name)}: {share:.0%}", fontsize=9.5, color=INK, loc="left"
        )
        axes.scatter(columns[name], values, s=16, color=BLUE, alpha=0.6, linewidths=0)
        axes.scatter(columns[name][:1], values[:1], s=44, color=ORANGE, marker="*", zorder=3)
        _label(axes, search, name)
    for axes in grid[:, 0]:
        axes.set_ylabel(for_plot(f"valid {search.objective}"), fontsize=9, color=INK)
    path = search.path / "plots" / "parameters.png"
    path.parent.mkdir(exist_ok=True)
    save(figure, path)


def _title(search: Search, number: int, found: tuple[dict[str, float], float] | None) -> str:
    head = f"{for_plot(search.config.plan.recipe)}, {number} trials of a {search.tuner} search; the star is the best. "
    if found is None:
        return head + f"\nToo few or too equal trials for importances (at least {MIN_TRIALS})."
    doubt = "" if found[1] > 0 else ": the shares say nothing"
    return head + f"\nShares: permutation importance in a random forest, whose R² out of bag is {found[1]:.2f}{doubt}."


def _label(axes: Axes, search: Search, name: str) -> None:
    tidy(axes, label_size=8)
    parameter = search.space.get(name)
    if isinstance(parameter, Interval):
        axes.set_xscale(parameter.sampling)
        if parameter.sampling == "log":
            # The default writes every digit of a decade, over one another.
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
    elif isinstance(parameter, Choices):
        places = range(0, len(parameter.values), ceil_div(len(parameter.values), MAX_TICKS))
        axes.set_xticks(places, [for_plot(str(parameter.values[place]), 16) for place in places])
        axes.margins(x=0.25 if len(places) < 4 else 0.05)
