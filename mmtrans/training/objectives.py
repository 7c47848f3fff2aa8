"""What a phase minimises: a model, its loss on a batch, and the weights that later phases take from it."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from mmtrans.config import Config
from mmtrans.models.losses import feature_loss, sentiment_loss
from mmtrans.models.translator import Translator


@dataclass(frozen=True)
class TranslationObjective:
    """Teacher-forced translation of continuous features.

    Args:
        translator: the models of the translation.
        config: names the loss.
    """

    translator: Translator
    config: Config

    @property
    def model(self) -> keras.Model:
        return self.translator.model

    def loss(self, batch, training: bool):
        """`(sum over valid steps, number of valid steps)` of a batch with a target."""
        outputs = self.model(
            {name: batch[name] for name in ("source", "source_length", "decoder_input")}, training=training
        )
        target = self.translator.target_normalization(batch["target"])
        return feature_loss(
            self.config.translation_loss, outputs["prediction"], target, batch["target_length"], self.translator.blocks
        )


@dataclass(frozen=True)
class SentimentObjective:
    """Regression of the label.

    Args:
        model: the regressor.
        config: names the loss.
    """

    model: keras.Model
    config: Config

    def loss(self, batch, training: bool):
        """`(sum over labelled segments, number of labelled segments)` of a batch."""
        outputs = self.model({name: batch[name] for name in ("source", "source_length")}, training=training)
        return sentiment_loss(self.config.sentiment_loss, outputs["score"], batch["label"])


Objective = TranslationObjective | SentimentObjective


def representation_of(model: keras.Model) -> keras.Model:
    """The part of a translator or regressor that other phases share: everything up to the encoder's output."""
    return next(layer for layer in model.layers if layer.name.startswith(("representation_", "features")))
