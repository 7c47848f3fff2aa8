"""What `phase.json` says of a phase: whether it is trained to its end, and on which weights of its parent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict, TypeGuard

from mmtrans.config import digest
from mmtrans.runs.phases import Phase
from mmtrans.runs.run import REMEDY, Run
from mmtrans.runs.weights import PHASE_REMEDY, check_weights, read_weights
from tfrecords.stored import Count, damage, read_json, shaped


class Status(TypedDict):
    """What is read of `phase.json` from the start of a phase."""

    key: str
    inherited: str | None
    finished: bool


class Finished(Status):
    """And what it has from the phase's end."""

    epochs: Count
    stopped_by: str
    epoch: Count
    best_loss: float | None
    history: list[dict[str, float | str | None]]


def read_status(run: Run, phase: Phase) -> Status | None:
    """A phase's `phase.json`, or `None` before it was started."""
    return read_phase_file(run.phase_dir(phase))


def read_phase_file(directory: Path) -> Status | None:
    """The `phase.json` of a phase's directory, or `None` where there is none.

    Raises:
        ValueError: it is damaged.
    """
    path = directory / "phase.json"
    if not path.is_file():
        return None
    status = read_json(path, Status, PHASE_REMEDY)
    return shaped(status, Finished, path, PHASE_REMEDY) if status["finished"] else status


def has_ended(status: Status | None) -> TypeGuard[Finished]:
    """Whether a phase was trained to its end, on whatever weights of its parent."""
    return status is not None and status["finished"]


def read_finished(run: Run, phase: Phase) -> Finished:
    """The `phase.json` of a phase that was trained to its end.

    Raises:
        ValueError: it was not.
    """
    status = read_status(run, phase)
    if not has_ended(status):
        raise _unfinished(run, [phase])
    return status


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


def is_done(status: Status | None, phase: Phase, inherited: str | None, epochs: int) -> bool:
    """Whether a phase is trained to its end, on these weights of its parent, and more `epochs` would not change it."""
    if not has_ended(status) or (status["key"], status["inherited"]) != (phase.key, inherited):
        return False
    return status["stopped_by"] != "epochs" or status["epochs"] >= epochs


def is_finished(run: Run, phase: Phase) -> bool:
    """Whether a phase of a run is trained to its end, on its parent's present weights, for however many epochs."""
    status = read_status(run, phase)
    return is_done(status, phase, parent_weights_hash(run, phase), epochs=0)


def check_finished(run: Run, phases: Iterable[Phase] | None = None) -> None:
    """Raises a ValueError where phases of a run, `None` for all, are not trained to their end, or where a file that
    they depend on is not as it was in training."""
    unfinished = [phase for phase in phases or run.phases if not is_finished(run, phase)]
    for phase in unfinished:
        _check_unchanged(run, phase)
    if unfinished:
        raise _unfinished(run, unfinished)


def _unfinished(run: Run, phases: Iterable[Phase]) -> ValueError:
    return ValueError(
        f"The run is not finished. Expected every phase trained to its end. "
        f"Received: unfinished={[phase.name for phase in phases]} ({run.path}). "
        f"Give the same `mmtrans train` command again: it goes on from the last checkpoint."
    )


def _check_unchanged(run: Run, phase: Phase) -> None:
    """Raises a ValueError where a phase was trained to its end, but with another configuration or parent."""
    status = read_status(run, phase)
    if has_ended(status):
        if status["key"] != phase.key:
            received = f"a phase of another configuration, {phase.name}"
            raise damage(run.path / "config.yaml", "what the phases were trained with", received, REMEDY)
        if phase.parent:
            read_weights(run.weights_path(phase.parent))
