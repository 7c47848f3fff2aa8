"""A sentiment model in two parts: up to the vectors of words, which its text encoder gives, and from there on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.models.pieces import models_named
from mmtrans.models.regressor import build_regressor
from mmtrans.models.representation import FEATURES
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Recipe


def features_model(regressor: keras.Model) -> keras.Model:
    """The first part, within a sentiment model: `{source, source_length}` → `{"memory": (batch, steps, width)}`, the
    vectors of words with the other features, standardised, beside them."""
    return next(models_named(regressor, FEATURES))


def after_features(
    regressor: keras.Model, recipe: Recipe, config: Config, statistics: Statistics, run_format: int = RUN_FORMAT
) -> keras.Model:
    """The second part, with weights of its own that are equal: it reads as `source` what `features_model` gives.

    Args:
        regressor: the sentiment model, whose text comes as pieces.
        recipe: Recipe that it was built of.
        config: Configuration that it was built of.
        statistics: Statistics that it was built of.
        run_format: Format of the run that it is of.
    """
    features: Any = features_model(regressor)
    dims = {name: len(statistics.mean[name]) for name in recipe.inputs.modalities}
    dims["text"] += features.output["memory"].shape[-1] - sum(dims.values())
    as_they_are = Statistics(
        {name: np.zeros(dim) for name, dim in dims.items()}, {name: np.ones(dim) for name, dim in dims.items()}
    )
    rest: Any = build_regressor(recipe, config, as_they_are, run_format=run_format)
    inner = {id(weight) for weight in features.weights}
    kept = [weight for weight in regressor.weights if id(weight) not in inner]
    for weight, value in zip(rest.weights, kept, strict=True):
        weight.assign(tf.convert_to_tensor(value))
    return rest
