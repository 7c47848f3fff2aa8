"""The translation model: encoder, bridge, attention decoder, head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.decoding.rollout import rollout
from mmtrans.layers.decoder import AttentionDecoder, StartFrame
from mmtrans.layers.dropout import Dropout
from mmtrans.layers.encoder import Bridge, Encoder
from mmtrans.layers.masking import SequenceMask
from mmtrans.layers.standardize import Standardize
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Features, Recipe, Translation


def source_inputs(dim: int) -> dict[str, keras.KerasTensor]:
    """The `Input`s that every model reads: `source (batch, source_steps, dim)` and `source_length (batch,)`."""
    return {
        "source": keras.Input((None, dim), name="source"),
        "source_length": keras.Input((), dtype="int32", name="source_length"),
    }


def build_representation(recipe: Recipe, config: Config, statistics: Statistics) -> keras.Model:
    """The model from raw source features to what comes next: standardised features, or a translation's memory.

    Args:
        recipe: features, or a translation (whose source may be one: the chain of a hierarchical recipe).
        config: units, layers, cell, directions and dropout of the encoders.
        statistics: of the modalities that the recipe reads.

    Returns:
        a functional model `{source, source_length}` → `{"memory": (batch, source_steps, memory_dim)}`, for a
        translation also `"final_state": (batch, memory_dim)`.
    """
    inputs = source_inputs(statistics.dim(recipe.inputs))
    if isinstance(recipe, Features):
        memory = Standardize(*statistics.source(recipe), name="standardize_source")(inputs["source"])
        return keras.Model(inputs, {"memory": memory}, name="features")

    depth = len(recipe.translations)
    source = build_representation(recipe.source, config, statistics)
    encoder = Encoder(
        config.units, config.cell, config.num_layers, config.bidirectional, config.dropout, name=f"encoder_{depth}"
    )

    # The encoders of earlier phases are trained and done: they run without dropout and do not move.
    source.trainable = False
    mask = SequenceMask(name="source_mask")([inputs["source"], inputs["source_length"]])
    memory, final_state = encoder(source(inputs)["memory"], source_mask=mask)

    return keras.Model(inputs, {"memory": memory, "final_state": final_state}, name=f"representation_{depth}")


@dataclass(frozen=True)
class Translator:
    """A translation's functional models and what its decoding needs.

    Args:
        model: `{source, source_length, decoder_input}` → `{"prediction": (batch, target_steps, target_dim)
            standardised, "attention_weights": (batch, target_steps, source_steps)}`, teacher-forced.
        representation: the model up to the encoder, which the regressor and further translations read.
        target_normalization: standardises raw targets.
        blocks: target modality → columns `(start, stop)`.
    """

    model: keras.Model
    representation: keras.Model
    target_normalization: Standardize
    blocks: Mapping[str, tuple[int, int]]

    def start(self, source, source_length):
        """Everything that decoding needs before its first step.

        Args:
            source: `(batch, source_steps, source_dim)` float32, raw features.
            source_length: `(batch,)` integer.

        Returns:
            `(memory, keys, memory_mask, state)`: see `AttentionDecoder.step`; the state has one query.
        """
        encoded = self.representation({"source": source, "source_length": source_length}, training=False)
        memory, decoder = encoded["memory"], self.model.get_layer("decoder")
        states = self.model.get_layer("bridge")(encoded["final_state"])
        state = (tuple(s[:, None, :] for s in states), decoder.initial_context(memory))
        mask = self.model.get_layer("memory_mask")([source, source_length])
        return memory, decoder.project_memory(memory), mask, state

    def rollout(self, source, source_length, target_length):
        """Free-running decoding: each step reads the model's own previous frame.

        Args:
            source: `(batch, source_steps, source_dim)` float32, raw features.
            source_length: `(batch,)` integer.
            target_length: `(batch,)` integer: how many frames to decode.

        Returns:
            `(frames (batch, target_steps, target_dim) standardised, attention_weights (batch, target_steps,
            source_steps))`; frames after the length are zero.
        """
        memory, keys, mask, state = self.start(source, source_length)
        decoder, head = self.model.get_layer("decoder"), self.model.get_layer("head")

        def step(frame, state):
            recurrent, context = state
            output, recurrent, context, attention_weights = decoder.step(
                decoder.project_inputs(frame[:, None, :]), recurrent, context, keys, memory, mask
            )
            return head(output)[:, 0], (recurrent, context), attention_weights[:, 0]

        frame = tf.convert_to_tensor(self.model.get_layer("start_frame").frame)
        first = tf.tile(frame[None], [tf.shape(source)[0], 1])
        return rollout(step, first, state, target_length)


def build_translator(recipe: Translation, config: Config, statistics: Statistics) -> Translator:
    """Builds the models of one translation (Pham et al. 2018, Algorithm 1; Algorithm 2 for a chained source).

    Args:
        recipe: the translation.
        config: sizes and options.
        statistics: of all modalities that the recipe names.
    """
    target_dim = statistics.dim(recipe.target)
    normalization = Standardize(*statistics.target(recipe.target), name="standardize_target")
    representation = build_representation(recipe, config, statistics)
    decoder = AttentionDecoder(
        config.decoder_units,
        config.cell,
        config.attention_units if config.attention == "bahdanau" else None,
        name="decoder",
    )
    bridge = Bridge(config.decoder_units, decoder.num_states, name="bridge")
    hide_frames = Dropout(config.target_dropout, "target_dropout", whole_steps=True, name="target_dropout")
    head = keras.layers.Dense(target_dim, name="head")

    inputs = {
        **source_inputs(statistics.dim(recipe.inputs)),
        "decoder_input": keras.Input((None, target_dim), name="decoder_input"),
    }
    encoded = representation({name: inputs[name] for name in ("source", "source_length")})
    memory_mask = SequenceMask(name="memory_mask")([inputs["source"], inputs["source_length"]])
    frames = StartFrame(name="start_frame")(hide_frames(normalization(inputs["decoder_input"])))
    state = bridge(encoded["final_state"])
    outputs, attention_weights = decoder([frames, encoded["memory"], *state], memory_mask=memory_mask)

    model = keras.Model(
        inputs, {"prediction": head(outputs), "attention_weights": attention_weights}, name="translator"
    )
    return Translator(model, representation, normalization, statistics.blocks(recipe.target))
