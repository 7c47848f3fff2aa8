"""The result of a grid in short: each row's metrics, averaged over its seeds."""

from __future__ import annotations

from mmtrans.evaluation.metrics import METRICS, mean_of
from mmtrans.evaluation.shapes import Evaluated, read_split
from mmtrans.grid.plan import Grid


def summarize(grid: Grid) -> list[dict]:
    """The rows of a grid, with what there is of them.

    Returns:
        for each row `recipe`, `untrained`, `label_fraction`, `variant`; `seeds`, the number of runs that are complete;
        `collapsed`, how many of these predict (almost) a constant where the labels are not constant; and each metric's
        mean over them on the grid's `metric_split`, `None` where one is undefined or no run is complete.
    """
    rows = []
    for row in grid.rows():
        paths = [grid.path / "runs" / row.run_name(seed) / "metrics.json" for seed in grid.seeds]
        found = (read_split(path, grid.metric_split, Evaluated) for path in paths)
        results = [result for result in found if result is not None]
        means = {name: mean_of(result[name] for result in results) for name in METRICS}
        collapsed = sum(result["collapsed"] is True for result in results)
        fields = {"recipe": row.recipe, "untrained": row.untrained, "label_fraction": row.label_fraction}
        rows.append({**fields, "variant": row.name, "seeds": len(results), "collapsed": collapsed, **means})
    return rows
