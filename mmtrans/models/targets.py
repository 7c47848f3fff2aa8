"""The two kinds of targets: what the decoder reads of them, what its head writes, and the loss between the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import keras
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.layers.decoder import StartFrame
from mmtrans.layers.decoder_state import Feedback
from mmtrans.layers.dropout import current_step, named_seed
from mmtrans.layers.standardize import Standardize
from mmtrans.layers.tokens import ReversibleEmbedding
from mmtrans.models.losses import (
    Tensors,
    Term,
    feature_log_likelihood,
    feature_loss,
    stop_loss,
    token_log_likelihood,
    token_loss,
)
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import Features

#: Weight of the loss of the stop head beside that of the translation.
STOP_WEIGHT = 0.1


#: The decoder and the head of whole sequences, see `Target.write`.
Decode = Callable[[Any, Feedback | None], dict[str, Any]]


class Target(Protocol):
    """What a translation writes: how the decoder reads it, what its head gives, and the loss between the two."""

    config: Config
    #: Width of what `decoded` gives.
    dim: int

    @property
    def nats_per_loss(self) -> float:
        """Nats of log-likelihood in one unit of the loss of a step."""
        ...

    def steps(self, target_length) -> Any:
        """How many steps are to be written, of a batch's `target_length (batch,)`."""
        ...

    def decoder_input(self) -> Any:
        """The `Input` of the previous targets, `(batch, target_steps, …)`."""
        ...

    def embed(self, decoder_input) -> Any:
        """What the decoder reads, `(batch, target_steps, …)` float32."""
        ...

    def head(self, outputs) -> dict[str, Any]:
        """What is written, by name, each `(batch, target_steps, …)`, given the decoder's outputs."""
        ...

    def write(self, decode: Decode, decoder_input, training: bool) -> dict[str, Any]:
        """What `head` writes of whole sequences, where the decoder may read what it wrote itself.

        Args:
            decode: the decoder and the head: `(decoder_input, where it reads its own output or None)` → what `head`
                gives.
            decoder_input: `(batch, target_steps, …)`, the true previous targets.
            training: whether the share of own outputs is that of training.
        """
        ...

    def decoded(self, outputs) -> Any:
        """What was written, as a layer may read it, `(batch, target_steps, dim)`; gradients flow through it."""
        ...

    def terms(self, outputs, batch: Tensors, training: bool) -> list[Term]:
        """The loss terms of a batch, given what `head` writes."""
        ...

    def log_likelihood(self, outputs, batch: Tensors) -> Any:
        """`(batch,)` nats of each segment's target, given what `head` writes."""
        ...


class FeatureTarget:
    """Continuous frames: regression on standardised vectors, and if wanted the probability that a frame is the last.

    Args:
        target: the modalities to write.
        config: names the loss, the share of own frames in training, and whether there is a stop head.
        statistics: mean and deviation of the target's modalities.
    """

    def __init__(self, target: Features, config: Config, statistics: Statistics):
        self.config = config
        self.blocks: Mapping[str, tuple[int, int]] = statistics.blocks(target)
        self.dim = statistics.dim(target)
        self.normalization = Standardize(*statistics.target(target), name="standardize_target")
        self.start_frame = StartFrame(name="start_frame")
        self.frame_head = keras.layers.Dense(self.dim, name="head")
        self.stop_head = keras.layers.Dense(1, name="stop") if config.decoder.stop else None

    def steps(self, target_length):
        """How many steps are to be written, of a batch's `target_length (batch,)`: as many."""
        return target_length

    def decoder_input(self):
        """The `Input` of the previous raw frames, `(batch, target_steps, dim)` float32."""
        return keras.Input((None, self.dim), name="decoder_input")

    def embed(self, decoder_input):
        """What the decoder reads, `(batch, target_steps, dim)`: standardised frames after a learned first one."""
        return self.start_frame(self.normalization(decoder_input))

    def head(self, outputs) -> dict[str, Any]:
        """`prediction (batch, target_steps, dim)` standardised; if wanted, logits `stop (batch, target_steps, 1)`."""
        written = {"prediction": self.frame_head(outputs)}
        return written if self.stop_head is None else {**written, "stop": self.stop_head(outputs)}

    def feedback(self, decoder_input, training: bool) -> Feedback:
        """Which previous frames are to be the decoder's own: in training a share that rises, otherwise all.

        Args:
            decoder_input: `(batch, target_steps, …)`.
            training: whether this is training, where some frames are the true ones.
        """
        shape = tf.shape(decoder_input)[:2]
        share = tf.random.stateless_uniform(shape, named_seed("feature_sampling")) if training else tf.zeros(shape)
        largest = (
            linear_ramp(self.config.decoder.feature_sampling, self.config.decoder.sampling_steps) if training else 1.0
        )
        use_own_output = (share < largest) & (tf.range(shape[1]) > 0)
        head = self.frame_head
        return Feedback(use_own_output, tf.convert_to_tensor(head.kernel), tf.convert_to_tensor(head.bias))

    def write(self, decode: Decode, decoder_input, training: bool) -> dict[str, Any]:
        """Frames `(batch, target_steps, dim)` of a rollout: in training some previous frames are the true ones (Bengio
        et al. 2015), in validation none, as in use. With `feature_sampling=0` they are all the true ones, always."""
        feedback = self.feedback(decoder_input, training) if self.config.decoder.feature_sampling else None
        return decode(decoder_input, feedback)

    def decoded(self, outputs):
        """What was written, as a layer may read it: `(batch, target_steps, dim)` standardised frames."""
        return outputs["prediction"]

    def terms(self, outputs, batch: Tensors, training: bool) -> list[Term]:
        """The loss terms of a batch, given `prediction` and `stop`; the same in training and in validation."""
        length = batch["target_length"]
        target = self.normalization(batch["target"])
        kind = self.config.output.translation_loss
        terms = [Term(*feature_loss(kind, outputs["prediction"], target, length, self.blocks), name="translation")]
        if self.stop_head is not None:
            terms.append(Term(*stop_loss(outputs["stop"][:, :, 0], length), STOP_WEIGHT, "stop"))
        return terms

    @property
    def nats_per_loss(self) -> float:
        """Nats of log-likelihood in one unit of `mse` at a step, see `feature_log_likelihood`; taken for every loss."""
        return self.dim / 2

    def log_likelihood(self, outputs, batch: Tensors):
        """`(batch,)` nats of each segment's frames, given `prediction`; when to stop is not counted."""
        target = self.normalization(batch["target"])
        return feature_log_likelihood(outputs["prediction"], target, batch["target_length"], self.blocks)


