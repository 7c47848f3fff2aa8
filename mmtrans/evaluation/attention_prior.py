"""How much of a decoder's attention is nothing but the distance that it started from."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from mmtrans.evaluation.translation_quality import valid_steps

#: Share of a sum of squares below which a variance is a rounding error.
_ROUNDING = 1e-12


def prior_weights(position, is_source: np.ndarray) -> np.ndarray:
    """What the attention is before it learns: `exp(-|p - s|)` at source step `s`, over its sum over the source steps.

    Args:
        position: `(batch or 1, target_steps)` integer, `p`, the source steps on which the target steps fall.
        is_source: `(batch, 1, source_steps)` bool, the steps of each segment.

    Returns:
        `(batch, target_steps, source_steps)` float64.
    """
    distance = np.abs(np.asarray(position)[:, :, None] - np.arange(is_source.shape[2]))
    return softmax(np.where(is_source, -distance, -np.inf), axis=-1)


class PriorCorrelation:
    """Accumulates Pearson's correlation between attention weights and their prior over the steps of many batches.

    The prior is that of `prior_weights`. The correlation is over all pairs of a decoded and a source step of all
    segments. Near 1 the attention says where a step is, and nothing of its content.
    """

    def __init__(self) -> None:
        self._count = 0
        self._sums = np.zeros(2)
        self._products = np.zeros((2, 2))

    def update(self, attention_weights, position, target_length, source_length) -> None:
        """Adds one batch; what lies beyond a segment's lengths is not read.

        Args:
            attention_weights: `(batch, target_steps, source_steps)`.
            position: `(batch or 1, target_steps)` integer, the source steps on which the target steps fall.
            target_length: `(batch,)` integer, decoded steps.
            source_length: `(batch,)` integer.

        Raises:
            ValueError: lengths that do not fit the weights.
        """
        weights = np.asarray(attention_weights, np.float64)
        is_source = valid_steps(source_length, weights.transpose(0, 2, 1))[:, None, :]
        mask = valid_steps(target_length, weights)[:, :, None] & is_source
        prior = prior_weights(position, is_source)
        pairs = np.stack([weights[mask], np.broadcast_to(prior, weights.shape)[mask]])
        self._count += pairs.shape[1]
        self._sums += pairs.sum(1)
        self._products += pairs @ pairs.T

    def result(self) -> float | None:
        """The correlation of all batches so far; `None` where one of both is the same everywhere."""
        if not self._count:
            return None
        covariance = self._products - np.outer(self._sums, self._sums) / self._count
        variances = np.diag(covariance)
        if (variances <= _ROUNDING * np.diag(self._products)).any():
            return None
        return float(covariance[0, 1] / np.sqrt(variances.prod()))
