"""Has the tasks of a grid done: what is there is left alone, and one failure stops nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mmtrans.config import RUN_FORMAT
from mmtrans.engine.engine import Engine
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions, Needs
from mmtrans.grid.description import Failure
from mmtrans.grid.inits import INITS, copy_path
from mmtrans.grid.plan import Grid, Task
from mmtrans.grid.progress import Display
from mmtrans.grid.store import Store
from mmtrans.grid.work import ATTEMPTS, Workplace, log_name
from mmtrans.runs.environment import versions
from mmtrans.runs.phases import Phase, last_change
from mmtrans.runs.run import Run
from mmtrans.system.files import write_atomically
from mmtrans.system.lease import held
from mmtrans.training.memory import phase_memory
from tfrecords.manifest import MANIFEST_NAME, Manifest


@contextlib.contextmanager
def locked_grid(path: Path) -> Iterator[int]:
    """Makes a grid's directory, and keeps other commands from working there within the context.

    Yields:
        the lease's token.

    Raises:
        ValueError: another command works there, or something else is there.
    """
    if path.exists() and not (path.is_dir() and (_is_unstarted(path) or (path / "grid.json").is_file())):
        raise ValueError(
            f"No grid there, and not empty. Expected a new directory. Received: out={path}. Choose another --out."
        )
    with held(path, "out") as token:
        yield token or 0


def _is_unstarted(path: Path) -> bool:
    """Whether a directory is empty, or holds only what making a grid leaves when it is interrupted."""
    return all(entry.name.startswith(".") or entry.name == INITS for entry in path.iterdir())


def pending_tasks(grid: Grid) -> list[Task]:
    """The tasks that are still to be done: those that gate the most first, else in the order of the grid."""
    store = Store(grid.path / "phases")
    tasks = [task for task in grid.tasks() if not _is_done(grid, store, task)]
    lengths = chain_lengths(tasks)
    return sorted(tasks, key=lambda task: -lengths[task.phase.key])


def chain_lengths(tasks: Sequence[Task]) -> dict[str, int]:
    """Key of a task's phase → how many of the tasks follow one another from it on, itself included."""
    keys = {task.phase.key for task in tasks}
    lengths: dict[str, int] = {}
    for task in tasks:
        length, phase = 1, task.phase
        while phase is not None and phase.key in keys:
            lengths[phase.key] = max(length, lengths.get(phase.key, 0))
            length, phase = length + 1, phase.parent
    return lengths


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
            found = (last_change(p.kind, p.recipe, run.config, run.unaligned) for p in run.phases)
            outdated.setdefault(next(filter(None, found)).reason, []).append(task.name)
    return outdated


def run_grid(grid: Grid, options: EngineOptions, quiet: bool = False, era: int = 0) -> dict[str, Failure]:
    """Trains and evaluates what a grid lacks, and keeps `failures.json`.

    Args:
        grid: a saved grid, in a directory that is locked.
        options: where the phases are trained.
        quiet: no progress on the terminal.
        era: token of the grid's lease.

    Returns:
        the content of `failures.json`: run that failed → its `reason`, one line, and the `log` to read.
    """
    for name in ("phases", "runs", "logs"):
        (grid.path / name).mkdir(exist_ok=True)
    todo = pending_tasks(grid)
    failures: dict[str, Failure] = {}
    store = Store(grid.path / "phases")
    _save(grid, failures)
    work = _workplace(grid, options, era)
    work.clear()
    if todo:
        needs = None if options.is_here else _needs(grid)
        with (
            opened(options, work, needs, lambda task: display.start(task), quiet) as engine,
            Display(len(todo), quiet) as display,
        ):
            _submit([task for task in todo if not _waits(grid, task)], engine)
            for outcome in engine.outcomes():
                if outcome.reason is None:
                    work.publish(outcome.task)
                    display.end(outcome.task, outcome.result)
                    _submit([task for task in grid.followers(outcome.task) if not _is_done(grid, store, task)], engine)
                elif not outcome.is_lost:
                    lost = _lost_with(grid, todo, outcome.task)
                    failure: Failure = {"reason": outcome.reason, "log": log_name(outcome.task)}
                    failures |= {task.name: failure for task in (outcome.task, *lost) if task.completes_run}
                    _save(grid, failures)
                    display.fail(outcome.task, len(lost), failure)
    if not failures:
        work.forget()
    return failures


def _submit(tasks: Sequence[Task], engine: Engine) -> None:
    """Gives all tasks to an engine: the longest chains first, each after the one that it builds on."""
    lengths = chain_lengths(tasks)
    for task in tasks:
        parent = task.phase.parent
        after = [parent.key] if parent is not None and parent.key in lengths else []
        engine.submit(task, task.phase.key, after, lengths[task.phase.key])


def _workplace(grid: Grid, options: EngineOptions, era: int) -> Workplace:
    # Threads of one operation help little where other processes keep the cores busy. A cluster's workers know theirs.
    threads = 1 if options.jobs > 1 else None
    path = grid.path.resolve()
    init_paths = {init: copy_path(path, init_hash) for init, init_hash in grid.inits.items()}
    return Workplace(path, grid.records_path, grid.splits, threads, era, init_paths, grid.text_encoder)


def _needs(grid: Grid) -> Needs:
    """What a worker must have for the grid's tasks."""
    manifest = Manifest.load(grid.records_path)
    batch_sizes = {grid.config_of(row).optimisation.batch_size for row in grid.rows()}
    return Needs(
        versions={name: version for name, version in versions().items() if name in ("mmtrans", "tensorflow", "keras")},
        files=(grid.records_path / MANIFEST_NAME,),
        directories=(grid.path / ATTEMPTS,),
        memory=max(phase_memory(manifest, size) for size in batch_sizes),
    )


def _waits(grid: Grid, task: Task) -> bool:
    return grid.waits(task.row, task.config.plan.seed)


def _lost_with(grid: Grid, tasks: Sequence[Task], failed: Task) -> list[Task]:
    """The tasks that cannot be done where one has failed: they build on it, or wait for one of these."""
    lost = [task for task in tasks if _builds_on(task.phase, failed.phase)]
    runs = {(task.row, task.config.plan.seed) for task in (failed, *lost) if task.completes_run}
    return lost + [
        task
        for task in tasks
        if task not in lost and _waits(grid, task) and (task.row.with_all_labels, task.config.plan.seed) in runs
    ]


def _builds_on(phase: Phase, other: Phase) -> bool:
    """Whether another phase is among a phase's ancestors."""
    return phase.parent is not None and (phase.parent.key == other.key or _builds_on(phase.parent, other))


def _save(grid: Grid, failures: dict[str, Failure]) -> None:
    write_atomically(grid.path / "failures.json", json.dumps(failures, indent=2))
