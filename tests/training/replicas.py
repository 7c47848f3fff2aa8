"""`python -m tests.training.replicas RECORDS DIR`: two devices in one process, which must be made as it starts.

Prints what each of two replicas gets, as JSON. Trains a translation on one device in DIR/one, and on both in DIR/two;
and a model that reads whole videos in DIR/videos-one and DIR/videos-two.
"""

import json
import math
import sys
from pathlib import Path

import keras
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.layers.dropout import named_seed, random_step
from mmtrans.models.losses import Term
from mmtrans.models.rivals.misa import subspace_terms
from mmtrans.models.variational import at_least
from mmtrans.runs.run import Run
from mmtrans.training.devices import Devices, open_devices
from mmtrans.training.execution import Execution
from mmtrans.training.loop import make_train_step
from mmtrans.training.prepare import prepare
from mmtrans.training.replicas import replica_seed, replica_share
from mmtrans.training.train import make_deterministic, train_phase
from tests import conftest

#: Nothing random but the order; clipping is active; 23 segments by 11, so that a replica's last share is empty. Frames
#: are rolled out in validation, where the shares have steps of their own.
CONFIG = Config(
    recipe="T->A",
    batch_size=11,
    epochs=2,
    dropout=0.0,
    feature_sampling=1e-9,
    clip_norm=0.1,
    stop=True,
    ema=0.5,
    **conftest.TINY,
)

#: Two videos of ten segments in a batch; the second device has none of the one of valid.
VIDEOS = Config(
    recipe="bclstm(T,A)",
    batch_size=20,
    epochs=2,
    regressor_dropout=0.0,
    clip_norm=0.1,
    ema=0.5,
    fusion_units=3,
    fused_units=4,
    **conftest.TINY,
)


def batch_of(lengths):
    steps = max(lengths, default=0)
    mask = tf.sequence_mask(lengths, steps)
    return {
        "id": tf.fill([len(lengths)], "x"),
        "source": tf.cast(mask, tf.float32)[:, :, None],
        "source_length": tf.constant(lengths, tf.int32),
        "label": tf.range(float(len(lengths))),
        "target": tf.cast(mask, tf.int32),
        "target_length": tf.constant(lengths, tf.int32),
    }


def seed_of_replica():
    with random_step(replica_seed(7, tf.constant(5))):
        return named_seed("dropout")


def print_shares(strategy):

    @tf.function
    def shares(batch):
        return strategy.run(replica_share, args=(batch,))

    def results(values):
        return [value.numpy().tolist() for value in strategy.experimental_local_results(values)]

    for lengths in ([2, 4, 1], [3], []):
        print(json.dumps({name: results(values) for name, values in shares(batch_of(lengths)).items()}))
    print(json.dumps(results(tf.function(lambda: strategy.run(seed_of_replica))())))


def print_video_shares(strategy):
    """Numbers of the segments, counted through, that each replica gets of batches of videos."""

    @tf.function
    def shares(batch):
        return strategy.run(replica_share, args=(batch,))

    for videos in ([0, 0, 1, 2, 2, 2], [0, 0], []):
        counted = {"segment_number": tf.range(len(videos), dtype=tf.int64)}
        batch = {**batch_of([1] * len(videos)), "video_number": tf.constant(videos, tf.int64), **counted}
        taken = shares(batch)
        values = [strategy.experimental_local_results(taken[name]) for name in ("segment_number", "label")]
        print(json.dumps([[value.numpy().tolist() for value in each] for each in values]))


def print_shares_apart(strategy):
    """What each replica gets of three segments of two modalities with steps of their own, and of one."""

    @tf.function
    def shares(batch):
        return strategy.run(replica_share, args=(batch,))

    for lengths in ([[2, 5], [1, 3], [4, 1]], [[2, 5]]):
        batch = {
            "source": tf.ones([len(lengths), 5, 1]),
            "source_length": tf.constant(lengths),
            "label": tf.zeros([len(lengths)]),
        }
        taken = shares(batch)
        values = (strategy.experimental_local_results(taken[name]) for name in ("source", "source_length"))
        sources, own = ([value.numpy() for value in each] for each in values)
        print(json.dumps([[source.shape[1] for source in sources], [each.tolist() for each in own]]))


