"""Exponential moving averages of the weights of a phase.

Keras' optimisers have `use_ema`, but Keras 2.15 and 3 begin it differently, and neither warms up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf


class Averages:
    """Averages of variables: after step t (from 1) `average ← d · average + (1 - d) · variable`.

    The decay d warms up as `min(decay, (1 + t) / (10 + t))`, so that the initial weights, at which the averages start,
    are soon forgotten. Make it in the scope of the strategy that made the variables.

    Args:
        decay: decay of the moving average, in [0, 1). 0 disables averaging.
        variables: variables of a Keras model.
    """

    def __init__(self, decay: float, variables: Sequence[Any]):
        self.decay = decay
        # Keras 3 wraps the variables that a strategy knows.
        self.variables = [v if isinstance(v, tf.Variable) else v.value for v in variables] if decay else []
        self.averages = [tf.Variable(tf.convert_to_tensor(v), trainable=False) for v in self.variables]

    @property
    def tracked(self) -> dict[str, list[tf.Variable]]:
        """What a `tf.train.Checkpoint` must hold of them besides the model, by name."""
        return {"averages": self.averages} if self.averages else {}

    def update(self, step) -> None:
        """Brings the averages up to date after an optimiser step. Call it outside of replicas.

        Args:
            step: optimiser steps done, an integer scalar from 1.
        """
        strategy = tf.distribute.get_strategy()
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))

        def update(average, variable):
            return average.assign(decay * average + (1.0 - decay) * variable)

        for average, variable in zip(self.averages, self.variables, strict=True):
            strategy.extended.update(average, update, args=(variable,))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Context in which the variables have the values of their averages."""
        raw = [tf.identity(variable) for variable in self.variables]
        for variable, average in zip(self.variables, self.averages, strict=True):
            variable.assign(tf.convert_to_tensor(average))
        try:
            yield
        finally:
            for variable, values in zip(self.variables, raw, strict=True):
                variable.assign(values)
