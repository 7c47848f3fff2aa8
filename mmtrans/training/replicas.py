"""What each of several replicas takes of a step: its rows, its random numbers; and the one result of all."""

from __future__ import annotations

import math

import tensorflow as tf

#: What tells the random numbers of one replica from those of the next.
REPLICA_SEED = 1_000_003


def replica_share(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A replica's rows of its process' batch. Call it in a replica's context.

    Args:
        batch: a batch of `make_batches`; it may have no rows.

    Returns:
        the batch itself with one replica; with several, every n-th row of its numbers, or all rows of every n-th video
        where it holds whole ones. Where there is none it is a row that no loss counts: it has one step (cuDNN needs
        one), no target and no label. Steps are those of the longest row taken, as always.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return batch
    replicas = len(context.strategy.extended.worker_devices)
    index = tf.cast(context.replica_id_in_sync_group, tf.int32) % replicas
    rows = tf.shape(batch["source_length"])[0]
    taken = tf.minimum(tf.range(index, tf.maximum(rows, index + 1), replicas), rows)
    if "video_number" in batch:
        is_taken = tf.cast(batch["video_number"], tf.int32) % replicas == index
        # The row behind the last one fills what would be empty.
        is_taken = tf.concat([is_taken, [~tf.reduce_any(is_taken)]], 0)
        taken = tf.cast(tf.where(is_taken)[:, 0], tf.int32)
    filling = {"source_length": 1, "label": math.nan}

    def share(values, fill):
        # One row more, and of a batch without rows, which has no steps either, one step.
        rank = values.shape.rank
        steps = [[0, tf.maximum(0, 1 - tf.shape(values)[1])]] if rank > 1 else []
        return tf.gather(tf.pad(values, [[0, 1], *steps, [0, 0]][:rank], constant_values=fill), taken)

    shared = {name: share(batch[name], filling.get(name, 0)) for name in batch if batch[name].dtype != tf.string}
    for name, values in shared.items():
        if values.shape.rank > 1 and name != "source_length":
            length = shared["source_length" if name == "source" else "target_length"]
            shared[name] = values[:, : tf.maximum(1, tf.reduce_max(length))]
    return shared


def replica_seed(seed: int, step):
    """The `(2,)` int32 seed of a step in a replica's context: of the first `[seed, step]`, of each other another."""
    replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
    return tf.stack([seed + REPLICA_SEED * replica, tf.cast(step, tf.int32)])


def first_replica(values):
    """A nest of values that are the same on all replicas, once."""
    return tf.nest.map_structure(
        lambda value: tf.distribute.get_strategy().experimental_local_results(value)[0], values
    )
