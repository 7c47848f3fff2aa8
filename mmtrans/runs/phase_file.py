"""`phase.json`: how far a phase is, and what it has come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from tfrecords.stored import Count, read_json, shaped

#: What to do about a damaged file of a trained phase.
PHASE_REMEDY = "Remove the phase's directory, and give the command that trained it again, which trains it anew."

#: A row of history.csv: `epoch`, and floats.
HistoryRow = dict[str, int | float]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a phase that was trained to its end has come to.

    Attributes:
        epochs: number of epochs that the phase might be trained for at most.
        stopped_by: `epochs`, `patience`, `untrained`, or `fixed` where the number of steps was.
        epoch: number of epochs that the phase was trained for.
        step: optimiser steps that were done.
        best_loss: valid loss of the weights that were kept: the best, or the last of a fixed number of steps; `None` if
            untrained.
        best_epoch: the epoch that brought it; 0 if untrained.
        history: a row of history.csv for each epoch.
        parameters: numbers in the weights of its model, those that do not move among them; 0 where an earlier version
            trained it.
    """

    epochs: Count
    stopped_by: str
    epoch: Count
    step: Count = 0
    best_loss: float | None
    best_epoch: Count = 0
    history: list[HistoryRow]
    parameters: Count = 0


@dataclass(frozen=True)
class PhaseStatus:
    """How far a phase is, and what it rests on.

    Attributes:
        key: key of the phase when it was begun, see `Phase`.
        inherited: hash of its parent's weights at that time; `None` without a parent.
        outcome: what the phase has come to; `None` before its end.
    """

    key: str
    inherited: str | None
    outcome: Outcome | None = None


class _Stored(TypedDict):
    """What `phase.json` always has; from the phase's end also the fields of its `Outcome`."""

    key: str
    inherited: str | None
    finished: bool


def read_phase_file(directory: Path) -> PhaseStatus | None:
    """The `phase.json` of a phase's directory, or `None` where there is none.

    Raises:
        ValueError: the file is damaged.
    """
    path = directory / "phase.json"
    if not path.is_file():
        return None
    stored = read_json(path, _Stored, PHASE_REMEDY)
    outcome = shaped(stored, Outcome, path, PHASE_REMEDY) if stored["finished"] else None
    return PhaseStatus(stored["key"], stored["inherited"], outcome)
