"""`python -m tests.training.replicas`: what each of two replicas of one process gets, as JSON. Devices are per process."""

import json

import tensorflow as tf

from mmtrans.layers.dropout import named_seed, random_step
from mmtrans.training.devices import open_devices
from mmtrans.training.execution import Execution
from mmtrans.training.loop import replica_seed, replica_share


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


def main():
    strategy = open_devices(Execution("mirrored", 2)).strategy

    @tf.function
    def shares(batch):
        return strategy.run(replica_share, args=(batch,))

    def results(values):
        return [value.numpy().tolist() for value in strategy.experimental_local_results(values)]

    for lengths in ([2, 4, 1], [3], []):
        print(json.dumps({name: results(values) for name, values in shares(batch_of(lengths)).items()}))
    print(json.dumps(results(tf.function(lambda: strategy.run(seed_of_replica))())))


if __name__ == "__main__":
    main()