class TokenTarget:
    """Tokens: softmax over a vocabulary or codebook, cross-entropy (the paper's eq. of phase 1, taken literally).

    Args:
        config: sizes, label smoothing, scheduled sampling, weight tying.
        vocabulary_size: number of tokens, special ones included.
    """

    def __init__(self, config: Config, vocabulary_size: int):
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.dim = config.output.embedding_units
        self.embedding = ReversibleEmbedding(vocabulary_size, config.output.embedding_units, name="embedding")
        width = config.output.embedding_units if config.output.tie_weights else vocabulary_size
        self.projection = keras.layers.Dense(width, name="head")

    def steps(self, target_length):
        """How many steps are to be written, of a batch's `target_length (batch,)`: as many without EOS."""
        return target_length - 1

    def decoder_input(self):
        """The `Input` of the previous tokens, `(batch, target_steps)` int32, BOS first."""
        return keras.Input((None,), dtype="int32", name="decoder_input")

    def embed(self, decoder_input):
        """What the decoder reads, `(batch, target_steps, embedding_units)`."""
        return self.embedding(decoder_input)

    def head(self, outputs) -> dict[str, Any]:
        """`logits (batch, target_steps, vocabulary_size)`."""
        projected = self.projection(outputs)
        return {"logits": self.embedding(projected, reverse=True) if self.config.output.tie_weights else projected}

    def write(self, decode: Decode, decoder_input, training: bool) -> dict[str, Any]:
        """Logits `(batch, target_steps, vocabulary_size)` of teacher-forced sequences, in training with scheduled
        sampling if configured."""
        if training and self.config.decoder.token_sampling:
            logits = tf.stop_gradient(decode(decoder_input, None)["logits"])
            decoder_input = self.mix_in_predictions(decoder_input, logits)
        return decode(decoder_input, None)

    def decoded(self, outputs):
        """What was written, as a layer may read it: the mean of the token vectors under the softmax,
        `(batch, target_steps, embedding_units)`, through which gradients flow."""
        return tf.tensordot(tf.nn.softmax(outputs["logits"]), tf.convert_to_tensor(self.embedding.embeddings), 1)

    def terms(self, outputs, batch: Tensors, training: bool) -> list[Term]:
        """The loss term of a batch, given `logits`; label smoothing acts in training only."""
        smoothing = self.config.output.label_smoothing if training else 0.0
        loss = token_loss(outputs["logits"], batch["target"], batch["target_length"], smoothing)
        return [Term(*loss, name="translation")]

    @property
    def nats_per_loss(self) -> float:
        """Nats of log-likelihood in one unit of the loss of a step: the loss is in nats."""
        return 1.0

    def log_likelihood(self, outputs, batch: Tensors):
        """`(batch,)` nats of each segment's tokens, given `logits`."""
        return token_log_likelihood(outputs["logits"], batch["target"], batch["target_length"])

    def mix_in_predictions(self, decoder_input, logits):
        """Scheduled sampling in two parallel passes (Duckworth et al. 2019).

        Each previous token is replaced, with a probability that rises linearly over `sampling_steps`, by one drawn
        from the teacher-forced model's own prediction of it.

        Args:
            decoder_input: `(batch, target_steps)` int32.
            logits: `(batch, target_steps, vocabulary_size)` of the first pass.
        """
        seed = named_seed("token_sampling")
        uniform = tf.random.stateless_uniform(tf.shape(logits), seed, minval=1e-20)
        drawn = tf.argmax(logits - tf.math.log(-tf.math.log(uniform)), -1, tf.int32)
        previous = tf.concat([decoder_input[:, :1], drawn[:, :-1]], 1)
        share = tf.random.stateless_uniform(tf.shape(decoder_input), seed + 1)
        use_own_output = share < linear_ramp(self.config.decoder.token_sampling, self.config.decoder.sampling_steps)
        return tf.where(use_own_output, previous, decoder_input)


def linear_ramp(largest: float, steps: int):
    """A share or weight at the current training step: it rises linearly from 0 to `largest` over `steps`."""
    return largest * tf.minimum(1.0, tf.cast(current_step(), tf.float32) / steps)
