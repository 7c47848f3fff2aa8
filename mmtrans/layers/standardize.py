"""Normalisation inside the model, so that a trained model takes raw features."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mmtrans")
class Standardize(keras.layers.Layer):
    """Subtracts a mean and divides by a standard deviation, column by column.

    The statistics are constants of the layer: they belong to the train split that the run was made with.

    Args:
        mean: `dim` floats.
        std: `dim` positive floats; constant columns have 1.

    Call arguments:
        inputs: `(batch, steps, dim)` float32, raw features.

    Returns:
        `(batch, steps, dim)` float32.

    Example:
        ```pycon
        >>> Standardize(mean=[1.0], std=[2.0])(tf.constant([[[5.0]]])).numpy().tolist()
        [[[2.0]]]
        ```
    """

    def __init__(self, mean, std, **kwargs):
        super().__init__(**kwargs)
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise ValueError(
                f"Statistics must be as many means as positive deviations. Received: {len(self.mean)} means, "
                f"{len(self.std)} deviations, smallest {min(self.std, default=None)}."
            )

    def call(self, inputs):
        return (inputs - tf.constant(self.mean, inputs.dtype)) / tf.constant(self.std, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "std": self.std}
