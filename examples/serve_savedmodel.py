"""Scores from an exported model, by TensorFlow alone: mmtrans need not be installed.

    mmtrans export RUN export
    python examples/serve_savedmodel.py export

TensorFlow Serving calls the same signature, `serving_default`. That was not tried.
"""

import sys

import numpy as np
import tensorflow as tf


def main(directory):
    """The scores of two segments of random features, of five and of three steps."""
    serve = tf.saved_model.load(directory).signatures["serving_default"]
    inputs = serve.structured_input_signature[1]
    rng = np.random.default_rng(0)
    # Features are given as they were measured: the model standardises them itself.
    given = {
        name: tf.constant(rng.normal(size=(2, 5, spec.shape[-1])), tf.float32)
        for name, spec in inputs.items()
        if name != "length"
    }
    # Steps beyond a segment's length are padding, and are never read.
    scores = serve(**given, length=tf.constant([5, 3], inputs["length"].dtype))["score"]
    return [float(score) for score in scores]


if __name__ == "__main__":
    print(main(sys.argv[1]))
