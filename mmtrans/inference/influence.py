"""Influence of steps: how much of a score goes when a step, a word mostly, is left out of the sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np
import tensorflow as tf

#: Segments that are scored at a time.
BATCH_SIZE = 64

#: `score(features)`: of segments, each a mapping modality → `(steps, dim)`, scores and attention weights.
Score = Callable[[Sequence[Mapping[str, np.ndarray]]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Parts:
    """A sentiment model that holds a text encoder, in two parts, so that a step can be left out between them.

    Attributes:
        features: `(**features, length)` → `{"features": (batch, steps, width)}`: the vectors of words, which the
            encoder makes of all of them, with the other features, standardised, beside them.
        rest: `(features, length)` → `{"score", "attention_weights"}`.
    """

    #: Their names as signatures of an export.
    FEATURES: ClassVar[str] = "features"
    REST: ClassVar[str] = "sentiment_of_features"

    features: Callable
    rest: Callable

    def vectors(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the first part gives one segment, `(steps, width)`, of its features, modality → `(steps, dim)`."""
        inputs = {name: tf.constant(array[None], tf.float32) for name, array in features.items()}
        steps = len(next(iter(features.values())))
        return self.features(**inputs, length=tf.constant([steps], tf.int32))["features"].numpy()[0]


#: Said of exports without the two signatures.
READ_ANEW = (
    "The export is of an earlier version, whose text encoder reads the shorter text anew: a word's influence is all "
    "that its absence does, to the vectors of the others too. Export the run again."
)


def influence_of(
    score: Score, features: Mapping[str, np.ndarray], whole: float, batch_size: int = BATCH_SIZE
) -> np.ndarray:
    """The score of a segment less its score without each step; above 0 where the step raises it.

    The other steps keep their vectors, also those that an encoder of words made with the step in sight.

    Args:
        score: a function that scores segments.
        features: modality → `(steps, dim)` float32; all have the same steps.
        whole: the segment's score.
        batch_size: segments that are scored at a time.

    Returns:
        `(steps,)` float32; NaN for the only step of a segment, without which there is nothing to score.
    """
    steps = len(next(iter(features.values())))
    if steps == 1:
        return np.full(1, np.nan, np.float32)
    shorter = ({name: np.delete(array, step, 0) for name, array in features.items()} for step in range(steps))
    scores = []
    while batch := list(islice(shorter, batch_size)):
        scores.append(score(batch)[0])
    return (whole - np.concatenate(scores)).astype(np.float32)
