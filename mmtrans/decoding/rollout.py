"""Free-running decoding of continuous frames, over a step function: it knows no model and no file."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def rollout(step: Callable, first, state, length):
    """Feeds each predicted frame back as the next input.

    Args:
        step: `(frame (batch, dim), state) → (next frame (batch, dim), state, records)`; `state` is any nest of tensors
            with a leading batch axis, `records` one of float `(batch, width)` tensors, such as attention weights.
        first: `(batch, dim)` float32, the input of the first step.
        state: the state before the first step.
        length: `(batch,)` integer, how many frames each row gets.

    Returns:
        `(frames (batch, max length, dim), records)`, the records stacked to `(batch, max length, width)`; all zero
        after the length.
    """
    steps = tf.reduce_max(length)
    # The first step stands before the loop, since it tells how the records are nested.
    frame, state, records = step(first, state)
    written = (frame, records)
    arrays = tf.nest.map_structure(lambda x: tf.TensorArray(x.dtype, size=tf.maximum(steps, 1)).write(0, x), written)

    def body(t, frame, state, arrays):
        frame, state, records = step(frame, state)
        written = tf.nest.flatten((frame, records))
        return t + 1, frame, state, [array.write(t, x) for array, x in zip(arrays, written, strict=True)]

    loop = (tf.ones([], steps.dtype), frame, state, tf.nest.flatten(arrays))
    *_, arrays = tf.while_loop(lambda t, *_: t < steps, body, loop, maximum_iterations=steps)
    mask = tf.sequence_mask(length, steps)[:, :, None]
    stacked = [tf.where(mask, tf.transpose(array.stack(), [1, 0, 2])[:, :steps], 0.0) for array in arrays]
    return tf.nest.pack_sequence_as(written, stacked)
