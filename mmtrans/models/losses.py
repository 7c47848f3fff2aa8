"""Masked losses. Each returns a sum and the number of items it is over, so that replicas add up exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

#: Name → tensor: a batch of the pipeline, or what a model gives.
Tensors = Mapping[str, tf.Tensor]


class Term(NamedTuple):
    """One summand of a loss: `weight · total / count`, the total and the count being summed over replicas first.

    Attributes:
        total: float32 scalar.
        count: float32 scalar.
        weight: a number, or a scalar where it depends on the step.
        name: what the history calls it, where a loss has several.
    """

    total: tf.Tensor
    count: tf.Tensor
    weight: float | tf.Tensor = 1.0
    name: str = ""


def _huber(error):
    absolute = tf.abs(error)
    return tf.where(absolute <= 1.0, 0.5 * tf.square(error), absolute - 0.5)


ELEMENTWISE = {"mse": tf.square, "mae": tf.abs, "huber": _huber}


def _step_loss(kind, prediction, target):
    """Loss of each step `(batch, steps)`: the mean over columns, or one minus the cosine."""
    if kind == "cosine":
        # l2_normalize has an epsilon, so the zero vector gives loss 1 and a finite gradient.
        similarity = tf.reduce_sum(tf.nn.l2_normalize(prediction, -1) * tf.nn.l2_normalize(target, -1), -1)
        return 1.0 - similarity
    return tf.reduce_mean(ELEMENTWISE[kind](prediction - target), -1)


def feature_loss(kind: str, prediction, target, target_length, blocks: Mapping[str, tuple[int, int]]):
    """Loss of a `features` target over the valid steps.

    A concat target's loss is the mean of its modalities' losses, so that 300 text columns do not drown 74.

    Args:
        kind: `mse`, `mae`, `huber` (delta 1) or `cosine`.
        prediction: `(batch, target_steps, target_dim)` float32, standardised.
        target: the same shape; its padding is not read.
        target_length: `(batch,)` integer; 0 leaves a row out.
        blocks: modality → columns `(start, stop)`.

    Returns:
        `(sum over valid steps, number of valid steps)`, float32 scalars.
    """
    mask = tf.sequence_mask(target_length, tf.shape(target)[1])
    target = tf.where(mask[:, :, None], target, 0.0)
    prediction = tf.where(mask[:, :, None], prediction, 0.0)
    losses = [_step_loss(kind, prediction[:, :, a:b], target[:, :, a:b]) for a, b in blocks.values()]
    weights = tf.cast(mask, prediction.dtype)
    return tf.reduce_sum(tf.add_n(losses) / len(losses) * weights), tf.reduce_sum(weights)


def token_loss(logits, target, target_length, label_smoothing: float = 0.0):
    """Cross-entropy of token targets over the valid steps.

    Args:
        logits: `(batch, target_steps, vocabulary_size)` float32.
        target: `(batch, target_steps)` int32, ending in EOS.
        target_length: `(batch,)` integer, EOS counted.
        label_smoothing: share of the target's probability that is spread evenly over all tokens.

    Returns:
        `(sum over valid steps, number of valid steps)`, float32 scalars, in nats.
    """
    weights = tf.sequence_mask(target_length, tf.shape(target)[1], logits.dtype)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits)
    if label_smoothing:
        even = -tf.reduce_mean(tf.nn.log_softmax(logits), -1)
        losses = (1.0 - label_smoothing) * losses + label_smoothing * even
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)


def feature_log_likelihood(prediction, target, target_length, blocks: Mapping[str, tuple[int, int]]):
    """Log-likelihood of each segment's frames under the Gaussian that `feature_loss` of kind `mse` stands for.

    That loss is its negative log-density, up to constants. A step's loss is the mean over `M` modalities of the
    mean over their `D_m` columns; `D = Σ D_m`. `D / 2` times that loss is minus the logarithm, without its
    constant, of independent Gaussians with precision `D / (M D_m)` for each column of modality `m`. Over all
    columns the mean precision is 1; of a single modality it is 1 in every column.

    Args:
        prediction: `(batch, target_steps, target_dim)` float32, standardised.
        target: the same shape; its padding is not read.
        target_length: `(batch,)` integer.
        blocks: modality → columns `(start, stop)`.

    Returns:
        `(batch,)` float32 in nats, of densities over standardised columns; 0 for a length of 0.
    """
    mask = tf.sequence_mask(target_length, tf.shape(target)[1])[:, :, None]
    squared = tf.where(mask, tf.square(prediction - target), 0.0)
    dim = sum(stop - start for start, stop in blocks.values())
    steps = tf.cast(target_length, squared.dtype)
    total = 0.0
    for start, stop in blocks.values():
        columns = stop - start
        precision = dim / (len(blocks) * columns)
        constant = columns * math.log(precision / (2.0 * math.pi))
        total += 0.5 * (steps * constant - precision * tf.reduce_sum(squared[:, :, start:stop], [1, 2]))
    return total


def token_log_likelihood(logits, target, target_length):
    """`(batch,)` float32, log-likelihood of each segment's tokens in nats; arguments as of `token_loss`."""
    weights = tf.sequence_mask(target_length, tf.shape(target)[1], logits.dtype)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits)
    return -tf.reduce_sum(losses * weights, 1)


def stop_loss(logits, target_length):
    """Cross-entropy of the stop head: each segment's last valid step is the one to stop after.

    Args:
        logits: `(batch, target_steps)` float32.
        target_length: `(batch,)` integer.

    Returns:
        `(sum over valid steps, number of valid steps)`, float32 scalars.
    """
    steps = tf.shape(logits)[1]
    weights = tf.sequence_mask(target_length, steps, logits.dtype)
    is_last = tf.one_hot(target_length - 1, steps, dtype=logits.dtype)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=is_last, logits=logits)
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)


def sentiment_loss(kind: str, score, label):
    """Loss of a batch of scores.

    Args:
        kind: `mae` (Pham et al. 2018, eq. 6), `mse` or `huber` (delta 1).
        score: `(batch,)` float32.
        label: `(batch,)` float32; NaN where a segment has none, which leaves it out.

    Returns:
        `(sum over labelled segments, number of labelled segments)`, float32 scalars.
    """
    labelled = tf.math.is_finite(label)
    error = tf.where(labelled, score - tf.where(labelled, label, 0.0), 0.0)
    return tf.reduce_sum(ELEMENTWISE[kind](error)), tf.reduce_sum(tf.cast(labelled, score.dtype))
