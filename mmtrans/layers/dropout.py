"""Dropout whose masks depend on (run seed, global step, layer) alone.

Keras keeps dropout's random state in objects that Keras 2.15 does not checkpoint, so a resumed run would draw
other masks. Here the training step says which step it is, and every mask follows from that.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import zlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from mmtrans.layers.wide import WIDE
from mmtrans.system.arithmetic import ceil_div

_current = threading.local()

#: What 16 bits tell apart.
_CHOICES = 1 << 16


@contextlib.contextmanager
def random_step(seed):
    """Within this context the random layers draw from `seed`, a `(2,)` integer tensor such as `[run seed, step]`.

    Latents may also be drawn from `(batch, 2)`, a seed for each row, which no other row then changes. The seed is
    local to the thread, because `tf.distribute` traces each replica in a thread of its own.
    """
    previous = getattr(_current, "seed", None)
    _current.seed = seed
    try:
        yield
    finally:
        _current.seed = previous


def named_seed(name: str):
    """The seed of one random choice at the current step; `name` tells it from the others.

    It is `(2,)`, or `(batch, 2)` where `random_step` was given one for each row.

    Raises:
        RuntimeError: called outside `random_step`.
    """
    seed = getattr(_current, "seed", None)
    if seed is None:
        raise RuntimeError(
            f"Random layers need to know the step. Expected a call inside `random_step(seed)` when training=True. "
            f"Received: {name!r} outside of it."
        )
    seed = tf.cast(seed, tf.int32)
    number = zlib.crc32(name.encode()) & 0x7FFFFFFF
    if seed.shape.rank == 2:
        return tf.map_fn(lambda row: tf.random.experimental.stateless_fold_in(row, number), seed)
    return tf.random.experimental.stateless_fold_in(seed, number)


def segment_seeds(seed: int, ids: Sequence[bytes]) -> np.ndarray:
    """The seed of what each segment draws, `(batch, 2)` int32: neither batch nor split have a part in it.

    Args:
        seed: the seed that the user gave.
        ids: the segments' ids.
    """
    digests = (hashlib.sha256(b"%d %b" % (seed, id_)).digest() for id_ in ids)
    return np.array([np.frombuffer(digest, "<i4", 2) for digest in digests])


def current_step():
    """The step of the surrounding `random_step`, an int32 scalar."""
    return tf.cast(_current.seed[1], tf.int32)


def wide_dropout(inputs, rate, seed):
    """Dropout that draws 16 bits for each number in place of 32, as drawing is most of its time.

    Args:
        inputs: `(…, dim)` float32.
        rate: the share that is zeroed, in [0, 1); it is rounded to a multiple of 2 to the power of -16.
        seed: `(2,)` integers.

    Returns:
        the shape of `inputs`.
    """
    dropped = min(round(rate * _CHOICES), _CHOICES - 1)
    shape, dim = tf.shape(inputs), inputs.shape[-1]
    drawn = tf.concat([shape[:-1], [ceil_div(dim, 2)]], 0)
    bits = tf.bitcast(tf.random.stateless_uniform(drawn, seed, None, None, tf.uint32), tf.uint16)
    bits = tf.reshape(bits, tf.concat([shape[:-1], [2 * ceil_div(dim, 2)]], 0))[..., :dim]
    is_kept = bits >= tf.constant(dropped, tf.uint16)
    return tf.where(is_kept, inputs * (_CHOICES / (_CHOICES - dropped)), 0.0)


@keras.saving.register_keras_serializable("mmtrans")
class Dropout(keras.layers.Layer):
    """Zeroes a share of the inputs in training, and scales the rest up.

    Args:
        rate: the share, in [0, 1).
        seed_name: what tells this layer's masks from those of the others; stable when a model is rebuilt.

    Call arguments:
        inputs: `(batch, steps, dim)` float32.
        training: whether to drop. Needs `random_step` around it.

    Returns:
        the same shape as `inputs`.

    Example:
        ```pycon
        >>> with random_step(tf.constant([0, 1])):  # seed of the run, and step
        ...     kept = Dropout(0.5, "words")(tf.ones([2, 3, 4]), training=True)
        >>> sorted(set(kept.numpy().ravel().tolist()))
        [0.0, 2.0]
        ```
    """

    def __init__(self, rate, seed_name, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_name = seed_name
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        seed = named_seed(self.seed_name)
        if (inputs.shape[-1] or 0) >= WIDE:
            return wide_dropout(inputs, self.rate, seed)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed_name": self.seed_name}

    @classmethod
    def from_config(cls, config):
        # Models that earlier releases saved name an option that none of them used.
        return cls(**{name: value for name, value in config.items() if name != "whole_steps"})