def print_free_bits(strategy):
    """What each replica adds to a maximum: of one unit the sums 1 and 2, of the other 5 and 6, over 3 and 4 vectors."""

    def held():
        index = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
        return at_least(1.0, tf.stack([1.0, 5.0]) + index, 3.0 + index)

    values = strategy.experimental_local_results(tf.function(lambda: strategy.run(held))())
    print(json.dumps([value.numpy().tolist() for value in values]))


class HalfObjective:
    """The loss depends on one of two layers."""

    def __init__(self):
        source = keras.Input((None, 1))
        self.model = keras.Model(source, [keras.layers.Dense(1, name=name)(source) for name in ("used", "unused")])

    def terms(self, batch, training):
        total = tf.reduce_sum(self.model(batch["source"])[0])
        return [Term(total, tf.cast(tf.reduce_sum(batch["source_length"]), tf.float32))]


def print_unconnected(strategy):
    """Whether a step moves the weights of either layer."""
    with strategy.scope():
        objective, optimizer = HalfObjective(), keras.optimizers.SGD(0.1)
        optimizer.build(objective.model.trainable_variables)
        batch = batch_of([2, 4, 1])
        spec = {name: tf.TensorSpec([None] * value.shape.rank, value.dtype) for name, value in batch.items()}
        spec["source"] = tf.TensorSpec([None, None, 1])
        before = objective.model.get_weights()
        make_train_step(objective, optimizer, CONFIG, spec)(batch)
    print(json.dumps([bool((a != b).all()) for a, b in zip(before, objective.model.get_weights(), strict=True)]))


def print_subspaces(strategy):
    """The losses of subspaces, and the sum of their gradients' squares: of three rows, then of two replicas.

    The second has one row; what fills up its share has no label.
    """
    vectors = tf.random.stateless_uniform([4, 4, 2, 5], [0, 1])

    def losses(rows):
        parts = dict(zip(("given", "shared", "private", "rebuilt"), tf.unstack(vectors, axis=1), strict=True))
        with tf.GradientTape() as tape:
            tape.watch(parts)
            taken = {name: tf.gather(values, rows) for name, values in parts.items()}
            label = tf.where(rows < 3, 0.0, math.nan)
            terms = subspace_terms(taken, {"label": label}, CONFIG.fusion)
            context = tf.distribute.get_replica_context()
            counts = context.all_reduce("SUM", [term.count for term in terms])
            loss = sum(term.weight * term.total / count for term, count in zip(terms, counts, strict=True))
        gradient = tf.reduce_sum(tf.square(tf.stack(list(tape.gradient(loss, parts).values()))))
        return context.all_reduce("SUM", [loss, gradient])

    def shared():
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        return losses(tf.stack([index, index + 2]))

    print(json.dumps([float(value) for value in losses(tf.range(3))]))
    print(
        json.dumps(
            [
                float(strategy.experimental_local_results(value)[0])
                for value in tf.function(lambda: strategy.run(shared))()
            ]
        )
    )


def train_first(config, records, path, devices):
    run = Run.open_or_create(path, config, records)
    prepared = prepare(run.phases[0], run.config, records)
    train_phase(run, run.phases[0], prepared, True, devices, Execution(checkpoint_minutes=0))


if __name__ == "__main__":
    devices = open_devices(Execution("mirrored", 2))
    make_deterministic()
    print_shares(devices.strategy)
    print_free_bits(devices.strategy)
    print_unconnected(devices.strategy)
    print_subspaces(devices.strategy)
    opened = Records.open(sys.argv[1], splits=("train", "valid"))
    print_video_shares(devices.strategy)
    print_shares_apart(devices.strategy)
    for name, config in (("", CONFIG), ("videos-", VIDEOS)):
        train_first(config, opened, Path(sys.argv[2]) / f"{name}one", Devices())
        train_first(config, opened, Path(sys.argv[2]) / f"{name}two", devices)
