"""What a grid would train, in which order, and for how long: told before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mmtrans.data.records import Records
from mmtrans.grid.inits import open_inits
from mmtrans.grid.plan import Grid, Task
from mmtrans.grid.schedule import pending_tasks
from mmtrans.runs.phase_file import read_phase_file
from mmtrans.training.prepare import prepare_phases


@dataclass(frozen=True)
class Forecast:
    """What is left to do of a grid.

    Attributes:
        tasks: the trainings, in the order in which they begin.
        total: number of all trainings of the grid.
        seconds: what they take at most, one after the other, as fast as those that are done; `None` where none is.
    """

    tasks: list[Task]
    total: int
    seconds: float | None


def forecast(grid: Grid, records: Records) -> Forecast:
    """Plans a grid and writes nothing.

    Args:
        grid: as `plan_grid` gives it.
        records: the same records.

    Raises:
        ValueError, FileNotFoundError: as of `complete_grid`.
    """
    configs = [grid.config_of(row) for row in grid.rows() if row.label_fraction == 1]
    inits = open_inits(grid.path, {made.plan.init for made in configs if made.plan.init})
    for made in configs:
        prepare_phases(made, records, init=inits.get(made.plan.init))
    planned = replace(grid, inits={init: run.translations_hash for init, run in inits.items()}).merged()
    tasks = pending_tasks(planned)
    speeds = dict(_seconds_of_epochs(planned, tasks, records.count("train")))
    seconds = None
    if speeds or not tasks:
        mean = float(np.mean(list(speeds.values()))) if speeds else 0.0
        seconds = sum(task.config.optimisation.epochs * speeds.get(task.phase.kind, mean) for task in tasks)
    return Forecast(tasks, len(planned.tasks()), seconds)


def _seconds_of_epochs(grid: Grid, tasks: list[Task], segments: int) -> Iterator[tuple[str, float]]:
    """Kind of a phase → seconds of an epoch, of the phases that the grid has trained already."""
    done = {task.phase.key[:16]: task.phase.kind for task in grid.tasks()}
    found: dict[str, list[float]] = {}
    for directory in sorted((grid.path / "phases").glob("*")):
        status = read_phase_file(directory)
        if status is not None and status.outcome is not None and directory.name in done:
            speeds = [row["segments_per_second"] for row in status.outcome.history if row.get("segments_per_second")]
            found.setdefault(done[directory.name], []).extend(segments / speed for speed in speeds)
    return ((kind, float(np.mean(seconds))) for kind, seconds in found.items() if seconds)
