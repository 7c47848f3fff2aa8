"""Evaluates the translation of a run on one split: free-running, and what must stand beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from mmtrans.data.codebook import Codebook
from mmtrans.data.pipeline import Selection, make_batches
from mmtrans.data.records import Records
from mmtrans.decoding.beam_search import SearchOptions
from mmtrans.evaluation.attention_prior import PriorCorrelation
from mmtrans.evaluation.evidence import evaluate_evidence
from mmtrans.evaluation.token_quality import TokenQuality
from mmtrans.evaluation.translation_quality import TranslationQuality, copy_last
from mmtrans.models.translator import Translator
from mmtrans.runs.run import Run

COMPANIONS = ("teacher_forced", "source_shuffled", "copy_last")


def evaluate_translation(run: Run, records: Records, split: str) -> dict:
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
    batches = make_batches(records, selection, batch_size=run.config.batch_size, codebook=codebook)
    translator = run.load_translator()
    blocks = run.statistics.blocks(recipe.target)
    extra, prior = {}, PriorCorrelation()
    if codebook is None:
        candidates = _feature_candidates(translator, batches, prior)
    else:
        tokens, used = TokenQuality(codebook), set()
        candidates = _token_candidates(translator, batches, codebook, run, tokens, used, prior)
    qualities: dict[str, TranslationQuality] = {}
    for target, length, predictions in candidates:
        for name, prediction in predictions.items():
            qualities.setdefault(name, TranslationQuality(blocks)).update(prediction, target, length)
    results = {name: quality.result() for name, quality in qualities.items()}
    companions = {f"{name}_r2": results[name]["r2"] if name in results else None for name in COMPANIONS}
    if codebook is not None:
        share = len(used) / (codebook.size - codebook.num_special)
        extra = {**tokens.result(), "quantization_r2": results["quantized"]["r2"], "codewords_used": share}
    if translator.is_variational:
        extra.update(evaluate_evidence(translator, batches, run.config.seed))
    return {**results["decoded"], **companions, "attention_prior_correlation": prior.result(), **extra}


def _foreign_sources(batches) -> Iterator[tuple]:
    """Yields `(batch, source, foreign source or None)`; a source is `(features, length)`.

    Neighbours in a batch are of similar length, so each row gets a foreign source of nearly its own length.
    """
    previous = None
    for batch in batches:
        source = batch["source"], batch["source_length"]
        yield batch, source, tuple(tf.roll(x, 1, 0) for x in source) if len(source[1]) > 1 else previous
        previous = tuple(x[:1] for x in source)


def _observe(prior: PriorCorrelation, translator: Translator, attention_weights, source_length, length) -> None:
    """Adds the attention weights of some decoded segments, unless there is no attention."""
    if translator.target.config.attention != "none":
        position = translator.positions(attention_weights.shape[1], source_length, length)
        prior.update(attention_weights, position, length, source_length)


def _feature_candidates(translator: Translator, batches, prior: PriorCorrelation) -> Iterator[tuple]:
    """Yields `(target (batch, steps, dim) standardised, length (batch,), name → prediction like target)`; also adds to
    `prior`."""
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
        target = translator.target.normalization(batch["target"]).numpy()
        decoded, attention_weights = rollout(*source, length)
        _observe(prior, translator, attention_weights, source[1], length)
        predictions = {
            "decoded": decoded.numpy(),
            "teacher_forced": teacher_forced(translator.model_inputs(batch)).numpy(),
            "copy_last": copy_last(target, length.numpy()),
        }
        if foreign is not None:
            predictions["source_shuffled"] = rollout(*foreign, length)[0].numpy()
        yield target, length.numpy(), predictions


def _token_candidates(
    translator: Translator, batches, codebook: Codebook, run: Run, tokens: TokenQuality, used: set, prior
) -> Iterator[tuple]:
    """The same for a tokens target; also adds to `tokens`, and to `used` the tokens that occur."""
    specs = batches.element_spec

    @tf.function(
        input_signature=[specs[name] for name in ("source", "source_length", "target_length")], autograph=False
    )
    def search(source, source_length, length):
        limits, options = (length, length), SearchOptions(beam_width=1)
        found = translator.search(source, source_length, limits, options, length)
        return found.ids[:, 0], found.attention_weights[:, 0]

    teacher_forced = tf.function(
        lambda inputs: tf.nn.log_softmax(translator.model(inputs, training=False)["logits"]),
        input_signature=[translator.model_inputs(specs)],
        autograph=False,
    )
    mean, std = run.statistics.target(run.recipe.target)

    def frames(ids):
        return (codebook.decode(ids) - mean) / std

    for batch, source, foreign in _foreign_sources(batches):
        length, ids = batch["target_length"] - 1, batch["target"].numpy()
        steps = int(tf.reduce_max(length))
        target = (batch["target_features"].numpy() - mean) / std
        log_probs = teacher_forced(translator.model_inputs(batch)).numpy()
        tokens.update(log_probs, ids, length.numpy() + 1)
        used.update(ids[np.arange(ids.shape[1]) < length.numpy()[:, None]].tolist())
        decoded, attention_weights = search(*source, length)
        _observe(prior, translator, attention_weights[:, :steps], source[1], length)
        predictions = {
            "decoded": frames(decoded.numpy()[:, :steps]),
            "teacher_forced": frames(log_probs.argmax(-1)[:, :steps]),
            "copy_last": copy_last(target, length.numpy()),
            "quantized": frames(ids[:, :steps]),
        }
        if foreign is not None:
            predictions["source_shuffled"] = frames(search(*foreign, length)[0].numpy()[:, :steps])
        yield target, length.numpy(), predictions
