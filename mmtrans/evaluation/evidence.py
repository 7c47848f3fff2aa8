"""The evidence lower bound of a variational translation."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mmtrans.evaluation.translation_quality import EvidenceFigures
from mmtrans.layers.dropout import random_step, segment_seeds
from mmtrans.models.translator import Translator


def evaluate_evidence(translator: Translator, batches: tf.data.Dataset, seed: int) -> EvidenceFigures:
    """The evidence lower bound of a variational translation, in nats; see `Translator.evidence`.

    Args:
        translator: a variational one.
        batches: batches that have targets.
        seed: decides the draws, one of each latent. A segment's draw follows from it and from the segment's id alone.

    Returns:
        `elbo` = `reconstruction` - `kl`, log-likelihood less divergence, means over the segments; and the same with the
        suffix `_per_step`, over the target's steps (of tokens, EOS included). Densities are over standardised columns.
    """

    @tf.function(input_signature=[batches.element_spec, tf.TensorSpec([None, 2], tf.int32)], autograph=False)
    def evidence(batch, seeds):
        with random_step(seeds):
            return translator.evidence(batch)

    segments = 0
    steps = 0
    sums = np.zeros(2)
    for batch in batches:
        seeds = segment_seeds(seed, batch["id"].numpy())
        segments += len(batch["id"])
        steps += int(tf.reduce_sum(batch["target_length"]))
        sums += [tf.reduce_sum(tf.cast(nats, tf.float64)).numpy() for nats in evidence(batch, seeds)]
    reconstruction, kl = (sums / segments).tolist()
    reconstruction_per_step, kl_per_step = (sums / steps).tolist()
    return {
        "elbo": reconstruction - kl,
        "reconstruction": reconstruction,
        "kl": kl,
        "elbo_per_step": reconstruction_per_step - kl_per_step,
        "reconstruction_per_step": reconstruction_per_step,
        "kl_per_step": kl_per_step,
    }
