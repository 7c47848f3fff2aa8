"""Builds a translator: encoder, bridge, attention decoder and head, joined into functional models."""

from __future__ import annotations

from typing import Any

import keras

from mmtrans.config import RUN_FORMAT, Config
from mmtrans.layers.decoder import AttentionDecoder
from mmtrans.layers.encoder import Bridge
from mmtrans.layers.masking import SequenceMask
from mmtrans.models.representation import build_chain, source_inputs
from mmtrans.models.statistics import Statistics, StepRatio
from mmtrans.models.targets import FeatureTarget, Target, TokenTarget
from mmtrans.models.translator import Translator
from mmtrans.recipe import Translation


def build_translator(
    recipe: Translation,
    config: Config,
    statistics: Statistics,
    vocabulary_size: int | None = None,
    run_format: int = RUN_FORMAT,
) -> Translator:
    """Builds the models of one translation (Pham et al. 2018, Algorithm 1; Algorithm 2 for a chained source).

    Args:
        recipe: the translation.
        config: sizes and options.
        statistics: mean and deviation of all modalities that the recipe names.
        vocabulary_size: number of tokens, for `config.output.target == "tokens"`.
        run_format: what the run learns, see `RUN_FORMAT`.

    Raises:
        ValueError: a tokens target without a vocabulary size.

    Example:
        ```pycon
        >>> run = api.Run.open("translation")
        >>> translator = api.build_translator(api.parse("T->A"), run.config, run.statistics)
        >>> length = tf.constant([3])
        >>> frames, attention_weights = translator.rollout(tf.zeros([1, 3, 300]), length, length)
        >>> frames.shape
        TensorShape([1, 3, 74])
        ```
    """
    chain = build_chain(recipe, config, statistics, run_format)
    target: Target
    if config.output.target == "features":
        target = FeatureTarget(recipe.target, config, statistics)
    elif vocabulary_size is not None:
        target = TokenTarget(config, vocabulary_size)
    else:
        raise ValueError(
            "The number of tokens is not known. Expected the size of the target's codebook with target=tokens. "
            "Received: vocabulary_size=None. Give it, or translate into features."
        )
    return join(chain, target, config, "translator", statistics.ratio(recipe))


def join(
    chain: tuple[keras.Model, ...], target: Target, config: Config, name: str, ratio: StepRatio | None = None
) -> Translator:
    """A translator of an encoder and a target: bridge and attention decoder between the two.

    Args:
        chain: the models up to each encoder; the last is `{source (batch, source_steps, source_dim), source_length
            (batch,)}` → `memory`, `final_state`.
        target: what is read and written.
        config: sizes and options of the decoder.
        name: the model's name.
        ratio: number of target steps for each source step, where the target has other steps.
    """
    attention_units = config.decoder.attention_units if config.decoder.attention == "bahdanau" else None
    decoder = AttentionDecoder(
        config.decoder.decoder_units, config.encoder.cell, attention_units, config.decoder.max_distance, name="decoder"
    )
    bridge = Bridge(config.decoder.decoder_units, decoder.num_states, name="bridge")

    representation: Any = chain[-1]
    source = source_inputs(representation.input["source"].shape[-1])
    inputs = {**source, "decoder_input": target.decoder_input()}
    encoded = representation(source)
    mask = SequenceMask(name="memory_mask")
    memory_mask = mask([encoded["memory"], source["source_length"]])
    embedded = target.embed(inputs["decoder_input"])
    state = bridge(encoded["final_state"])
    lengths = {"memory_mask": memory_mask}
    if ratio is not None:
        inputs["target_length"] = keras.Input((), dtype="int32", name="target_length")
        lengths["target_length"] = target.steps(inputs["target_length"])
    outputs, attention_weights = decoder([embedded, encoded["memory"], *state], **lengths)

    written = {**target.head(outputs), "attention_weights": attention_weights}
    model = keras.Model(inputs, written, name=name)
    return Translator(model, chain, decoder, bridge, mask, target, ratio=ratio)
