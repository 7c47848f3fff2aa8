"""How far a phase has come, and what has come of it."""

import math

import pytest

from mmtrans.config.sections import OptimisationConfig
from mmtrans.training.progress import Progress


def test_an_epoch_is_counted_and_its_batches_are_forgotten():
    progress = Progress(step=4, losses=[2.0, 1.0], norms=[0.5, 0.25])
    progress.end_epoch({"epoch": 1, "loss": 1.5, "valid_loss": 3.0}, valid_loss=3.0, is_best=True)
    progress.end_epoch({"epoch": 2, "loss": 1.0, "valid_loss": 4.0}, valid_loss=4.0, is_best=False)
    assert (progress.epoch, progress.step, progress.best_loss, progress.best_epoch) == (2, 4, 3.0, 1)
    assert progress.losses == progress.norms == []
    assert [row["epoch"] for row in progress.history] == [1, 2]


@pytest.mark.parametrize(
    ("progress", "fixed", "expected"),
    [
        (Progress(), 0, ("untrained", None, 0)),
        (Progress(epoch=3, best_loss=0.5, best_epoch=2), 0, ("epochs", 0.5, 2)),
        (Progress(epoch=4, best_loss=0.5, best_epoch=2), 0, ("epochs", 0.5, 2)),
        (Progress(epoch=2, best_loss=0.5, best_epoch=1), 0, ("patience", 0.5, 1)),
        (Progress(epoch=3, best_loss=0.75, best_epoch=3), 7, ("fixed", 0.75, 3)),
    ],
)
def test_what_ended_a_phase(progress, fixed, expected):
    outcome = progress.outcome(OptimisationConfig(epochs=3, fixed_steps=fixed))
    assert (outcome.stopped_by, outcome.best_loss, outcome.best_epoch) == expected
    assert (outcome.epochs, outcome.epoch) == (3, progress.epoch)


def test_before_the_first_epoch_nothing_is_best():
    assert Progress().best_loss == math.inf
