"""How far the training of a phase has come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mmtrans.config.sections import OptimisationConfig
from mmtrans.runs.phase_file import HistoryRow, Outcome


@dataclass
class Progress:
    """How far the training of a phase has come; each checkpoint holds it.

    Attributes:
        epoch: epochs that are trained and validated.
        step: optimiser steps that are done.
        best_loss: the valid loss of the weights that are kept: the best so far, or the last of a fixed number
            of steps.
        best_epoch: the epoch that brought it; 0 before there is one.
        history: a row of history.csv for each epoch.
        losses: the loss of each batch of the epoch under way.
        norms: the gradient norm of each of those batches.
    """

    epoch: int = 0
    step: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[HistoryRow] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)

    def end_epoch(self, row: HistoryRow, valid_loss: float, is_best: bool) -> None:
        """Counts an epoch.

        Args:
            row: the epoch's row of history.csv.
            valid_loss: the epoch's valid loss.
            is_best: whether its weights are kept.
        """
        self.history.append(row)
        self.epoch += 1
        self.losses, self.norms = [], []
        if is_best:
            self.best_loss, self.best_epoch = valid_loss, self.epoch

    def outcome(self, optimisation: OptimisationConfig) -> Outcome:
        """What a phase has come to at its end, trained by settings as of `Config.for_phase`."""
        if not self.epoch:
            stopped_by = "untrained"
        elif optimisation.fixed_steps:
            stopped_by = "fixed"
        else:
            stopped_by = "epochs" if self.epoch >= optimisation.epochs else "patience"
        return Outcome(
            epochs=optimisation.epochs,
            stopped_by=stopped_by,
            epoch=self.epoch,
            step=self.step,
            best_loss=self.best_loss if self.best_epoch else None,
            best_epoch=self.best_epoch,
            history=self.history,
        )
