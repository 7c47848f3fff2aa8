"""For how long valid has trained the sentiment of a run, so that another may be trained for as long."""

from __future__ import annotations

from pathlib import Path

from mmtrans.runs.environment import REMEDY, Environment, read_config
from mmtrans.runs.phase_file import PHASE_REMEDY, Outcome, read_phase_file
from mmtrans.runs.phases import phases_of
from tfrecords.stored import damage, read_json


def steps_of(run: Path) -> int:
    """The optimiser steps after which the sentiment phase of a run had its best valid loss.

    Args:
        run: directory of the run.

    Raises:
        FileNotFoundError: the directory holds no run.
        ValueError: the run is not finished, or was pre-trained only; a file of it is damaged.
    """
    if not (run / "config.yaml").is_file() or not (run / "environment.json").is_file():
        raise FileNotFoundError(
            f"No run there. Expected a directory made by `mmtrans train`. Received: steps_of={run}. Give another one."
        )
    environment = read_json(run / "environment.json", Environment, REMEDY)
    phase = phases_of(read_config(run, environment), environment["manifest_hash"])[-1]
    directory = run / "phases" / phase.name
    status = read_phase_file(directory)
    if not phase.scores or status is None or status.outcome is None:
        raise ValueError(
            f"The run does not tell for how long to train. Expected one whose sentiment is trained to its end. "
            f"Received: steps_of={run}, {'unfinished' if phase.scores else 'pre-trained only'}. Give another one."
        )
    return best_step(status.outcome, directory)


def best_step(outcome: Outcome, directory: Path) -> int:
    """The optimiser steps after which a trained phase had the weights that were kept; its epochs have as many each.

    Args:
        outcome: what the phase has come to.
        directory: where it is, for the message.

    Raises:
        ValueError: an earlier version trained it, which counted no steps.
    """
    if not outcome.step:
        raise damage(directory / "phase.json", "the number of steps", "none", PHASE_REMEDY)
    return outcome.step * outcome.best_epoch // outcome.epoch
