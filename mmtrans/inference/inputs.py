"""What a client sends to a serving graph, made fit for a model, or refused."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from mmtrans.bounds import SEARCH
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Features
from tfrecords.schema import NO_PIECE


def clean_source(features: list[tf.Tensor], length: tf.Tensor, lost: np.ndarray | float = 0.0) -> tf.Tensor:
    """The source of a model, given what a client sends: nothing but finite values at valid steps gets through.

    Args:
        features: `(batch, steps, dim)` float32 of each modality, raw; non-finite cells become 0, as in conversion, or
            what `lost` says.
        length: `(batch,)` int32, or `(batch, modalities)` where each has steps of its own; whatever stands beyond it
            becomes 0.
        lost: `(sum of dims,)` float32, what a non-finite cell of each column becomes in place of 0.

    Returns:
        `(batch, steps, sum of dims)` float32. Running it raises an InvalidArgumentError where there is not one length a
        segment, or a length is under 1 or over `steps`.
    """
    source = tf.concat(features, -1)
    segments, steps = tf.unstack(tf.shape(source)[:2])
    message = "Lengths and features differ in segments. Expected one length a segment. Received: lengths, segments"
    number = tf.shape(length)[0]
    # A single segment would be taken for as many as there are lengths.
    with tf.control_dependencies([tf.debugging.Assert(number == segments, [message, number, segments])]):
        length = tf.identity(length)
    message = "A length is out of range. Expected 1 up to the steps of the features. Received: length, steps"
    tf.debugging.Assert(tf.reduce_all((length >= 1) & (length <= steps)), [message, length, steps])
    finite = tf.where(tf.math.is_finite(source), source, lost)
    if length.shape.rank == 1:
        return tf.where(tf.sequence_mask(length, steps)[:, :, None], finite, 0.0)
    masks = tf.unstack(tf.sequence_mask(length, steps), axis=1)
    parts = zip(masks, tf.split(finite, [each.shape[-1] for each in features], -1), strict=True)
    return tf.concat([tf.where(mask[:, :, None], part, 0.0) for mask, part in parts], -1)


def clean_numbers(numbers: list[tf.Tensor], segments: tf.Tensor) -> list[tf.Tensor]:
    """The numbers of segments and of their videos as they are, each `(batch,)`. Running it raises an
    InvalidArgumentError where there is not one a segment."""
    message = "Numbers and features differ in segments. Expected one number a segment. Received: numbers, segments"
    checks = [tf.debugging.Assert(tf.size(each) == segments, [message, tf.size(each), segments]) for each in numbers]
    with tf.control_dependencies(checks):
        return [tf.identity(each) for each in numbers]


def lost_cells(statistics: Statistics, features: Features) -> np.ndarray:
    """What stands for a lost cell of each column of some features: 0, and of pieces of words -1, which is none."""
    lost = np.zeros(statistics.dim(features), np.float32)
    if statistics.pieces is not None and "text" in features.modalities:
        start = statistics.blocks(features)["text"][0]
        lost[start : start + statistics.pieces.columns] = NO_PIECE
    return lost


def check_options(options: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The scalar inputs of a search as they are. Running it raises an InvalidArgumentError where one is out of range.

    What reads them waits for that, or the graph would fail elsewhere, and less clearly.
    """
    checks = []
    for name in options.keys() & SEARCH.keys():
        low, high = SEARCH[name]["low"], SEARCH[name].get("high", SEARCH[name].get("most"))
        message = f"{name} is out of range. Expected {low} to {high}. Received: {name}"
        # NaN is within no bounds.
        checks.append(tf.debugging.Assert((options[name] >= low) & (options[name] <= high), [message, options[name]]))
    if "n_best" in options:
        message = "A search returns at most its width. Expected n_best up to beam_width. Received: n_best, beam_width"
        numbers = [options[name] for name in ("n_best", "beam_width")]
        checks.append(tf.debugging.Assert(numbers[0] <= numbers[1], [message, *numbers]))
    with tf.control_dependencies(checks):
        return {name: tf.identity(value) for name, value in options.items()}


def with_a_row(source: tf.Tensor, length: tf.Tensor, *numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Source `(batch, steps, dim)`, length and numbers; in place of an empty batch one of a single segment of zeros.

    Models and searches then need no care for empty batches; the caller takes the row off again.
    """
    segments, steps = tf.unstack(tf.shape(source)[:2])
    added = tf.cast(segments == 0, tf.int32)
    dim = source.shape[-1]
    steps = tf.maximum(steps, added)
    source = tf.concat([tf.reshape(source, [segments, steps, dim]), tf.zeros([added, steps, dim])], 0)
    more = [tf.concat([each, tf.zeros([added], each.dtype)], 0) for each in numbers]
    one = tf.ones([added, *length.shape[1:]], tf.int32)
    return source, tf.concat([length, one], 0), *more
