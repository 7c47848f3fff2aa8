"""Modality-invariant and -specific representations: Hazarika, Zimmermann, Poria, "MISA: Modality-Invariant and
-Specific Representations for Multimodal Sentiment Analysis", 2020.

Each modality becomes a vector. One encoder, which all share, and one of its own map it into two subspaces ("Modality
Representation Learning"). A transformer reads all these vectors, and what it gives stands side by side in a dense layer
("Modality Fusion"). Three losses shape the subspaces ("Learning"). Shared vectors are to be distributed alike: their
loss is the central moment discrepancy of Zellinger et al. (2017). Private ones are to be orthogonal to the shared ones
and to each other. Both together are to give back the vector that they came from.

The paper leaves open what follows; here it is as in the program of its authors: two recurrent layers a modality, of
which both final states are read, one block of the transformer, and a hidden layer of half the width of all vectors.
Where the paper sums the squares of a Frobenius norm, that program takes their mean, which its weights of the losses go
with; here too. Its recurrent layers are as wide as the modality; here they have `regressor_units`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.config.sections import FusionConfig
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Encoder
from mmtrans.layers.fusion import Stacked
from mmtrans.layers.transformer import TransformerBlock
from mmtrans.models.losses import Tensors, Term

#: Units of the transformer's feed-forward layer for each of the vectors'.
_INNER = 4

#: The least square of a distance that has a gradient: the root of 0 has none.
_LEAST_SQUARE = 1e-24


def shared_and_private(streams: Mapping[str, Any], masks: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """What the score is linear in, `fused (batch, modalities · fusion_units)`, and what `subspace_terms` reads.

    The latter is each `(batch, modalities, fusion_units)`: `given`, a vector a modality; `shared` and `private`, what
    the two kinds of encoders make of it; `rebuilt`, what decoders make of their sum. Arguments are those of
    `subnetworks.summaries`.
    """
    units, rate = config.fusion.fusion_units, config.regressor.regressor_dropout
    vectors = {name: _vector(name, stream, masks[name], config) for name, stream in streams.items()}
    encoder = keras.layers.Dense(units, activation="sigmoid", name="shared")
    shared = [encoder(vector) for vector in vectors.values()]
    private = [
        keras.layers.Dense(units, activation="sigmoid", name=f"{name}_private")(vector)
        for name, vector in vectors.items()
    ]
    rebuilt = [
        keras.layers.Dense(units, name=f"{name}_rebuilt")(keras.layers.Add(name=f"{name}_sum")(list(both)))
        for name, *both in zip(vectors, shared, private, strict=True)
    ]
    block = TransformerBlock(
        units, config.fusion.fusion_heads, _INNER * units, "relu", 1e-5, rate, units**-0.5, name="subspaces_block"
    )
    read = block(Stacked(name="subspaces")([*private, *shared]), source_mask=None)
    fused = keras.layers.Dense(len(vectors) * units, activation="relu", name="fused")(
        keras.layers.Flatten(name="side_by_side")(read)
    )
    return {
        "fused": Dropout(rate, "fusion/dropout", name="fusion_dropout")(fused),
        "given": Stacked(name="all_given")(list(vectors.values())),
        "shared": Stacked(name="all_shared")(shared),
        "private": Stacked(name="all_private")(private),
        "rebuilt": Stacked(name="all_rebuilt")(rebuilt),
    }


def _vector(name: str, stream: Any, mask: Any, config: Config) -> Any:
    """A modality as a vector `(batch, fusion_units)`: two recurrent layers, both of whose final states are read."""
    states, memory = [], stream
    for place in ("lower", "upper"):
        encoder = Encoder(
            config.regressor.regressor_units,
            config.encoder.cell,
            1,
            config.encoder.bidirectional,
            config.regressor.regressor_dropout,
            name=f"{name}_{place}",
        )
        memory, state = encoder(memory, source_mask=mask)
        states.append(state)
        if place == "lower":
            memory = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_lower_norm")(memory)
    both = keras.layers.Concatenate(name=f"{name}_states")(states)
    vector = keras.layers.Dense(config.fusion.fusion_units, activation="relu", name=f"{name}_vector")(both)
    return keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_vector_norm")(vector)


def subspace_terms(outputs: Tensors, batch: Tensors, config: FusionConfig) -> list[Term]:
    """The losses that shape the subspaces ("Learning"): similarity, difference and reconstruction, with their weights.

    The first two are of a batch as a whole; of several replicas' it is the global one. Rows without a label, as those
    that fill a replica's share, are left out.

    Args:
        outputs: what `shared_and_private` names.
        batch: the batch, of which `label (batch,)` is read.
        config: the weights, and the number of moments.
    """
    is_row = tf.cast(tf.math.is_finite(batch["label"]), tf.float32)
    part = 1.0 / tf.distribute.get_replica_context().num_replicas_in_sync
    similarity = discrepancy(outputs["shared"], is_row, config.similarity_moments)
    difference = overlap(outputs["shared"], outputs["private"], is_row)
    error = tf.reduce_mean(tf.square(outputs["given"] - outputs["rebuilt"]), [1, 2])
    return [
        Term(part * similarity, tf.constant(part), config.similarity_weight, "similarity"),
        Term(part * difference, tf.constant(part), config.difference_weight, "difference"),
        Term(tf.reduce_sum(is_row * error), tf.reduce_sum(is_row), config.reconstruction_weight, "reconstruction"),
    ]


def discrepancy(vectors, is_row, moments: int):
    """The mean over pairs of modalities of their central moment discrepancy ("Similarity Loss"), for numbers of 0 to 1.

    It is the distance of the means, plus the distance of the second central moments, plus that of the third, …

    Args:
        vectors: `(batch, modalities, units)` float32.
        is_row: `(batch,)` float32, 1 at rows that count, else 0.
        moments: the last of the moments.

    Returns:
        float32 scalar, 0 of one modality.
    """
    mean = _mean(vectors, is_row)
    centred = vectors - mean
    powers = [mean[None], *(_mean(centred**k, is_row)[None] for k in range(2, moments + 1))]
    of_moments = tf.concat(powers, 0)
    pairs = list(itertools.combinations(range(vectors.shape[1]), 2))
    if not pairs:
        return tf.constant(0.0)
    first, second = (tf.gather(of_moments, list(side), axis=1) for side in zip(*pairs, strict=True))
    squares = tf.reduce_sum(tf.square(first - second), -1)
    return tf.reduce_sum(tf.sqrt(tf.maximum(squares, _LEAST_SQUARE))) / len(pairs)


def overlap(shared, private, is_row):
    """How far the subspaces are from orthogonal ("Difference Loss").

    It is a sum over pairs: the shared and the private vectors of each modality, and the private ones of each two
    modalities. Of a pair it is the mean square of the entries of `firstᵀ second`. The rows of these matrices are the
    vectors less their mean over the batch, made of length 1.

    Args:
        shared, private: `(batch, modalities, units)` float32.
        is_row: `(batch,)` float32, 1 at rows that count, else 0.

    Returns:
        float32 scalar.
    """
    count = shared.shape[1]
    vectors = tf.concat([shared, private], 1)
    unit = tf.nn.l2_normalize(vectors - _mean(vectors, is_row), -1) * is_row[:, None, None]
    pairs = [(i, count + i) for i in range(count)]
    pairs += itertools.combinations(range(count, 2 * count), 2)
    first, second = (tf.gather(unit, list(side), axis=1) for side in zip(*pairs, strict=True))
    products = _over_replicas(tf.einsum("bpu,bpv->puv", first, second))
    return tf.reduce_sum(tf.reduce_mean(tf.square(products), [1, 2]))


def _mean(vectors, is_row):
    """The mean over the rows of the global batch that count, `(modalities, units)`."""
    total = _over_replicas(tf.einsum("b,bmu->mu", is_row, vectors))
    return total / tf.maximum(_over_replicas(tf.reduce_sum(is_row)), 1.0)


def _over_replicas(value):
    """The sum over replicas; gradients flow through it."""
    return tf.distribute.get_replica_context().all_reduce("SUM", value)
