"""The divergence of a variational translation: as a term of its loss, and as part of its evidence lower bound."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from mmtrans.config.translation import LatentConfig
from mmtrans.layers.bottleneck import gaussian_kl
from mmtrans.models.losses import Tensors, Term
from mmtrans.models.targets import linear_ramp

#: What a representation's outputs of a latent are called, beside its mean: `memory_log_variance`.
LOG_VARIANCE = "_log_variance"


def latent_kl(encoded: Tensors) -> dict[str, Any]:
    """Divergence of each latent from its prior, each unit by itself.

    Args:
        encoded: outputs of a representation.

    Returns:
        `{"final_state": (batch, latent_units)}`, and with attention `"memory": (batch, source_steps, latent_units)`,
        which is 0 in the padding; in nats.
    """
    names = [name.removesuffix(LOG_VARIANCE) for name in encoded if name.endswith(LOG_VARIANCE)]
    return {name: gaussian_kl(encoded[name], encoded[name + LOG_VARIANCE]) for name in names}


def segment_kl(encoded: Tensors):
    """`(batch,)` nats: the sum over a segment's valid steps and units, plus that of its final state."""
    return tf.add_n([tf.reduce_sum(kl, list(range(1, kl.shape.rank))) for kl in latent_kl(encoded).values()])


def kl_term(encoded: Tensors, batch: Tensors, latent: LatentConfig, nats: float, training: bool) -> Term:
    """The term that makes a translation's loss minus its evidence lower bound, up to a constant and a factor.

    The translation's own term is `Σ loss / N` over all `N` valid target steps, and minus the log-likelihood of a step
    is `nats · loss` plus a constant. Hence `-ELBO / (nats · N) = Σ loss / N + KL / (nats · N)` plus a constant.

    In training the weight rises from 0 to `kl_weight` over `kl_annealing_steps` (Bowman et al. 2016), and each unit's
    divergence, a mean over the segments of the global batch and, of the memory, over their valid steps, is held at no
    less than `free_bits` (Kingma et al. 2016, appendix C.8): below that it has no gradient. Validation has neither,
    since it compares epochs: with a weight that rises, the first ones would seem the best.

    Args:
        encoded: outputs of a representation.
        batch: a dict that has `source_length` and `target_length`; a target length of 0 leaves a row out.
        latent: the weight, its annealing, the free bits.
        nats: log-likelihood in one unit of the loss of a step.
        training: whether to anneal and to leave bits free.
    """
    is_row = tf.cast(batch["target_length"] > 0, tf.float32)
    counts = {"memory": tf.cast(batch["source_length"], tf.float32) * is_row, "final_state": is_row}
    total = tf.constant(0.0)
    for name, kl in latent_kl(encoded).items():
        of_units = tf.tensordot(is_row, tf.reduce_sum(kl, 1) if kl.shape.rank == 3 else kl, 1)
        if training and latent.free_bits:
            of_units = at_least(latent.free_bits, of_units, tf.reduce_sum(counts[name]))
        total += tf.reduce_sum(of_units)
    weight = linear_ramp(latent.kl_weight, latent.kl_annealing_steps) if training else latent.kl_weight
    return Term(total, tf.cast(tf.reduce_sum(batch["target_length"]), tf.float32), weight / nats, "kl")


def at_least(free_bits: float, of_units, count):
    """A replica's part of `max(sum, free_bits · count)`, where sum and count are those of all replicas.

    Args:
        free_bits: floor of the mean of a unit, in nats.
        of_units: `(units,)` float32, this replica's sums.
        count: float32 scalar, number of vectors that the sums are of.
    """
    context = tf.distribute.get_replica_context()
    # Whether a unit is above is no matter of gradients, so each replica may add its own part of the maximum.
    totals, number = context.all_reduce("SUM", [tf.stop_gradient(of_units), count])
    return tf.where(totals > free_bits * number, of_units, free_bits * count)
