"""The fields of a configuration, by the component that reads them.

A new field is declared with `added`, so that the keys of what is there stay what they are, and says where `--help`
shows it: `help_place="rare"` unless many people will change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmtrans.bounds import check_number
from mmtrans.config.conditions import (
    BOTH,
    BY_HEADS,
    BY_SUBSPACES,
    BY_TOPOLOGY,
    CROSSMODAL,
    JOINS,
    JOINT,
    LOW_RANK,
    MUST_TRANSLATE,
    NOT_FUSED,
    NOT_JOINT,
    RECURRENT,
    RECURS,
    SCORES,
    SENTIMENT,
    SIZES_SIGNALS,
    TRANSLATES,
    TRANSLATION,
    WHOLE_HEADS,
)
from mmtrans.config.fields import MOST_SIZE, Section, added, option, unless, when
from mmtrans.recipe import parse
from mmtrans.system.paths import spelled
from tfrecords.stored import shown

#: The least share of the labels that may be left.
LEAST_SHARE = 0.01

#: The value of `valid_label_fraction` with which it is the `label_fraction`.
SAME = "same"


def _valid_share(text: str) -> str:
    if text == SAME:
        return text
    try:
        share = float(text)
    except ValueError:
        raise ValueError(
            f"valid_label_fraction is no share. Expected {LEAST_SHARE} to 1, or {SAME}. "
            f"Received: valid_label_fraction={shown(text)}. Give the share of the valid labels that are left."
        ) from None
    check_number("valid_label_fraction", share, LEAST_SHARE, 1.0)
    return str(share)


@dataclass(frozen=True, kw_only=True)
class PlanConfig(Section):
    """What is trained, in which phases, and where from."""

    recipe: str = option(
        "T->A",
        "what to train: T, concat(T,V), T->A, embed(T,A)->V, …",
        (),
        canonical=lambda text: str(parse(text)),
        grid="varied",
        search="common",
        help_place="first",
    )
    seed: int = option(
        0,
        "seed of weights, dropout and order",
        BOTH,
        low=0,
        high=2**31 - 1,
        grid="varied",
        search="common",
        help_place="first",
    )
    objective: Literal["sequential", "joint"] = option(
        "sequential",
        "train sentiment after the last translation, or with it, end to end",
        (),
        # An encoder that is left as it is cannot be trained together with anything.
        (TRANSLATES, SCORES, when("untrained", False, "Train the encoder")),
        search="common",
    )
    init: str = option(
        "",
        "finished run whose translations, or their encoders, this one starts from",
        (),
        (MUST_TRANSLATE,),
        canonical=spelled,
        search="common",
    )
    freeze: Literal["none", "encoder"] = option(
        "none",
        "what of the --init run does not move",
        TRANSLATION,
        (MUST_TRANSLATE, unless("init", "", "Say with --init RUN where the encoder comes from")),
    )
    pretrain: bool = option(
        False,
        "train the translations only, as for --init; needs no labels",
        (),
        (MUST_TRANSLATE,),
        grid="fixed",
        search="fixed",
    )
    untrained: bool = option(
        False,
        "control: leave the encoder as initialised",
        TRANSLATION,
        (NOT_JOINT,),
        grid="varied",
    )
    label_fraction: float = option(
        1.0,
        "share of the train labels that the sentiment phase sees",
        SENTIMENT,
        low=LEAST_SHARE,
        high=1.0,
        grid="varied",
        help_place="rare",
    )
    valid_label_fraction: str = added(
        "1.0",
        f"share of the valid labels that stop it and choose its epoch, or `{SAME}` as of train",
        SENTIMENT,
        canonical=_valid_share,
        search="common",
        help_place="rare",
    )

    @property
    def valid_share(self) -> float:
        """Share of the valid labels that the sentiment phase sees."""
        return self.label_fraction if self.valid_label_fraction == SAME else float(self.valid_label_fraction)


@dataclass(frozen=True, kw_only=True)
class RegressorConfig(Section):
    """What gives the sentiment, and what it does to an encoder."""

    representation: Literal["sequence", "final", "both"] = option(
        "sequence",
        "all steps of an encoder, its final state, or its steps and the source's",
        SENTIMENT,
        (TRANSLATES,),
    )
    recurrent: bool = added(True, "read steps by a recurrent layer first", SENTIMENT, (NOT_FUSED,), help_place="rare")
    regressor_units: int = option(64, "units, each direction", SENTIMENT, (RECURRENT, RECURS), low=1, most=MOST_SIZE)
    pooling: Literal["attention", "last", "mean"] = option(
        "attention", "how steps are summarised", SENTIMENT, (NOT_FUSED,)
    )
    regressor_dropout: float = option(
        0.3, "dropout around the recurrent layer", SENTIMENT, low=0.0, high=0.95, help_place="rare"
    )
    sentiment_loss: Literal["mae", "mse", "huber"] = option("mae", "loss of the sentiment phase", SENTIMENT)
    finetune: bool = option(
        False,
        "let the encoder move in the sentiment phase",
        SENTIMENT,
        (TRANSLATES, NOT_JOINT),
    )


@dataclass(frozen=True, kw_only=True)
class FusionConfig(Section):
    """Sizes of fusion models, such as tfn(T,A,V), and weights of their losses."""

    fusion_units: int = added(
        32,
        "units of a modality, text apart but for mult, misa and bclstm",
        SENTIMENT,
        (SIZES_SIGNALS, WHOLE_HEADS),
        low=1,
        most=MOST_SIZE,
        help_place="rare",
    )
    fused_units: int = added(
        128, "units of what joins modalities", SENTIMENT, (JOINS,), low=1, most=MOST_SIZE, help_place="rare"
    )
    fusion_rank: int = added(
        4, "rank of the tensor of lmf", SENTIMENT, (LOW_RANK,), low=1, most=MOST_SIZE, help_place="rare"
    )
    fusion_heads: int = added(
        4,
        "heads of an attention of mult and misa, or attentions of marn",
        SENTIMENT,
        (BY_HEADS, WHOLE_HEADS),
        low=1,
        most=MOST_SIZE,
        help_place="rare",
    )
    fusion_layers: int = added(
        4, "blocks one after another of mult", SENTIMENT, (CROSSMODAL,), low=1, most=MOST_SIZE, help_place="rare"
    )
    fusion_dropout: float = added(
        0.1, "dropout within the blocks of mult", SENTIMENT, (CROSSMODAL,), low=0.0, high=0.95, help_place="rare"
    )
    similarity_weight: float = added(
        1.0,
        "weight of the similarity of shared vectors in misa",
        SENTIMENT,
        (BY_SUBSPACES,),
        low=0.0,
        help_place="rare",
    )
    similarity_moments: int = added(
        5,
        "last central moment in which these are to agree",
        SENTIMENT,
        (BY_SUBSPACES, unless("similarity_weight", 0)),
        low=1,
        high=10,
        help_place="rare",
    )
    difference_weight: float = added(
        0.3, "weight of the overlap of the subspaces in misa", SENTIMENT, (BY_SUBSPACES,), low=0.0, help_place="rare"
    )
    reconstruction_weight: float = added(
        1.0, "weight of the reconstruction in misa", SENTIMENT, (BY_SUBSPACES,), low=0.0, help_place="rare"
    )
    fusion_topology: Literal["hybrid", "view-specific", "coupled", "fully-connected"] = added(
        "hybrid",
        "whose outputs a modality of mvlstm reads: part of all, its own, the others', or all",
        SENTIMENT,
        (BY_TOPOLOGY,),
        help_place="rare",
    )


@dataclass(frozen=True, kw_only=True)
class JointConfig(Section):
    """The weights of --objective joint."""

    translation_weight: float = option(1.0, "weight of the translation", JOINT, low=0.0, help_place="rare")
    sentiment_weight: float = option(1.0, "weight of the sentiment", JOINT, low=0.0, help_place="rare")
    joint_warmup_steps: int = option(
        0,
        "steps in which that weight of the sentiment rises from nothing",
        JOINT,
        (unless("sentiment_weight", 0),),
        low=0,
        help_place="rare",
    )


@dataclass(frozen=True, kw_only=True)
class OptimisationConfig(Section):
    """How long and by what steps a phase is trained."""

    epochs: int = option(
        60, "most epochs of each phase", (), low=1, grows=True, grid="common", search="common", help_place="first"
    )
    patience: int = option(8, "epochs without a better valid loss, then stop", BOTH, low=1)
    fixed_steps: int = added(
        0,
        "steps after which the sentiment phase ends, and keeps its last weights; 0: valid chooses",
        SENTIMENT,
        low=0,
        search="fixed",
        help_place="rare",
    )
    batch_size: int = option(32, "segments in a global batch", BOTH, low=1, help_place="first")
    learning_rate: float = option(2e-3, "learning rate of Adam", BOTH, low=1e-8, high=1.0, help_place="first")
    schedule: Literal["constant", "exponential"] = option(
        "exponential", "learning rate over the steps", BOTH, help_place="rare"
    )
    decay_epochs: float = option(
        10.0,
        "epochs in which the exponential schedule halves",
        BOTH,
        (when("schedule", "exponential"),),
        low=0.1,
        help_place="rare",
    )
    warmup_steps: int = option(0, "steps of linear warm-up", BOTH, low=0, help_place="rare")
    clip_norm: float = option(1.0, "largest global norm of the gradient", BOTH, low=1e-6, help_place="rare")
    ema: float = option(
        0.0,
        "decay of the moving average of the weights that is validated and kept; 0 for none",
        BOTH,
        low=0.0,
        high=0.99999,
        help_place="rare",
    )
