"""The optimiser of a phase and its learning rate."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from mmtrans.config.sections import OptimisationConfig


@keras.saving.register_keras_serializable("mmtrans")
class HalvingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then a learning rate that halves every `halving_steps`.

    Args:
        learning_rate: the rate after warm-up and before decay.
        warmup_steps: steps of warm-up; 0 for none.
        halving_steps: steps in which the rate halves; infinite for a constant rate.
    """

    def __init__(self, learning_rate: float, warmup_steps: int, halving_steps: float):
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.halving_steps = halving_steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        warmup = tf.minimum(1.0, (step + 1.0) / max(self.warmup_steps, 1))
        return self.learning_rate * warmup * 0.5 ** (step / self.halving_steps)

    def get_config(self):
        return dict(vars(self))


def make_optimizer(optimisation: OptimisationConfig, train_steps: int) -> keras.optimizers.Optimizer:
    """Adam with the configured schedule."""
    halving = optimisation.decay_epochs * train_steps if optimisation.schedule == "exponential" else math.inf
    schedule: Any = HalvingSchedule(optimisation.learning_rate, optimisation.warmup_steps, halving)
    return keras.optimizers.Adam(schedule)
