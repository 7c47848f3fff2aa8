"""A Keras model and a training loop of your own on our batches.

python examples/custom_loop.py RECORDS
"""

import sys
from pathlib import Path

import keras
import tensorflow as tf

from mmtrans import api


def build(width):
    """A GRU that reads the words, and a score; the mask comes from the lengths, never from zeros."""
    source = keras.Input((None, width))
    length = keras.Input((), dtype="int32")
    mask = keras.layers.Lambda(lambda pair: tf.sequence_mask(pair[1], tf.shape(pair[0])[1]))([source, length])
    state = keras.layers.GRU(16)(source, mask=mask)
    return keras.Model([source, length], keras.layers.Dense(1)(state)[:, 0])


def main(records_path, epochs=2):
    """Trains, and returns the mean absolute error on valid after each epoch."""
    records = api.Records.open(records_path, splits=("train", "valid"))  # test cannot be read here
    select = {split: api.Selection(split, source=("text",), labelled=True) for split in ("train", "valid")}
    model = build(records.dim("text"))
    optimizer = keras.optimizers.Adam(1e-3)

    @tf.function(reduce_retracing=True)
    def step(batch):
        with tf.GradientTape() as tape:
            scores = model([batch["source"], batch["source_length"]], training=True)
            loss = tf.reduce_mean(tf.abs(scores - batch["label"]))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    errors = []
    for epoch in range(epochs):
        for batch in api.make_batches(records, select["train"], batch_size=32, shuffle=(0, epoch)):
            step(batch)
        total = count = 0.0
        for batch in api.make_batches(records, select["valid"], batch_size=64):
            scores = model([batch["source"], batch["source_length"]])
            total += float(tf.reduce_sum(tf.abs(scores - batch["label"])))
            count += len(batch["label"])
        errors.append(total / count)
        print(f"epoch {epoch + 1}: valid MAE {errors[-1]:.3f}")
    return errors


if __name__ == "__main__":
    main(Path(sys.argv[1]))
