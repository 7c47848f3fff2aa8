"""What a decoder reads and carries while it decodes: the memory, its state, and where it is fed its own output."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Memory(NamedTuple):
    """What a decoder attends to; all hypotheses of a row share it.

    Attributes:
        values: `(batch, source_steps, memory_dim)` float32.
        keys: `(batch, source_steps, attention_units)` float32; an empty last axis without attention.
        mask: `(batch, source_steps)` bool.
        target_length: `(batch,)` integer, the steps that each target has, or is expected to have, where they are not
            those of the source; otherwise `None`.
    """

    values: tf.Tensor
    keys: tf.Tensor
    mask: tf.Tensor
    target_length: tf.Tensor | None = None


class DecoderState(NamedTuple):
    """What a decoder carries from step to step, for any number of hypotheses (queries) a row.

    Attributes:
        cell: the cell's states, each `(batch, queries, units)`.
        context: `(batch, queries, memory_dim)`, the last context; width 0 without attention.
        position: `(batch, queries)` int32, the number of the next step.
    """

    cell: tuple
    context: tf.Tensor
    position: tf.Tensor


class Feedback(NamedTuple):
    """Where a decoder reads frames of its own instead of the given ones, and the linear head that makes them.

    Attributes:
        use_own_output: `(batch, target_steps)` bool, false at the first step, which no frame precedes.
        kernel: `(output_dim, dim)` float32, the head's.
        bias: `(dim,)` float32, the head's.
    """

    use_own_output: tf.Tensor
    kernel: tf.Tensor
    bias: tf.Tensor
