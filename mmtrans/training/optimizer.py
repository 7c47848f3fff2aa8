"""The optimiser of a phase and its learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.config.sections import OptimisationConfig
from mmtrans.config.text import TextConfig
from mmtrans.layers.wide import WIDE
from mmtrans.models.pieces import find_text_encoder


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


@keras.saving.register_keras_serializable("mmtrans")
class RampSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a line, falls in a line to nothing, and stays there.

    Args:
        learning_rate: the rate between the two.
        steps: steps up to the end of the fall.
        warmup: share of them in which it rises.
    """

    def __init__(self, learning_rate: float, steps: float, warmup: float):
        self.learning_rate = learning_rate
        self.steps = steps
        self.warmup = warmup

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = max(self.warmup * self.steps, 1.0)
        up = (step + 1.0) / rising
        down = (self.steps - step) / max(self.steps - rising, 1.0)
        return self.learning_rate * tf.clip_by_value(tf.minimum(up, down), 0.0, 1.0)

    def get_config(self):
        return dict(vars(self))


@keras.saving.register_keras_serializable("mmtrans")
class FusedAdamW(keras.optimizers.AdamW):
    """Keras' AdamW, which moves a variable by one operation.

    Keras' own takes ten, each of which reads and writes all of a variable: at small batches half of the time that an
    encoder's step takes.
    """

    def update_step(self, gradient, variable, learning_rate=None):
        """Moves one variable. Keras 2.15 leaves the rate to the optimiser."""
        _move(self, gradient, variable, learning_rate)


#: From so many variables on, moving them is much of what a graph is made of, and of what a step takes.
MANY = 256


@keras.saving.register_keras_serializable("mmtrans")
class WideAdam(keras.optimizers.Adam):
    """Keras' Adam, which moves the kernels of wide inputs by one operation, and all variables where there are many, as
    `FusedAdamW` does."""

    def update_step(self, gradient, variable, *learning_rate):
        """Moves one variable. Keras 2.15 leaves the rate to the optimiser."""
        if len(self._momentums) >= MANY or (len(variable.shape) == 2 and variable.shape[0] >= WIDE):
            _move(self, gradient, variable, *learning_rate)
        else:
            super().update_step(gradient, variable, *learning_rate)


def _move(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any = None) -> None:
    """Moves one variable as Adam does, by one operation."""
    # Keras 2.15 and 3 name them differently.
    places = getattr(optimizer, "_index_dict", None) or optimizer._trainable_variables_indices
    place = places[optimizer._var_key(variable)]
    momentum, velocity = (_plain(slots[place]) for slots in (optimizer._momentums, optimizer._velocities))
    step = tf.cast(optimizer.iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=optimizer.beta_1**step,
        beta2_power=optimizer.beta_2**step,
        lr=tf.cast(optimizer.learning_rate if learning_rate is None else learning_rate, tf.float32),
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=gradient,
    )


def _plain(variable: Any) -> tf.Variable:
    """TensorFlow's variable: in Keras 3 an optimiser's are wrapped."""
    return variable if isinstance(variable, tf.Variable) else variable.value


class TwoOptimizers(tf.Module):
    """Two optimisers that step together, each with variables of its own; to the training loop they are one.

    Args:
        rest: the optimiser of all other variables; its steps are counted, and its rate is shown.
        text: the optimiser of a text encoder's.
        text_variables: the variables that `text` moves.
    """

    def __init__(self, rest: Any, text: Any, text_variables: Sequence[Any]):
        super().__init__(name="two_optimizers")
        self.rest, self.text = rest, text
        self._is_text = {id(variable) for variable in text_variables}

    @property
    def iterations(self) -> Any:
        """Steps that were done."""
        return self.rest.iterations

    @property
    def learning_rate(self) -> Any:
        """The rate of all that is no text encoder."""
        return self.rest.learning_rate

    @property
    def text_learning_rate(self) -> Any:
        """The rate of the text encoder's next step; what Keras 2.15 gives is that of the last one."""
        rate = self.text._learning_rate
        return tf.convert_to_tensor(rate(self.text.iterations) if callable(rate) else rate)

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the state for these variables."""
        for optimizer, of_text in ((self.rest, False), (self.text, True)):
            optimizer.build([variable for variable in variables if (id(variable) in self._is_text) == of_text])

    def apply_gradients(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Moves variables, given `(gradient, variable)` of each."""
        pairs = list(pairs)
        for optimizer, of_text in ((self.rest, False), (self.text, True)):
            optimizer.apply_gradients([(g, v) for g, v in pairs if (id(v) in self._is_text) == of_text])


def build_optimizer(config: Config, model: keras.Model, train_steps: int) -> Any:
    """The optimiser of a model, built: Adam; where layers of a text encoder move, AdamW with its own rate for these.

    Args:
        config: the configuration.
        model: all that is trained.
        train_steps: batches of an epoch.
    """
    optimizer: Any = make_optimizer(config.optimisation, train_steps)
    encoder = find_text_encoder(model)
    moving = encoder.model.trainable_variables if encoder else []
    if moving:
        optimizer = TwoOptimizers(optimizer, _adamw(config.text, moving, train_steps), moving)
    optimizer.build(model.trainable_variables)
    return optimizer


def make_optimizer(optimisation: OptimisationConfig, train_steps: int) -> keras.optimizers.Optimizer:
    """Adam with the configured schedule."""
    halving = optimisation.decay_epochs * train_steps if optimisation.schedule == "exponential" else math.inf
    schedule: Any = HalvingSchedule(optimisation.learning_rate, optimisation.warmup_steps, halving)
    return WideAdam(schedule)


def _adamw(text: TextConfig, variables: Sequence[Any], train_steps: int) -> keras.optimizers.Optimizer:
    schedule: Any = RampSchedule(text.text_learning_rate, text.text_epochs * train_steps, text.text_warmup)
    optimizer: Any = FusedAdamW(schedule, weight_decay=text.text_weight_decay)
    optimizer.exclude_from_weight_decay([variable for variable in variables if not _is_kernel(variable)])
    return optimizer


def _is_kernel(variable: Any) -> bool:
    """Whether a variable is a kernel: biases, normalisations and tables of vectors do not decay."""
    return getattr(variable, "path", variable.name).split("/")[-1].split(":")[0] == "kernel"
