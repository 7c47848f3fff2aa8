"""The result of a grid in short: each row's metrics, averaged over its seeds."""

from __future__ import annotations

import json
from dataclasses import replace

from mmtrans.evaluation.metrics import METRICS
from mmtrans.grid import VARIED
from mmtrans.grid.plan import Grid, run_name


def summarize(grid: Grid) -> list[dict]:
    """The rows of a grid, with what there is of them.

    Returns:
        for each row `recipe`, `untrained`, `label_fraction`; `seeds`, the number of runs that are complete;
        `collapsed`, how many of these hardly depend on their input; and each metric's mean over them on the grid's
        `metric_split`, `None` where one is undefined or no run is complete.
    """
    rows = []
    for row in grid.rows():
        paths = [grid.path / "runs" / run_name(replace(row, seed=seed)) / "metrics.json" for seed in grid.seeds]
        results = [json.loads(path.read_text("utf-8"))[grid.metric_split] for path in paths if path.is_file()]
        means = {name: _mean([result[name] for result in results]) for name in METRICS}
        collapsed = sum(result["collapsed"] for result in results)
        fields = {name: getattr(row, name) for name in VARIED if name != "seed"}
        rows.append({**fields, "seeds": len(results), "collapsed": collapsed, **means})
    return rows


def _mean(values: list[float | None]) -> float | None:
    return sum(values) / len(values) if values and None not in values else None
