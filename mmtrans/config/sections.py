"""The fields of a configuration, by the component that reads them.

A new field is declared with `added`, so that the keys of what is there stay what they are, and says where `--help`
shows it: `help_place="rare"` unless many people will change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mmtrans.config.fields import Condition, Section, option, unless, when
from mmtrans.recipe import parse
from mmtrans.system.paths import spelled

#: The most of any size of a model: beyond it no machine holds the weights.
MOST_SIZE = 1_000_000

#: The kinds of phases that read a field. A joint phase reads what the others do, and its own.
BOTH, TRANSLATION, SENTIMENT, JOINT = ("translation", "sentiment"), ("translation",), ("sentiment",), ("joint",)


def _translates(flat: Mapping[str, Any]) -> bool:
    return bool(parse(flat["recipe"]).translations)


def _writes_words(flat: Mapping[str, Any]) -> bool:
    return any(translation.target.modalities == ("text",) for translation in parse(flat["recipe"]).translations)


def _writes_features(flat: Mapping[str, Any]) -> bool:
    # The way back of a cycle does, whatever the target is made of.
    return flat["target"] == "features" or flat["cycle_weight"] > 0


def _samples(flat: Mapping[str, Any]) -> bool:
    samples_tokens = flat["target"] == "tokens" and flat["token_sampling"] > 0
    return samples_tokens or (_writes_features(flat) and flat["feature_sampling"] > 0)


TRANSLATES = Condition(("recipe",), _translates, "{recipe} translates nothing")
MUST_TRANSLATE = replace(TRANSLATES, remedy="Choose a recipe that translates, such as T->A")
SCORES = Condition(("pretrain",), lambda flat: not flat["pretrain"], "a pre-training trains no regressor")

#: Kinds of phases → what must hold for there to be one.
EXISTS: Mapping[tuple[str, ...], tuple[Condition, ...]] = {
    (): (),
    BOTH: (),
    TRANSLATION: (TRANSLATES,),
    SENTIMENT: (SCORES,),
    JOINT: (TRANSLATES, SCORES, when("objective", "joint")),
}

#: A joint phase trains the encoder from the start, and no sentiment phase follows.
NOT_JOINT = Condition(
    ("objective", "pretrain"),
    lambda flat: flat["objective"] == "sequential" or flat["pretrain"],
    "objective={objective!r}",
    "Choose --objective sequential",
)

ATTENDS = when("attention", "bahdanau")
TOKENS, FEATURES = when("target", "tokens"), when("target", "features")
WORDS = Condition(("recipe",), _writes_words, "{recipe} writes no words")
WRITES_FEATURES = Condition(("target", "cycle_weight"), _writes_features, "target={target!r}, without a cycle")
SAMPLES = Condition(
    ("target", "cycle_weight", "token_sampling", "feature_sampling"), _samples, "true frames and tokens alone are fed"
)
LATENT = when("bottleneck", "vae")


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
        "control: leave the translation's encoder as it was initialised",
        TRANSLATION,
        (NOT_JOINT,),
        grid="varied",
    )
    label_fraction: float = option(
        1.0,
        "share of the train labels that the sentiment phase sees",
        SENTIMENT,
        low=0.01,
        high=1.0,
        grid="varied",
        help_place="rare",
    )


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(Section):
    """What reads the source of a translation."""

    cell: Literal["lstm", "gru"] = option(
        "lstm", "recurrent cell of encoder, decoder and regressor", BOTH, shapes=("encoder",)
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
    bidirectional: bool = option(True, "read sources in both directions", BOTH, shapes=("encoder",))
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
        "what decoder and regressor get of the encoder: its output, or a Gaussian latent",
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


@dataclass(frozen=True, kw_only=True)
class RegressorConfig(Section):
    """What gives the sentiment, and what it does to an encoder."""

    representation: Literal["sequence", "final"] = option(
        "sequence",
        "what it reads of an encoder: all steps or the final state",
        SENTIMENT,
        (TRANSLATES,),
    )
    regressor_units: int = option(64, "units, each direction", SENTIMENT, low=1, most=MOST_SIZE)
    pooling: Literal["attention", "last"] = option("attention", "how steps are summarised", SENTIMENT)
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
