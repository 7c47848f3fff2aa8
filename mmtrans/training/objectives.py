"""What a phase minimises: a model, its loss on a batch, and the weights that later phases take from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import keras

from mmtrans.config.sections import JointConfig, RegressorConfig
from mmtrans.models.cycle import cycle_terms
from mmtrans.models.losses import Tensors, Term, sentiment_loss
from mmtrans.models.regressor import Regressor
from mmtrans.models.representation import FEATURES
from mmtrans.models.targets import linear_ramp
from mmtrans.models.translator import Translator


class Objective(Protocol):
    """What the training loop needs of a phase."""

    @property
    def model(self) -> keras.Model:
        """All that is trained, as one."""
        ...

    @property
    def representation(self) -> keras.Model:
        """The part that later phases take: everything up to the encoder's output."""
        ...

    def terms(self, batch: Tensors, training: bool) -> list[Term]:
        """The loss terms of a batch."""
        ...


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

    @property
    def models(self) -> dict[str, keras.Model]:
        """The models by name."""
        return {name: getattr(self, name) for name in self.parts}


@dataclass(frozen=True)
class TranslationObjective:
    """Translation, teacher-forced or rolled out, and back again if there is a cycle.

    The valid loss that selects the best weights is that of both: it is what is minimised, and a translation that lost
    what the way back needs would be kept otherwise.

    Attributes:
        translator: the models of the translation.
        cycle: the models of the way back, or `None`.
        cycle_weight: weight of the loss of the way back.
    """

    translator: Translator
    cycle: Translator | None = None
    cycle_weight: float = 0.0

    @property
    def model(self) -> keras.Model:
        """The translator, with its cycle where it has one."""
        return self._model

    @cached_property
    def _model(self) -> keras.Model:
        if self.cycle is None:
            return self.translator.model
        return JointModel(translator=self.translator.model, cycle=self.cycle.model)

    @property
    def representation(self) -> keras.Model:
        """What the regressor and further translations read."""
        return self.translator.representation

    @property
    def inherited(self) -> keras.Model:
        """The part that comes from the parent phase, where there is one."""
        return self.translator.source

    def terms(self, batch: Tensors, training: bool) -> list[Term]:
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

    A fusion may have losses of its own. The valid loss of the sentiment alone selects the best weights, as the model is
    for it; the others are computed in validation, and weigh nothing there.

    Attributes:
        regressor: the sentiment model and its parts.
        config: names the loss.
        own_terms: the fusion's own losses, of what it gives and a batch; `None` where it has none.
    """

    regressor: Regressor
    config: RegressorConfig
    own_terms: Callable[[Tensors, Tensors], list[Term]] | None = None

    @property
    def model(self) -> keras.Model:
        """The regressor's model."""
        return self.regressor.model

    @property
    def representation(self) -> keras.Model:
        """What the regressor reads."""
        return self.regressor.representation

    @property
    def inherited(self) -> keras.Model:
        """The part that comes from the parent phase, where there is one."""
        return self.regressor.representation

    def terms(self, batch: Tensors, training: bool) -> list[Term]:
        """The loss terms of a batch: that of the sentiment is over its labelled segments."""
        inputs = {name: batch[name] for name in self.model.input}
        outputs: Any = self._with_fusion(inputs, training=training)
        loss = sentiment_loss(self.config.sentiment_loss, outputs["score"], batch["label"])
        own = [] if self.own_terms is None else self.own_terms(outputs, batch)
        return [Term(*loss, name="sentiment"), *(own if training else weighted(own, 0.0))]

    @cached_property
    def _with_fusion(self) -> keras.Model:
        """The model, which gives what a fusion's own losses read too."""
        of_fusion = self.regressor.of_fusion
        return keras.Model(self.model.input, {**self.model.output, **of_fusion}) if of_fusion else self.model


@dataclass(frozen=True)
class JointObjective:
    """Translation and sentiment at once, over one encoder that both move.

    Weights are selected by the valid loss of the sentiment alone, which the model is for; the other terms are
    computed in validation, and weigh nothing there.

    Attributes:
        translation: loss and models of the translation, with its cycle if it has one.
        sentiment: loss and model of the sentiment; the model reads the translator's representation.
        config: the weights of both, and in how many steps that of the sentiment rises.
    """

    translation: TranslationObjective
    sentiment: SentimentObjective
    config: JointConfig

    @property
    def translator(self) -> Translator:
        """The models of the translation."""
        return self.translation.translator

    @property
    def representation(self) -> keras.Model:
        """What translator and regressor share."""
        return self.translation.representation

    @property
    def inherited(self) -> keras.Model:
        """The part that comes from the parent phase, where there is one."""
        return self.translation.inherited

    @property
    def model(self) -> keras.Model:
        """Translator, regressor and cycle as one."""
        return self._model

    @cached_property
    def _model(self) -> keras.Model:
        cycle = {} if self.translation.cycle is None else {"cycle": self.translation.cycle.model}
        return JointModel(translator=self.translator.model, regressor=self.sentiment.model, **cycle)

    def terms(self, batch: Tensors, training: bool) -> list[Term]:
        """The loss terms of a batch with a target, labelled or not."""
        translation = self.translation.terms(batch, training)
        sentiment = self.sentiment.terms(batch, training)
        if not training:
            return sentiment + weighted(translation, 0.0)
        weight, steps = self.config.sentiment_weight, self.config.joint_warmup_steps
        sentiment = weighted(sentiment, linear_ramp(weight, steps) if steps else weight)
        return sentiment + weighted(translation, self.config.translation_weight)


def weighted(terms: list[Term], weight) -> list[Term]:
    """The terms with their weights times another."""
    return [term._replace(weight=weight * term.weight) for term in terms]


def kept_weights(objective: Objective) -> dict[str, keras.Model]:
    """What a phase keeps of its best weights, for `save_weights`: `model`, all of it; `representation`, what later
    phases take; and of models trained together each one under its own name."""
    model = objective.model
    parts = model.models if isinstance(model, JointModel) else {}
    # What reads features ends a run: a text encoder within them need not be kept twice.
    taken = {} if objective.representation.name == FEATURES else {"representation": objective.representation}
    return {"model": model, **taken, **parts}
