"""A grid from its records to its result: planned, checked, trained as far as it is not, and summarised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.engine.options import EngineOptions
from mmtrans.grid.description import Failure
from mmtrans.grid.inits import keep_inits, open_inits, spelled_as_known
from mmtrans.grid.plan import Grid
from mmtrans.grid.schedule import locked_grid, outdated_runs, run_grid
from mmtrans.grid.summary import RowSummary, summarize
from mmtrans.system.console import warn
from mmtrans.training.prepare import prepare_phases


@dataclass(frozen=True)
class Completed:
    """What has become of a grid.

    Attributes:
        grid: the grid, with what earlier commands have put into its directory.
        rows: the result of each row, in the order of `grid.rows()`.
        failures: run that failed → why, and the log to read.
    """

    grid: Grid
    rows: list[RowSummary]
    failures: dict[str, Failure]


def plan_grid(
    path: Path, records: Records, config: Config, variants: Mapping[str, Mapping[str, Any]], **rows: Any
) -> Grid:
    """A grid over records.

    Args:
        path: directory of the grid, which may not be there yet.
        records: the records; with a test split the runs are evaluated on it, else on valid.
        config: what the runs have in common.
        variants: name → fields in which the runs of a variant differ.
        rows: `recipes`, `seeds`, `controls`, `label_fractions` and `steps_of_all`, as of `Grid`.

    Raises:
        ValueError: the number of steps is to be that with all labels, and is given besides.
    """
    named = [name for name, fields in variants.items() if fields.get("fixed_steps")]
    if rows.get("steps_of_all") and (config.optimisation.fixed_steps or named):
        raise ValueError(
            f"Two numbers of steps. Expected fixed_steps or steps_of_all. Received: steps_of_all=True and fixed_steps"
            f"{'' if config.optimisation.fixed_steps else f' of variants {named}'}. Leave out one of them."
        )
    return Grid(
        path=path,
        records_path=records.directory.resolve(),
        manifest_hash=records.manifest.manifest_hash,
        config=Config(**spelled_as_known(path, config.to_dict())),
        metric_split="test" if records.count("test", labelled=True) else "valid",
        variants={name: spelled_as_known(path, fields) for name, fields in variants.items()},
        unaligned=records.unaligned,
        text_encoder=records.text_encoder,
        **rows,
    )


def complete_grid(grid: Grid, records: Records, options: EngineOptions, quiet: bool = False) -> Completed:
    """Trains and evaluates what a grid lacks.

    Args:
        grid: as `plan_grid` gives it.
        records: the same records.
        options: where the phases are trained.
        quiet: no progress on the terminal.

    Raises:
        ValueError: the records do not suit a row; the directory holds something else, or another command works there.
        FileNotFoundError: a run to start from is gone.
    """
    configs = [grid.config_of(row) for row in grid.rows() if row.label_fraction == 1]
    inits = open_inits(grid.path, {made.plan.init for made in configs if made.plan.init})
    for made in configs:
        prepare_phases(made, records, init=inits.get(made.plan.init))
    with locked_grid(grid.path) as era:
        grid = replace(grid, inits=keep_inits(grid.path, inits)).merged()
        grid.save()
        for reason, names in outdated_runs(grid).items():
            warn(f"These runs are trained anew, since {reason}: {', '.join(names)}.")
        failures = run_grid(grid, options, quiet, era)
        return Completed(grid, summarize(grid), failures)
