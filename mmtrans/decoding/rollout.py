"""Free-running decoding of continuous frames, over a step function: it knows no model and no file."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def rollout(step: Callable, first, state, length):
    """Feeds each predicted frame back as the next input.

    Args:
        step: `(frame (batch, dim), state) → (next frame (batch, dim), state, attention_weights (batch, source_steps))`;
            `state` is any nest of tensors with a leading batch axis.
        first: `(batch, dim)` float32, the input of the first step.
        state: the state before the first step.
        length: `(batch,)` integer, how many frames each row gets.

    Returns:
        `(frames (batch, max length, dim), attention_weights (batch, max length, source_steps))`; zero after the length.
    """
    steps = tf.reduce_max(length)
    frames, weights = (tf.TensorArray(first.dtype, size=steps) for _ in range(2))

    def body(t, frame, state, frames, weights):
        frame, state, attention_weights = step(frame, state)
        return t + 1, frame, state, frames.write(t, frame), weights.write(t, attention_weights)

    loop = (tf.constant(0, steps.dtype), first, state, frames, weights)
    *_, frames, weights = tf.while_loop(lambda t, *_: t < steps, body, loop, maximum_iterations=steps)
    mask = tf.sequence_mask(length, steps)[:, :, None]
    return tuple(tf.where(mask, tf.transpose(array.stack(), [1, 0, 2]), 0.0) for array in (frames, weights))
