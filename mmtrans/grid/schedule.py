"""Does the tasks of a grid in worker processes: what is there is left alone, and one failure stops nothing else."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmtrans.config import RUN_FORMAT
from mmtrans.grid.description import Failure
from mmtrans.grid.inits import INITS, copy_path
from mmtrans.grid.plan import Grid, Task
from mmtrans.grid.progress import Display
from mmtrans.grid.store import Store
from mmtrans.grid.work import Workplace
from mmtrans.runs.phases import Phase, learned_otherwise
from mmtrans.runs.run import Run
from mmtrans.system.files import write_atomically
from mmtrans.system.lease import held
from mmtrans.workers.pool import WORKERS, Pool, signed_in


@contextlib.contextmanager
def locked_grid(path: Path) -> Iterator[None]:
    """Makes a grid's directory, and keeps other commands from working there within the context.

    Raises:
        ValueError: another command works there, or something else is there.
    """
    if path.exists() and not (path.is_dir() and (_is_unstarted(path) or (path / "grid.json").is_file())):
        raise ValueError(
            f"No grid there, and not empty. Expected a new directory. Received: out={path}. Choose another --out."
        )
    with held(path, "out"):
        yield


def _is_unstarted(path: Path) -> bool:
    """Whether a directory is empty, or holds only what making a grid leaves when it is interrupted."""
    return all(entry.name.startswith(".") or entry.name == INITS for entry in path.iterdir())


def pending_tasks(grid: Grid) -> list[Task]:
    """The tasks that are still to be done: those that gate the most first, else in the order of the grid."""
    store = Store(grid.path / "phases")
    tasks = [task for task in grid.tasks() if not _is_done(grid, store, task)]
    keys = {task.phase.key for task in tasks}
    lengths: dict[str, int] = {}
    for task in tasks:
        length, phase = 1, task.phase
        while phase is not None and phase.key in keys:
            lengths[phase.key] = max(length, lengths.get(phase.key, 0))
            length, phase = length + 1, phase.parent
    return sorted(tasks, key=lambda task: -lengths[task.phase.key])


def _is_done(grid: Grid, store: Store, task: Task) -> bool:
    if not store.holds(task.phase, task.config.optimisation.epochs):
        return False
    directory = grid.path / "runs" / task.name
    if not task.completes_run:
        return True
    if not (directory / "metrics.json").is_file():
        return False
    run = Run.open(directory)
    return run.config == task.config and all(store.is_placed(phase, run) for phase in run.phases)


def outdated_runs(grid: Grid) -> dict[str, list[str]]:
    """Finished runs that an earlier version made, and that learn something else now: reason → their names."""
    outdated: dict[str, list[str]] = {}
    for task in grid.tasks():
        directory = grid.path / "runs" / task.name
        if not task.completes_run or not (directory / "metrics.json").is_file():
            continue
        run = Run.open(directory)
        now = replace(run, run_format=RUN_FORMAT).phases[-1].key
        if now == task.phase.key != run.phases[-1].key:
            found = (learned_otherwise(p.kind, p.recipe, run.config, run.unaligned) for p in run.phases)
            outdated.setdefault(next(filter(None, found)), []).append(task.name)
    return outdated


def run_grid(grid: Grid, jobs: int, quiet: bool = False) -> dict[str, Failure]:
    """Trains and evaluates what a grid lacks, and keeps `failures.json`.

    Args:
        grid: a saved grid, in a directory that is locked.
        jobs: worker processes.
        quiet: no progress on the terminal.

    Returns:
        the content of `failures.json`: run that failed → its `reason`, one line, and the `log` to read.
    """
    for name in ("phases", "runs", "work", "logs"):
        (grid.path / name).mkdir(exist_ok=True)
    todo = pending_tasks(grid)
    unfinished = {task.phase.key for task in todo}
    failures: dict[str, Failure] = {}
    _save(grid, failures)
    # Threads of one operation help little where other processes keep the cores busy.
    threads = 1 if jobs > 1 else None
    init_paths = {init: copy_path(grid.path, init_hash) for init, init_hash in grid.inits.items()}
    workplace = Workplace(grid.path, grid.records_path, grid.splits, threads, init_paths)
    with (
        signed_in(grid.path / WORKERS),
        Display(len(todo), quiet) as display,
        Pool(workplace, lambda task: grid.path / _log(task)) as pool,
    ):
        while todo or pool.num_busy:
            ready = [task for task in todo if task.phase.parent is None or task.phase.parent.key not in unfinished]
            for task in ready[: jobs - pool.num_busy]:
                todo.remove(task)
                display.start(task)
                pool.submit(task)
            for outcome in pool.outcomes():
                if outcome.reason is None:
                    display.end(outcome.task, outcome.result)
                    unfinished.remove(outcome.task.phase.key)
                    continue
                lost = [task for task in todo if _builds_on(task.phase, outcome.task.phase)]
                todo = [task for task in todo if task not in lost]
                failure: Failure = {"reason": outcome.reason, "log": _log(outcome.task)}
                failures |= {task.name: failure for task in (outcome.task, *lost) if task.completes_run}
                _save(grid, failures)
                display.fail(outcome.task, len(lost), failure)
    if not failures:
        shutil.rmtree(grid.path / "work")
    return failures


def _builds_on(phase: Phase, other: Phase) -> bool:
    """Whether another phase is among a phase's ancestors."""
    return phase.parent is not None and (phase.parent.key == other.key or _builds_on(phase.parent, other))


def _log(task: Task) -> str:
    """A task's log, relative to the grid's directory."""
    return f"logs/{task.name}.log"


def _save(grid: Grid, failures: dict[str, Failure]) -> None:
    write_atomically(grid.path / "failures.json", json.dumps(failures, indent=2))
