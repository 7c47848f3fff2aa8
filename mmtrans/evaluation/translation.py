"""Evaluates the translation of a run on one split: free-running, and what must stand beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook import Codebook
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.attention_prior import PriorCorrelation
from mmtrans.evaluation.evidence import evaluate_evidence
from mmtrans.evaluation.token_quality import TokenQuality
from mmtrans.evaluation.translation_quality import TranslationFigures, TranslationQuality, copy_last
from mmtrans.models.targets import FeatureTarget
from mmtrans.models.translator import Translator
from mmtrans.runs.run import Run


def evaluate_translation(run: Run, records: Records, split: str) -> TranslationFigures:
    """Quality of the last translation of a run on a split, on standardised targets.

    Returns:
        `r2` and `mse` of free-running decoding, and what must stand beside them: `teacher_forced_r2`;
        `source_shuffled_r2`, decoding with each segment given another's source; `copy_last_r2`, the previous true
        frame as the prediction; `attention_prior_correlation`, see `PriorCorrelation`, `None` without attention;
        `per_modality`, `frames`. For a tokens target decoded tokens (greedy, as long as the target) stand for their
        frames, and there are also the figures of `TokenQuality`, `quantization_r2`, which
        the codebook alone would reach, and `codewords_used`, the share of its tokens that occur in the split. For a
        variational one there are those of `evaluate_evidence`.
    """
    phase = run.last_translation
    recipe = phase.recipe
    selection = Selection(split, recipe.inputs.modalities, recipe.target.modalities)
    codebook = run.load_codebook(phase) if run.has_codebooks else None
    batches = make_batches(records, selection, batch_size=run.config.optimisation.batch_size, codebook=codebook)
    translator = run.load_translator()
    tokens = TokenQuality(codebook) if codebook else None
    if codebook is not None:
        decoded = _decode_tokens(translator, batches, codebook, run.statistics.target(recipe.target))
    else:
        decoded = _decode_features(translator, batches)
    blocks = run.statistics.blocks(recipe.target)
    qualities: dict[str, TranslationQuality] = {}
    prior = PriorCorrelation()
    for batch in decoded:
        for name, prediction in batch.predictions.items():
            qualities.setdefault(name, TranslationQuality(blocks)).update(prediction, batch.target, batch.length)
        if run.config.decoder.attention != "none":
            weights = batch.attention_weights
            position = translator.positions(weights.shape[1], batch.source_length, batch.length)
            prior.update(weights, position, batch.length, batch.source_length)
        if tokens is not None:
            tokens.update(batch.log_probs, batch.ids, batch.length + 1)
    results = {name: quality.result() for name, quality in qualities.items()}
    figures: TranslationFigures = {
        **results["decoded"],
        "teacher_forced_r2": results["teacher_forced"]["r2"],
        # A single segment has no other's source.
        "source_shuffled_r2": results["source_shuffled"]["r2"] if "source_shuffled" in results else None,
        "copy_last_r2": results["copy_last"]["r2"],
        "attention_prior_correlation": prior.result(),
    }
    if tokens is not None:
        figures = {
            **figures,
            **tokens.result(),
            "quantization_r2": results["quantized"]["r2"],
            "codewords_used": tokens.codewords_used(),
        }
    if translator.is_variational:
        figures = {**figures, **evaluate_evidence(translator, batches, run.config.plan.seed)}
    return figures


class _Decoded(NamedTuple):
    """A batch that was decoded in several ways.

    Attributes:
        target: `(batch, steps, dim)` standardised.
        length: `(batch,)` integer, steps of each target; of tokens without EOS.
        source_length: `(batch,)` integer.
        predictions: name of the way of decoding → frames like the target's.
        attention_weights: `(batch, steps, source_steps)` of free-running decoding.
        log_probs: `(batch, steps + 1, size)` teacher-forced, for tokens; empty for a target of features.
        ids: `(batch, steps + 1)` ids of the true tokens with EOS; empty for a target of features.
    """

    target: np.ndarray
    length: np.ndarray
    source_length: np.ndarray
    predictions: dict[str, np.ndarray]
    attention_weights: np.ndarray
    log_probs: np.ndarray = np.zeros(0)
    ids: np.ndarray = np.zeros(0)


def _foreign_sources(batches) -> Iterator[tuple]:
    """Yields `(batch, source, foreign source or None)`; a source is `(features, length)`.

    Neighbours in a batch are of similar length, so each row gets a foreign source of nearly its own length.
    """
    previous = None
    for batch in batches:
        source = batch["source"], batch["source_length"]
        yield batch, source, tuple(tf.roll(x, 1, 0) for x in source) if len(source[1]) > 1 else previous
        previous = tuple(x[:1] for x in source)


def _decode_features(translator: Translator, batches) -> Iterator[_Decoded]:
    """Batches of a features target: rolled out, teacher-forced, from a foreign source, and copied."""
    written = cast(FeatureTarget, translator.target)
    specs = batches.element_spec
    rollout = tf.function(
        translator.rollout,
        input_signature=[specs[name] for name in ("source", "source_length", "target_length")],
        autograph=False,
    )
    teacher_forced = tf.function(
        lambda inputs: translator.model(inputs, training=False)["prediction"],
        input_signature=[translator.model_inputs(specs)],
        autograph=False,
    )
    for batch, source, foreign in _foreign_sources(batches):
        length = batch["target_length"]
        target = written.normalization(batch["target"]).numpy()
        decoded, attention_weights = rollout(*source, length)
        predictions = {
            "decoded": decoded.numpy(),
            "teacher_forced": teacher_forced(translator.model_inputs(batch)).numpy(),
            "copy_last": copy_last(target, length.numpy()),
        }
        if foreign is not None:
            predictions["source_shuffled"] = rollout(*foreign, length)[0].numpy()
        yield _Decoded(target, length.numpy(), source[1].numpy(), predictions, attention_weights.numpy())


def _decode_tokens(translator: Translator, batches, codebook: Codebook, statistics: tuple) -> Iterator[_Decoded]:
    """Batches of a tokens target in the same ways, each token standing for its frame; and the true tokens' frames.

    Args:
        translator: a translator of tokens.
        batches: batches that have `target_features`.
        codebook: the codebook, which has the frame of each token.
        statistics: mean and deviation that standardise the frames.
    """
    specs = batches.element_spec

    @tf.function(
        input_signature=[specs[name] for name in ("source", "source_length", "target_length")], autograph=False
    )
    def search(source, source_length, length):
        limits = (length, length)
        options = SearchOptions(beam_width=1)
        found = translator.search(source, source_length, limits, options, length)
        return found.ids[:, 0], found.attention_weights[:, 0]

    teacher_forced = tf.function(
        lambda inputs: tf.nn.log_softmax(translator.model(inputs, training=False)["logits"]),
        input_signature=[translator.model_inputs(specs)],
        autograph=False,
    )
    mean, std = statistics

    def frames(ids):
        return (codebook.decode(ids) - mean) / std

    for batch, source, foreign in _foreign_sources(batches):
        length = batch["target_length"] - 1
        ids = batch["target"].numpy()
        steps = int(tf.reduce_max(length))
        target = (batch["target_features"].numpy() - mean) / std
        log_probs = teacher_forced(translator.model_inputs(batch)).numpy()
        decoded, attention_weights = search(*source, length)
        predictions = {
            "decoded": frames(decoded.numpy()[:, :steps]),
            "teacher_forced": frames(log_probs.argmax(-1)[:, :steps]),
            "copy_last": copy_last(target, length.numpy()),
            "quantized": frames(ids[:, :steps]),
        }
        if foreign is not None:
            predictions["source_shuffled"] = frames(search(*foreign, length)[0].numpy()[:, :steps])
        weights = attention_weights.numpy()[:, :steps]
        yield _Decoded(target, length.numpy(), source[1].numpy(), predictions, weights, log_probs, ids)
