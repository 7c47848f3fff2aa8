"""What a phase minimises: a model, its loss on a batch, and the weights that later phases take from it."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from mmtrans.config import Config
from mmtrans.models.losses import Term, sentiment_loss
from mmtrans.models.translator import Translator


@dataclass(frozen=True)
class TranslationObjective:
    """Teacher-forced translation.

    Args:
        translator: the models of the translation.
    """

    translator: Translator

    @property
    def model(self) -> keras.Model:
        return self.translator.model

    def terms(self, batch, training: bool) -> list[Term]:
        """The loss terms of a batch with a target."""
        return self.translator.terms(batch, training)


@dataclass(frozen=True)
class SentimentObjective:
    """Regression of the label.

    Args:
        model: the regressor.
        config: names the loss.
    """

    model: keras.Model
    config: Config

    def terms(self, batch, training: bool) -> list[Term]:
        """The one loss term of a batch: over its labelled segments."""
        outputs = self.model({name: batch[name] for name in ("source", "source_length")}, training=training)
        return [Term(*sentiment_loss(self.config.sentiment_loss, outputs["score"], batch["label"]))]


Objective = TranslationObjective | SentimentObjective


def representation_of(model: keras.Model) -> keras.Model:
    """The part of a translator or regressor that other phases share: everything up to the encoder's output."""
    return next(layer for layer in model.layers if layer.name.startswith(("representation_", "features")))
