"""The way back of a cyclic translation: the decoded target is translated into the source again (Pham et al. 2019)."""

from __future__ import annotations

from dataclasses import replace

import keras
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.masking import SequenceMask
from mmtrans.models.build import join
from mmtrans.models.losses import Term
from mmtrans.models.representation import build_encoder, source_inputs
from mmtrans.models.statistics import Statistics
from mmtrans.models.targets import FeatureTarget
from mmtrans.models.translator import Translator
from mmtrans.recipe import Translation


def build_cycle(recipe: Translation, config: Config, statistics: Statistics, translator: Translator) -> Translator:
    """Builds the translator back: of the forward one's sizes and options, with weights of its own.

    It writes the standardised features that the recipe reads, whatever the target is made of; those of a hierarchical
    recipe are its raw inputs. Like a features target it is fed a rising share of its own frames in training.

    Args:
        recipe: the translation forward.
        config: sizes and options.
        statistics: mean and deviation of the modalities that the recipe reads.
        translator: the translation forward.

    Returns:
        a translator whose source is what `translator.target.decoded` gives.
    """
    inputs = source_inputs(translator.target.dim)
    encoder = build_encoder(config.encoder, "back_encoder")
    mask = SequenceMask(name="source_mask")([inputs["source"], inputs["source_length"]])
    memory, final_state = encoder(inputs["source"], source_mask=mask)
    representation = keras.Model(inputs, {"memory": memory, "final_state": final_state}, name="back_representation")
    target = FeatureTarget(recipe.inputs, replace(config, stop=False, bottleneck="none"), statistics)
    # The ratio only says that there is one: the way back is not decoded without its target's length.
    return join((representation,), target, config, "cycle", translator.ratio)


def cycle_terms(cycle: Translator, decoded, batch, training: bool) -> list[Term]:
    """The loss of the way back, on standardised source features.

    Of tokens, EOS is the last step that the way back reads, as the sources of translation commonly end in it: it is a
    part of what was written, and `target_length` counts it. The target of the way back has no such step.

    Args:
        cycle: what `build_cycle` made.
        decoded: `(batch, target_steps, …)`, what the translation wrote; gradients flow through it.
        batch: source and target that the translation was given.
        training: whether dropout is on and true frames are fed.
    """
    source, length = batch["source"], batch["target_length"]
    back = {
        "source": decoded,
        "source_length": length,
        "target": source,
        # Rows that fill up a replica's share have no target, but one step of source.
        "target_length": tf.where(length > 0, batch["source_length"], 0),
        "decoder_input": tf.pad(source, [[0, 0], [1, 0], [0, 0]])[:, :-1],
    }
    return [term._replace(name="cycle") for term in cycle.terms(back, training)]
