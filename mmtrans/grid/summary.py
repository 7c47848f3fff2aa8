"""The result of a grid in short: each row's metrics, averaged over its seeds."""

from __future__ import annotations

from typing import TypedDict, cast

from mmtrans.evaluation.metrics import METRICS, mean_of
from mmtrans.evaluation.shapes import Evaluated, read_split
from mmtrans.grid.plan import Grid

# A checker knows only keys that are written out; these are made of the metrics.
Means = TypedDict("Means", dict.fromkeys(METRICS, float | None))  # pyright: ignore[reportArgumentType]


class RowSummary(Means):
    """A row of a grid in short: which it is, how many of its runs are complete, and each metric's mean over them.

    `collapsed` is how many of these predict (almost) a constant where the labels are not constant. A mean is `None`
    where the metric is undefined in one, or no run is complete.
    """

    recipe: str
    untrained: bool
    label_fraction: float
    variant: str
    seeds: int
    collapsed: int


def summarize(grid: Grid) -> list[RowSummary]:
    """The rows of a grid, with what there is of them on the grid's `metric_split`."""
    rows: list[RowSummary] = []
    for row in grid.rows():
        paths = [grid.path / "runs" / row.run_name(seed) / "metrics.json" for seed in grid.seeds]
        found = (read_split(path, grid.metric_split, Evaluated) for path in paths)
        results = [result for result in found if result is not None]
        means = {name: mean_of(result[name] for result in results) for name in METRICS}
        collapsed = sum(result["collapsed"] is True for result in results)
        summary = {
            "recipe": row.recipe,
            "untrained": row.untrained,
            "label_fraction": row.label_fraction,
            "variant": row.name,
            "seeds": len(results),
            "collapsed": collapsed,
            **means,
        }
        rows.append(cast(RowSummary, summary))
    return rows
