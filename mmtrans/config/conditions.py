"""What must hold for a field to have an effect: a phase that reads it exists, and no other field rules it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmtrans.config.fields import Condition, when
from mmtrans.recipe import FUSIONS, Fusion, parse

#: The kinds of phases that read a field. A joint phase reads what the others do, and its own.
BOTH, TRANSLATION, SENTIMENT, JOINT = ("translation", "sentiment"), ("translation",), ("sentiment",), ("joint",)


def _translates(flat: Mapping[str, Any]) -> bool:
    return bool(parse(flat["recipe"]).translations)


def _reads_text(flat: Mapping[str, Any]) -> bool:
    return "text" in parse(flat["recipe"]).inputs.modalities


def _writes_words(flat: Mapping[str, Any]) -> bool:
    return any(translation.target.modalities == ("text",) for translation in parse(flat["recipe"]).translations)


def _writes_features(flat: Mapping[str, Any]) -> bool:
    # The way back of a cycle does, whatever the target is made of.
    return flat["target"] == "features" or flat["cycle_weight"] > 0


def _samples(flat: Mapping[str, Any]) -> bool:
    samples_tokens = flat["target"] == "tokens" and flat["token_sampling"] > 0
    return samples_tokens or (_writes_features(flat) and flat["feature_sampling"] > 0)


def _fuses_by(*methods: str) -> Condition:
    """The condition that the recipe is a fusion by one of these methods."""

    def holds(flat: Mapping[str, Any]) -> bool:
        recipe = parse(flat["recipe"])
        return isinstance(recipe, Fusion) and recipe.method in methods

    return Condition(("recipe",), holds, f"{{recipe}} is none of {', '.join(methods)}")


FUSES = _fuses_by(*FUSIONS)
LOW_RANK, CROSSMODAL, BY_SUBSPACES = _fuses_by("lmf"), _fuses_by("mult"), _fuses_by("misa")
BY_ATTENTION = _fuses_by("mult", "misa")
SIZES_SIGNALS = _fuses_by(*(method for method in FUSIONS if method != "late"))
JOINS = _fuses_by("tfn", "lmf", "mfn", "marn", "gme", "bclstm")
BY_HEADS = _fuses_by("mult", "misa", "marn")
BY_VIEWS, BY_TOPOLOGY = _fuses_by("mfn", "marn", "mvlstm"), _fuses_by("mvlstm")
WHOLE_HEADS = Condition(
    ("recipe", "fusion_units", "fusion_heads"),
    lambda flat: not BY_ATTENTION.holds(flat) or flat["fusion_units"] % flat["fusion_heads"] == 0,
    "fusion_units={fusion_units} is no multiple of fusion_heads={fusion_heads}",
    "Choose a multiple",
)
RECURS = Condition(("recipe",), lambda flat: not CROSSMODAL.holds(flat), "{recipe} has no recurrent layer")
ANY_CELL = Condition(("recipe",), lambda flat: not BY_VIEWS.holds(flat), "{recipe} has LSTMs that read one way")
NOT_FUSED = Condition(
    ("recipe",), lambda flat: not FUSES.holds(flat), "{recipe} reads and joins its modalities in its own way"
)
RECURRENT = Condition(
    ("recurrent", "recipe"), lambda flat: flat["recurrent"] or FUSES.holds(flat), "recurrent={recurrent!r}"
)

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

READS_TEXT = Condition(("recipe",), _reads_text, "{recipe} reads no text")
ATTENDS = when("attention", "bahdanau")
TOKENS, FEATURES = when("target", "tokens"), when("target", "features")
WORDS = Condition(("recipe",), _writes_words, "{recipe} writes no words")
WRITES_FEATURES = Condition(("target", "cycle_weight"), _writes_features, "target={target!r}, without a cycle")
SAMPLES = Condition(
    ("target", "cycle_weight", "token_sampling", "feature_sampling"), _samples, "true frames and tokens alone are fed"
)
LATENT = when("bottleneck", "vae")
