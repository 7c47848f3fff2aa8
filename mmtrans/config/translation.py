"""The fields of a configuration that translations read, by component; see `sections` for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmtrans.config.conditions import (
    ANY_CELL,
    ATTENDS,
    BOTH,
    FEATURES,
    LATENT,
    RECURS,
    SAMPLES,
    TOKENS,
    TRANSLATES,
    TRANSLATION,
    WORDS,
    WRITES_FEATURES,
)
from mmtrans.config.fields import MOST_SIZE, Section, option, unless


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(Section):
    """What reads the source of a translation."""

    cell: Literal["lstm", "gru"] = option(
        "lstm", "recurrent cell of all parts", BOTH, (RECURS, ANY_CELL), shapes=("encoder",)
    )
    # No baseline has an encoder, though the key of its regressor's phase depends on what encoders read.
    units: int = option(
        64,
        "encoder units, each direction",
        BOTH,
        (TRANSLATES,),
        low=1,
        most=MOST_SIZE,
        shapes=("encoder",),
        help_place="first",
    )
    num_layers: int = option(
        1, "stacked layers of the encoder", BOTH, (TRANSLATES,), low=1, most=MOST_SIZE, shapes=("encoder",)
    )
    bidirectional: bool = option(True, "read sources in both directions", BOTH, (RECURS, ANY_CELL), shapes=("encoder",))
    dropout: float = option(
        0.3,
        "dropout on the input of every recurrent layer",
        BOTH,
        (TRANSLATES,),
        low=0.0,
        high=0.95,
        help_place="first",
    )


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(Section):
    """What writes the target, and what it is fed in training."""

    attention: Literal["bahdanau", "none"] = option(
        "bahdanau", "attention of the decoder", TRANSLATION, shapes=("decoder", "latent")
    )
    attention_units: int = option(
        64,
        "units inside the attention's tanh",
        TRANSLATION,
        (ATTENDS,),
        low=1,
        most=MOST_SIZE,
        shapes=("decoder",),
        help_place="rare",
    )
    max_distance: int = option(
        16,
        "reach of the learned attention bias by step distance; 0 for content alone",
        TRANSLATION,
        (ATTENDS,),
        low=0,
        most=MOST_SIZE,
        shapes=("decoder",),
        help_place="rare",
    )
    decoder_units: int = option(128, "units of the decoder", TRANSLATION, low=1, most=MOST_SIZE, shapes=("decoder",))
    feature_sampling: float = option(
        1.0,
        "share of previous frames that are the decoder's own at the end of training",
        TRANSLATION,
        (WRITES_FEATURES,),
        low=0.0,
        high=1.0,
        help_place="rare",
    )
    token_sampling: float = option(
        0.0,
        "share of previous tokens that are the decoder's own at the end of training",
        TRANSLATION,
        (TOKENS,),
        low=0.0,
        high=1.0,
        help_place="rare",
    )
    sampling_steps: int = option(
        100,
        "steps in which those shares rise from nothing (scheduled sampling)",
        TRANSLATION,
        (SAMPLES,),
        low=1,
        help_place="rare",
    )
    stop: bool = option(
        False,
        "learn when a features target ends, for `translate --length free`",
        TRANSLATION,
        (FEATURES,),
        shapes=("decoder",),
    )


@dataclass(frozen=True, kw_only=True)
class OutputConfig(Section):
    """What a decoder writes, and the loss of it."""

    target: Literal["features", "tokens"] = option(
        "features",
        "what the decoder writes: standardised vectors, or words and codewords",
        TRANSLATION,
        help_place="first",
    )
    translation_loss: Literal["mse", "mae", "huber", "cosine"] = option(
        "mse", "loss of a features target", TRANSLATION, (WRITES_FEATURES,)
    )
    cycle_weight: float = option(
        0.0, "weight of translating the decoded target back into the source's features", TRANSLATION, low=0.0
    )
    codebook_size: int = option(
        256,
        "most codewords of a tokens target without words",
        TRANSLATION,
        (TOKENS,),
        low=2,
        most=MOST_SIZE,
        help_place="rare",
    )
    min_count: int = option(
        2,
        "least occurrences in train of a word that is a token",
        TRANSLATION,
        (TOKENS, WORDS),
        low=1,
        help_place="rare",
    )
    embedding_units: int = option(
        64,
        "units of the decoder's token vectors",
        TRANSLATION,
        (TOKENS,),
        low=1,
        most=MOST_SIZE,
        help_place="rare",
    )
    tie_weights: bool = option(
        False, "use the token vectors as the softmax' weights too", TRANSLATION, (TOKENS,), help_place="rare"
    )
    label_smoothing: float = option(
        0.0,
        "share of a token target spread over all tokens",
        TRANSLATION,
        (TOKENS,),
        low=0.0,
        high=0.9,
        help_place="rare",
    )


@dataclass(frozen=True, kw_only=True)
class LatentConfig(Section):
    """What may lie between encoder and decoder."""

    bottleneck: Literal["none", "vae"] = option(
        "none",
        "lay a Gaussian latent behind the encoder",
        TRANSLATION,
        shapes=("encoder", "latent"),
    )
    latent_units: int = option(
        64,
        "units of the latent, a vector",
        TRANSLATION,
        (LATENT,),
        low=1,
        most=MOST_SIZE,
        shapes=("latent",),
        help_place="rare",
    )
    kl_weight: float = option(
        0.1,
        "weight of the divergence from the prior; 1 for the bound",
        TRANSLATION,
        (LATENT,),
        low=0.0,
        help_place="rare",
    )
    kl_annealing_steps: int = option(
        200,
        "steps in which that weight rises from nothing",
        TRANSLATION,
        (LATENT, unless("kl_weight", 0)),
        low=1,
        help_place="rare",
    )
    free_bits: float = option(
        0.0,
        "nats of divergence of each latent unit, a mean over vectors, that cost nothing",
        TRANSLATION,
        (LATENT, unless("kl_weight", 0)),
        low=0.0,
        help_place="rare",
    )
