"""What the best predictor knows of the affect once it has read a segment, and the scores that it reaches so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from mmtrans.synthetic import world as world_equations
from mmtrans.synthetic.truth import Scores

#: Halvings that find a median: a double has no more digits.
HALVINGS = 60


class Evidence(NamedTuple):
    """What streams tell of the affects, as one observation of each with Gaussian noise; `(segments,)` each.

    Attributes:
        information: one over the variance of the noise.
        weighted: the observation times its information.
    """

    information: np.ndarray
    weighted: np.ndarray


class Posterior(NamedTuple):
    """What is known of the affects, a mixture of Gaussians for each; `(segments, parts)` each.

    Attributes:
        mean: the means of the parts.
        std: their standard deviations.
        weight: their probabilities, which sum to 1.
    """

    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray

    def of(self, chosen: np.ndarray) -> Posterior:
        """The posterior of some segments, given `(segments,)` bool."""
        return Posterior(self.mean[chosen], self.std[chosen], self.weight[chosen])


def posterior_of(
    text_affect: np.ndarray | None, evidence: Iterable[Evidence], num_words: np.ndarray, disagree: float
) -> Posterior:
    """The posterior of the affects, given words, streams or both.

    Args:
        text_affect: `(segments,)`, what the words say, or `None` where they are not read.
        evidence: that of each stream that is read.
        num_words: `(segments,)` int.
        disagree: probability that the affect has the opposite sign of what the words say.

    Returns:
        One part; two where words are read that may say the opposite.
    """
    information, weighted = np.zeros(len(num_words)), np.zeros(len(num_words))
    for found in evidence:
        information, weighted = information + found.information, weighted + found.weighted
    if text_affect is None:
        # Words and their opposite are equally likely, so the prior is the same however often they disagree.
        variance = (1.0 / (information + 1.0 / world_equations.affect_variance(num_words)))[:, None]
        mean = variance * weighted[:, None]
        return Posterior(mean, np.sqrt(variance), np.ones_like(mean))
    parts = np.array([(sign, share) for sign, share in ((1.0, 1.0 - disagree), (-1.0, disagree)) if share > 0])
    precision = 1.0 / world_equations.LABEL_NOISE_STD**2
    variance = 1.0 / (information + precision)[:, None]
    mean = variance * (np.outer(text_affect, parts[:, 0]) * precision + weighted[:, None])
    # The density of what the streams tell, given the part, up to a factor that the parts share.
    exponent = mean**2 / (2.0 * variance)
    weight = parts[:, 1] * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    std = np.broadcast_to(np.sqrt(variance), mean.shape)
    return Posterior(mean, std, weight / weight.sum(axis=1, keepdims=True))


def sign_probabilities(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that the rounded label is below and above 0; each `(segments,)`."""
    mean, std, weight = posterior
    below, above = np.zeros(len(mean)), np.zeros(len(mean))
    for width, often in world_equations.ROUNDINGS:
        threshold = np.arctanh(width / 6.0)
        below += often * (weight * ndtr((-threshold - mean) / std)).sum(axis=1)
        above += often * (weight * ndtr((mean - threshold) / std)).sum(axis=1)
    return below, above


def medians(posterior: Posterior) -> np.ndarray:
    """The medians of the affects, `(segments,)`."""
    mean, std, weight = posterior
    low, high = mean.min(axis=1), mean.max(axis=1)
    if mean.shape[1] == 1:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        is_below = (weight * ndtr((middle[:, None] - mean) / std)).sum(axis=1) < 0.5
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2.0


def scores(posterior: Posterior, label: np.ndarray) -> Scores:
    """Acc-2 (both conventions) and MAE of the best predictor.

    Args:
        posterior: what it knows of the affects.
        label: `(segments,)` true labels.

    Returns:
        `acc2_non0` (labels that are not 0), `acc2_has0` (0 counts as positive), `mae` (posterior median).
    """
    below, above = sign_probabilities(posterior)
    nonzero = label != 0
    return {
        "acc2_non0": float(((above > below) == (label > 0))[nonzero].mean()),
        "acc2_has0": float(((below < 0.5) == (label >= 0)).mean()),
        "mae": float(np.abs(3.0 * np.tanh(medians(posterior)) - label).mean()),
    }
