"""What a phase minimises: a model, its loss on a batch, and the weights that later phases take from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import keras

from mmtrans.config import Config
from mmtrans.models.cycle import cycle_terms
from mmtrans.models.losses import Term, sentiment_loss
from mmtrans.models.targets import linear_ramp
from mmtrans.models.translator import Translator


class JointModel(keras.Model):
    """Models that are trained together, as one: their weights, each once. It is not called.

    Args:
        models: name → model; they may share layers.
    """

    def __init__(self, **models):
        super().__init__(name="joint_model")
        self.parts = tuple(models)
        for name, model in models.items():
            setattr(self, name, model)


@dataclass(frozen=True)
class TranslationObjective:
    """Translation, teacher-forced or rolled out, and back again if there is a cycle.

    The valid loss that selects the best weights is that of both: it is what is minimised, and a translation that lost
    what the way back needs would be kept otherwise.

    Args:
        translator: the models of the translation.
        cycle: those of the way back, or `None`.
        cycle_weight: of its loss.
    """

    translator: Translator
    cycle: Translator | None = None
    cycle_weight: float = 0.0

    @cached_property
    def model(self) -> keras.Model:
        """The translator, with its cycle where it has one."""
        if self.cycle is None:
            return self.translator.model
        return JointModel(translator=self.translator.model, cycle=self.cycle.model)

    def terms(self, batch, training: bool) -> list[Term]:
        """The loss terms of a batch with a target."""
        outputs = self.translator.outputs(batch, training)
        terms = self.translator.loss_terms(outputs, batch, training)
        if self.cycle is not None:
            decoded = self.translator.target.decoded(outputs)
            terms += weighted(cycle_terms(self.cycle, decoded, batch, training), self.cycle_weight)
        return terms


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
        loss = sentiment_loss(self.config.sentiment_loss, outputs["score"], batch["label"])
        return [Term(*loss, name="sentiment")]


@dataclass(frozen=True)
class JointObjective:
    """Translation and sentiment at once, over one encoder that both move.

    Weights are selected by the valid loss of the sentiment alone, which the model is for; the other terms are
    computed in validation, and weigh nothing there.

    Args:
        translation: the one, with its cycle if it has one.
        sentiment: the other; its model reads the translator's representation.
        config: the weights of both, and in how many steps that of the sentiment rises.
    """

    translation: TranslationObjective
    sentiment: SentimentObjective
    config: Config

    @property
    def translator(self) -> Translator:
        """The models of the translation."""
        return self.translation.translator

    @cached_property
    def model(self) -> keras.Model:
        """Translator, regressor and cycle as one."""
        cycle = {} if self.translation.cycle is None else {"cycle": self.translation.cycle.model}
        return JointModel(translator=self.translator.model, regressor=self.sentiment.model, **cycle)

    def terms(self, batch, training: bool) -> list[Term]:
        """The loss terms of a batch with a target, labelled or not."""
        translation, sentiment = (part.terms(batch, training) for part in (self.translation, self.sentiment))
        if not training:
            return sentiment + weighted(translation, 0.0)
        weight, steps = self.config.sentiment_weight, self.config.joint_warmup_steps
        sentiment = weighted(sentiment, linear_ramp(weight, steps) if steps else weight)
        return sentiment + weighted(translation, self.config.translation_weight)


Objective = TranslationObjective | SentimentObjective | JointObjective


def weighted(terms: list[Term], weight) -> list[Term]:
    """The terms with their weights times another."""
    return [term._replace(weight=weight * term.weight) for term in terms]


def kept_weights(model: keras.Model) -> dict[str, keras.Model]:
    """What a phase keeps of its best weights, for `save_weights`: `model`, all of it; `representation`, what later
    phases take; and of models trained together each one under its own name."""
    parts = {name: getattr(model, name) for name in model.parts} if isinstance(model, JointModel) else {}
    return {"model": model, "representation": representation_of(model), **parts}


def representation_of(model: keras.Model) -> keras.Model:
    """The part of a translator or regressor that other phases share: everything up to the encoder's output."""
    if isinstance(model, JointModel):
        model = model.translator
    return next(layer for layer in model.layers if layer.name.startswith(("representation_", "features")))
