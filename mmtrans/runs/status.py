"""Whether the phases of a run are trained to their end, and on which weights of their parents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from mmtrans.config import Config, digest
from mmtrans.runs.environment import REMEDY
from mmtrans.runs.phase_file import Outcome, PhaseStatus, read_phase_file
from mmtrans.runs.phases import Phase
from mmtrans.runs.place import check_unchanged
from mmtrans.runs.run import Run
from mmtrans.runs.weights import check_weights, read_weights
from mmtrans.system.files import write_atomically
from tfrecords.stored import damage


def read_status(run: Run, phase: Phase) -> PhaseStatus | None:
    """A phase's `phase.json`, or `None` before it was started."""
    return read_phase_file(run.phase_dir(phase))


def read_outcome(run: Run, phase: Phase) -> Outcome:
    """What a phase has come to.

    Raises:
        ValueError: the phase is not trained to its end, or its file is damaged.
    """
    status = read_status(run, phase)
    if status is None or status.outcome is None:
        raise _unfinished(run, [phase])
    return status.outcome


def write_status(run: Run, phase: Phase, status: PhaseStatus) -> None:
    """Writes a phase's `phase.json`."""
    content = {
        "kind": phase.kind,
        "recipe": str(phase.recipe),
        "key": status.key,
        "inherited": status.inherited,
        "finished": status.outcome is not None,
        **(asdict(status.outcome) if status.outcome else {}),
    }
    write_atomically(run.phase_dir(phase) / "phase.json", json.dumps(content, indent=2))


def parent_weights_hash(run: Run, phase: Phase) -> str | None:
    """Hash of the trained weights that a phase builds on, or `None` where it has no parent."""
    return weights_hash(run.weights_path(phase.parent)) if phase.parent else None


def weights_hash(path: Path) -> str:
    """Hash of a file of weights, as a phase keeps that of its parent's.

    Raises:
        FileNotFoundError: no such file.
    """
    check_weights(path)
    return digest(path.read_bytes().hex())


def is_begun(status: PhaseStatus | None, phase: Phase, inherited: str | None) -> bool:
    """Whether a status is that of this phase, on these weights of its parent."""
    return status is not None and (status.key, status.inherited) == (phase.key, inherited)


def is_done(status: PhaseStatus | None, phase: Phase, inherited: str | None, epochs: int) -> bool:
    """Whether a phase is trained to its end, on these weights of its parent, and more `epochs` would not change it."""
    if status is None or status.outcome is None or not is_begun(status, phase, inherited):
        return False
    return status.outcome.stopped_by != "epochs" or status.outcome.epochs >= epochs


def is_finished(run: Run, phase: Phase) -> bool:
    """Whether a phase of a run is trained to its end, on its parent's present weights, for however many epochs."""
    status = read_status(run, phase)
    if status is None or status.outcome is None:
        return False
    return is_done(status, phase, parent_weights_hash(run, phase), epochs=0)


def finished_run(path: Path, config: Config, manifest_hash: str) -> Run | None:
    """The run in a directory, if a command of this configuration on these records would train none of it; else `None`.

    Raises:
        ValueError: the run is of another configuration or of other records, or a file of it is damaged.
    """
    if not (path / "config.yaml").is_file() or not (path / "environment.json").is_file():
        return None
    run = Run.open(path)
    check_unchanged(path, (run.config, run.manifest_hash), (config, manifest_hash))
    for phase in run.phases:
        if not is_done(read_status(run, phase), phase, parent_weights_hash(run, phase), config.optimisation.epochs):
            return None
    return run


def check_finished(run: Run, phases: Iterable[Phase] | None = None) -> None:
    """Raises a ValueError where phases of a run, `None` for all, are not trained to their end, or where a file that
    they depend on is not as it was in training."""
    unfinished = [phase for phase in phases or run.phases if not is_finished(run, phase)]
    for phase in unfinished:
        _check_unchanged(run, phase)
    if unfinished:
        raise _unfinished(run, unfinished)


def _unfinished(run: Run, phases: Sequence[Phase]) -> ValueError:
    return ValueError(
        f"The run is not finished. Expected every phase trained to its end. "
        f"Received: unfinished={[phase.name for phase in phases]} ({run.path}). "
        f"Give the same `mmtrans train` command again: it goes on from the last checkpoint."
    )


def _check_unchanged(run: Run, phase: Phase) -> None:
    """Raises a ValueError where a phase was trained to its end, but with another configuration or parent."""
    status = read_status(run, phase)
    if status is not None and status.outcome is not None:
        if status.key != phase.key:
            received = f"a phase of another configuration, {phase.name}"
            raise damage(run.path / "config.yaml", "what the phases were trained with", received, REMEDY)
        if phase.parent:
            read_weights(run.weights_path(phase.parent))
