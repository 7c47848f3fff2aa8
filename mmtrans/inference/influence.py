"""Influence of steps: how much of a score goes when a step, a word mostly, is left out of the sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import numpy as np

#: Sequences that are scored at a time.
BATCH_SIZE = 64

#: `score(features)`: of segments, each a mapping modality → `(steps, dim)`, scores and attention weights.
Score = Callable[[Sequence[Mapping[str, np.ndarray]]], tuple[np.ndarray, np.ndarray]]


def influence_of(score: Score, features: Mapping[str, np.ndarray], whole: float) -> np.ndarray:
    """The score of a segment less its score without each step; above 0 where the step raises it.

    The other steps keep their vectors, also those that an encoder of words made with the step in sight. Only where the
    model itself holds the encoder, and reads pieces of words, it reads the shorter text anew.

    Args:
        score: a function that scores segments.
        features: modality → `(steps, dim)` float32; all have the same steps.
        whole: the segment's score.

    Returns:
        `(steps,)` float32; NaN for the only step of a segment, without which there is nothing to score.
    """
    steps = len(next(iter(features.values())))
    if steps == 1:
        return np.full(1, np.nan, np.float32)
    shorter = ({name: np.delete(array, step, 0) for name, array in features.items()} for step in range(steps))
    scores = []
    while batch := list(islice(shorter, BATCH_SIZE)):
        scores.append(score(batch)[0])
    return (whole - np.concatenate(scores)).astype(np.float32)
