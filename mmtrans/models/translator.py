"""The translation model: encoder, bridge, attention decoder, head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import tensorflow as tf

from mmtrans.decoding.beam_search import FORBIDDEN, Hypotheses, beam_search
from mmtrans.decoding.options import SearchOptions
from mmtrans.decoding.rollout import rollout
from mmtrans.layers.attention import source_position
from mmtrans.layers.bottleneck import sample
from mmtrans.layers.decoder import AttentionDecoder
from mmtrans.layers.decoder_state import Feedback
from mmtrans.layers.encoder import Bridge
from mmtrans.layers.masking import SequenceMask
from mmtrans.layers.tokens import BOS, EOS
from mmtrans.models.losses import Term
from mmtrans.models.search_step import make_search_step
from mmtrans.models.statistics import StepRatio
from mmtrans.models.targets import FeatureTarget, Target, TokenTarget
from mmtrans.models.variational import LOG_VARIANCE, kl_term, segment_kl

SEARCH_NEEDS_TOKENS = (
    "Beam search needs a distribution over tokens, and vectors have none. Expected a run trained with --target tokens. "
    "Received: target=features. Train it so, or decode the features by rollout."
)


@dataclass(frozen=True)
class Translator:
    """A translation's functional models, and its decoding.

    Attributes:
        model: `{source, source_length, decoder_input}`, with a `ratio` also `target_length` → `{"prediction" or
            "logits": (batch, target_steps, …), "attention_weights": (batch, target_steps, source_steps)}`,
            teacher-forced.
        chain: the models up to each encoder, each within the next, see `build_chain`.
        decoder: what attends to the encoder's memory and writes.
        bridge: turns the encoder's final state into the decoder's first.
        memory_mask: makes the mask of the valid steps, from memory and source length.
        target: what the decoder reads and writes.
        latent: what of a variational model is decoded outside of training: the posterior's `mean`; a draw from the
            `posterior`; or one from the `prior`, for which a source only gives its length. Draws need `random_step`
            around them. Training draws from the posterior; `model` itself reads the mean.
        ratio: target steps for each source step, where the two differ. The attention is then told the steps, as its
            distance bias counts in source steps, see `source_position`; where they are not known, the ratio tells them.
    """

    model: keras.Model
    chain: tuple[keras.Model, ...]
    decoder: AttentionDecoder
    bridge: Bridge
    memory_mask: SequenceMask
    target: Target
    latent: Literal["mean", "posterior", "prior"] = "mean"
    ratio: StepRatio | None = None

    @property
    def representation(self) -> keras.Model:
        """The model up to the encoder's output, which the regressor and further translations read."""
        return self.chain[-1]

    @property
    def source(self) -> keras.Model:
        """The model up to what the encoder reads: standardised features, or an earlier translation's representation."""
        return self.chain[-2]

    @property
    def is_variational(self) -> bool:
        """Whether latents stand between encoder and decoder."""
        return self.target.config.latent.bottleneck == "vae"

    def model_inputs(self, batch) -> dict[str, Any]:
        """The part of a batch that `model` reads."""
        return {name: batch[name] for name in self.model.input}

    def expected_length(self, source_length):
        """How many steps a target has, given its source's alone: `mean` for each, rounded, at least one.

        Args:
            source_length: `(batch,)` integer.
        """
        if self.ratio is None:
            return source_length
        steps = tf.floor(self.ratio.mean * tf.cast(source_length, tf.float64) + 0.5)
        return tf.maximum(tf.cast(steps, source_length.dtype), 1)

    def free_limit(self, source_length):
        """Most steps `(batch,)` of a target of free length, given its `source_length (batch,)`: twice the `largest` for
        each, and ten."""
        if self.ratio is None:
            return 2 * source_length + 10
        steps = tf.math.ceil(2.0 * self.ratio.largest * tf.cast(source_length, tf.float64))
        return tf.cast(steps, source_length.dtype) + 10

    def positions(self, steps: int, source_length, target_length):
        """The source step on which each of some first target steps falls, `(batch or 1, steps)` integer."""
        position = tf.range(steps)[None]
        return position if self.ratio is None else source_position(position, source_length, target_length)

    def terms(self, batch, training: bool) -> list[Term]:
        """The loss terms of a batch with a target; see `outputs`."""
        return self.loss_terms(self.outputs(batch, training), batch, training)

    def loss_terms(self, outputs, batch, training: bool) -> list[Term]:
        """The loss terms of a batch, given its `outputs`; a variational model adds its divergence, see `kl_term`."""
        terms = self.target.terms(outputs, batch, training)
        if self.is_variational:
            terms.append(kl_term(outputs, batch, self.target.config.latent, self.target.nats_per_loss, training))
        return terms

    def outputs(self, batch, training: bool) -> dict[str, Any]:
        """What `represent` gives and the head writes of a batch with a target; see `write` of the targets."""
        encoded = self.represent(batch["source"], batch["source_length"], training)
        return {**encoded, **self.write(encoded, batch, training)}

    def evidence(self, batch):
        """The two parts of a variational model's evidence lower bound, from one draw of each latent.

        A features target is read as validation reads it: the likelihood is that of the rollout from the latent, or,
        with `feature_sampling=0`, of each frame after the true ones before it.

        Returns:
            `(log-likelihood (batch,), divergence (batch,))` in nats; the bound is their difference.
        """
        encoded = self.represent(batch["source"], batch["source_length"])
        written = replace(self, latent="posterior").write(encoded, batch, training=False)
        return self.target.log_likelihood(written, batch), segment_kl(encoded)

    def represent(self, source, source_length, training=False) -> dict[str, Any]:
        """Outputs of the representation: `memory (batch, source_steps, memory_dim)`, `final_state (batch, memory_dim)`
        and, of a variational one, their log variances; arguments as of `encode`."""
        return self.representation({"source": source, "source_length": source_length}, training=training)

    def write(self, encoded, batch, training: bool) -> dict[str, Any]:
        """What the head writes of a batch with a target, given `represent`'s outputs; see `outputs`."""
        steps = self.target.steps(batch["target_length"])
        memory, initial_state = self.start(encoded, batch["source_length"], steps, training)

        def decode(decoder_input, feedback: Feedback | None) -> dict[str, Any]:
            embedded = self.target.embed(decoder_input)
            outputs, _ = self.decoder.decode(embedded, initial_state, memory, feedback)
            return self.target.head(outputs)

        return self.target.write(decode, batch["decoder_input"], training)

    def encode(self, source, source_length, target_length, training=False):
        """What decoding starts from.

        Args:
            source: `(batch, source_steps, source_dim)` float32, raw features.
            source_length: `(batch,)` integer.
            target_length: `(batch,)` integer, the steps that a target has, or is expected to have; without a `ratio` it
                is not read.
            training: whether the encoder's dropout is on.

        Returns:
            the decoder's `Memory`, and its initial state, a list of `(batch, units)`.
        """
        encoded = self.represent(source, source_length, training)
        return self.start(encoded, source_length, target_length, training)

    def start(self, encoded, source_length, target_length, training=False):
        """What decoding starts from, given `represent`'s outputs; otherwise as `encode`."""
        latent = {name: self._latent(encoded, name, training) for name in ("memory", "final_state")}
        mask = self.memory_mask([latent["memory"], source_length])
        known = target_length if self.ratio else None
        memory = self.decoder.prepare(latent["memory"], mask, known)
        return memory, self.bridge(latent["final_state"])

    def _latent(self, encoded, name, training):
        mean, log_variance = encoded[name], encoded.get(name + LOG_VARIANCE)
        latent = "posterior" if training else self.latent
        if log_variance is None or latent == "mean":
            return mean
        if latent == "prior":
            mean, log_variance = tf.zeros_like(mean), tf.zeros_like(log_variance)
        return sample(mean, log_variance, f"latent/{name}")

    def rollout(self, source, source_length, target_length):
        """Free-running decoding of a features target: each step reads the model's own previous frame.

        Args:
            source: `(batch, source_steps, source_dim)` float32, raw features.
            source_length: `(batch,)` integer.
            target_length: `(batch,)` integer: how many frames to decode.

        Returns:
            `(frames (batch, target_steps, target_dim) standardised, attention_weights (batch, target_steps,
            source_steps))`; zero after the length.

        Raises:
            ValueError: a tokens target.
        """
        written, attention_weights = self._rollout(source, source_length, target_length, target_length)
        return written["prediction"], attention_weights

    def rollout_until_stop(self, source, source_length, max_length):
        """Like `rollout`, but the stop head ends each row: after the first frame that is more likely last than not.

        Returns:
            `(frames, length (batch,) int32, attention_weights)`.

        Raises:
            ValueError: a tokens target, or a model without a stop head.
        """
        self.check_stop_head()
        expected = self.expected_length(source_length)
        written, attention_weights = self._rollout(source, source_length, max_length, expected)
        stops = written["stop"][:, :, 0] > 0
        last = tf.argmax(tf.concat([stops, tf.ones_like(stops[:, :1])], 1), 1, tf.int32)
        length = tf.minimum(last + 1, tf.cast(max_length, tf.int32))
        mask = tf.sequence_mask(length, tf.shape(stops)[1])[:, :, None]
        return tf.where(mask, written["prediction"], 0.0), length, tf.where(mask, attention_weights, 0.0)

    def check_stop_head(self) -> None:
        """Raises a ValueError where a features target has not learned when to end."""
        if isinstance(self.target, FeatureTarget) and self.target.stop_head is None:
            raise ValueError(
                "The model has not learned when to stop. Expected a run trained with --stop. Received: length=free. "
                "Train with --stop, or decode with --length source."
            )

    def _rollout(self, source, source_length, steps, target_length):
        """What the head writes along a rollout, `(batch, max steps, …)`, and the attention weights; the target being
        expected to have `target_length` steps."""
        target = self.target
        if not isinstance(target, FeatureTarget):
            raise ValueError(
                "Tokens are not rolled out. Expected a features target. Received: target=tokens. Use beam search."
            )
        memory, initial_state = self.encode(source, source_length, target_length)
        decoder = self.decoder

        def step(frame, state):
            gates = decoder.project_inputs(frame[:, None, :])
            output, state, attention_weights = decoder.step(gates, state, memory)
            written = {name: values[:, 0] for name, values in target.head(output).items()}
            return written["prediction"], state, (written, attention_weights[:, 0])

        first = tf.tile(tf.convert_to_tensor(target.start_frame.frame)[None], [tf.shape(source)[0], 1])
        _, written_and_weights = rollout(step, first, decoder.start(initial_state, memory), steps)
        return written_and_weights

    def search(self, source, source_length, limits, options: SearchOptions, target_length=None) -> Hypotheses:
        """Beam search (or sampling) of a tokens target.

        Args:
            source: `(batch, source_steps, source_dim)` float32, raw features.
            source_length: `(batch,)` integer.
            limits: `(min_length, max_length)`, each `(batch,)` integer, EOS not counted.
            options: see `SearchOptions`.
            target_length: `(batch,)` integer, as of `encode`; `None` for the `expected_length`.

        Returns:
            The hypotheses, without BOS: probabilities are those of the other tokens.

        Raises:
            ValueError: a features target.
        """
        if not isinstance(self.target, TokenTarget):
            raise ValueError(SEARCH_NEEDS_TOKENS)
        target_length = self.expected_length(source_length) if target_length is None else target_length
        memory, initial_state = self.encode(source, source_length, target_length)
        step, state = make_search_step(self.decoder, self.target, memory, tuple(initial_state))

        def speak(tokens, state):
            logits, state, attention_weights = step(tokens, state)
            # BOS is where a decoder begins, and stands for nothing in what it says.
            return logits + FORBIDDEN * tf.one_hot(BOS, tf.shape(logits)[-1]), state, attention_weights

        return beam_search(speak, state, memory.mask, BOS, EOS, limits, options)
