"""Translates segments with a trained run: beam search for tokens, rollout for features."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook import Codebook
from mmtrans.data.pipeline import make_batches, num_batches
from mmtrans.data.records import Records, reporting_corruption
from mmtrans.decoding.beam_search import FORBIDDEN, Hypotheses
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.translation_quality import TranslationQuality
from mmtrans.layers.dropout import random_step, segment_seeds
from mmtrans.models.losses import Tensors
from mmtrans.models.targets import TokenTarget
from mmtrans.models.translator import Translator
from mmtrans.recipe import Translation
from mmtrans.runs.run import Run
from mmtrans.system.files import new_file


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence of a segment.

    Attributes:
        tokens: words or codewords without EOS; empty for a features target.
        log_prob: log P, EOS included; `None` for features.
        score: the penalised score; `None` for features.
        frames: `(steps, dim)` float32 raw features: what was decoded, or what the tokens stand for.
        attention_weights: `(steps, source_steps)` float32; a tokens target's last row is that of EOS.
    """

    tokens: tuple[str, ...]
    log_prob: float | None
    score: float | None
    frames: np.ndarray
    attention_weights: np.ndarray


@dataclass(frozen=True)
class Translated:
    """A segment and its hypotheses, best first.

    Attributes:
        id: the segment's id.
        words: the source's words, one a step; empty where there are none.
        hypotheses: best first.
        reference: the words as spoken, or codewords, of the true target; empty for a features target, and where the
            segment has none.
        target: `(steps, dim)` float32 raw features of the true target; `None` for tokens, and where there is none.
        positions: `(steps,)` the source step on which each target step falls, from which the attention's distance
            counts; `None` where it has no distance bias.
    """

    id: str
    words: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    reference: tuple[str, ...] = field(default=())
    target: np.ndarray | None = None
    positions: np.ndarray | None = None

    def to_json(self) -> dict[str, Any]:
        """What one line of `mmtrans translate` says; the frames of a features target have six digits."""
        best = []
        for h in self.hypotheses:
            line = {"tokens": list(h.tokens), "length": len(h.frames), "log_prob": h.log_prob, "score": h.score}
            if h.log_prob is None:
                line["frames"] = [[float(f"{value:.6g}") for value in frame] for frame in h.frames]
            best.append(line)
        return {"id": self.id, "words": list(self.words), "hypotheses": best, "reference": list(self.reference)}


def translate(
    run: Run, records: Records, split: str, options: SearchOptions, length: str = "source", latent: str = "mean"
) -> Iterator[Translated]:
    """Decodes the target of every segment of a split that has the recipe's source; those that have the target, which
    is then their reference, come first.

    Args:
        run: a run whose last translation is trained.
        records: the records, opened with the split.
        split: `train`, `valid` or `test`.
        options: how to search, read for tokens only; and the seed of what is drawn, a latent too. What a segment draws
            follows from the first number of the seed and from its id alone.
        length: `source`, as many steps as the source lets expect, see `Translator.expected_length`; `target`, as many
            as the true target has, where there is one; or `free`: EOS or the stop head decides, up to
            `Translator.free_limit` steps.
        latent: what a run with `bottleneck=vae` decodes; see `Translator`.

    Raises:
        ValueError: a baseline recipe; a search on features; `free` on features without a stop head; a latent other than
            `mean` without a variational bottleneck.

    Example:
        ```pycon
        >>> run, records = api.Run.open("translation"), api.Records.open("records", splits=("valid",))
        >>> first = next(api.translate(run, records, "valid", api.SearchOptions()))
        >>> first.hypotheses[0].frames.shape == (len(first.words), 74)
        True
        ```
    """
    phase = run.last_translation
    codebook = run.load_codebook(phase) if run.has_codebooks else None
    translator = replace(run.load_translator(), latent=latent)
    if latent != "mean" and not translator.is_variational:
        raise ValueError(
            f"The run has no latent to draw. Expected one trained with --bottleneck vae. "
            f"Received: latent={latent} ({run.path}). Train it so, or leave --latent out."
        )
    if length == "free" and codebook is None:
        translator.check_stop_head()
    recipe = phase.recipe
    parts = [
        make_batches(records, selection, batch_size=run.config.optimisation.batch_size, codebook=codebook, tokens=True)
        for selection in selections(recipe, records, split)
    ]
    source_specs = [parts[0].element_spec[name] for name in ("source", "source_length")]
    seeds_spec = tf.TensorSpec([None, 2], tf.int32)
    signature = [seeds_spec, *source_specs, source_specs[1]]
    decode = tf.function(_decoder(translator, options, length == "free"), input_signature=signature, autograph=False)
    mean, std = run.statistics.target(recipe.target)
    has_distance = run.config.decoder.attention != "none" and run.config.decoder.max_distance > 0
    with reporting_corruption(records):
        for batch in itertools.chain.from_iterable(parts):
            seeds = segment_seeds(options.seed[0], batch["id"].numpy())
            steps = steps_of(translator, batch, length)
            decoded = decode(seeds, batch["source"], batch["source_length"], steps)
            if codebook is None:
                decoded = tuple(values.numpy() for values in decoded)
                rows = _feature_rows(decoded, batch["source_length"].numpy(), (mean, std))
            else:
                rows = _token_rows(Hypotheses(*(x.numpy() for x in decoded)), batch, codebook)
            for row, (hypotheses, reference) in enumerate(rows):
                words = batch["tokens"][row].numpy()[: int(batch["source_length"][row])]
                if codebook is not None and codebook.is_words:
                    reference = _texts(words)  # as spoken, in the vocabulary or not
                target = _true_frames(batch, row) if codebook is None else None
                id_, positions = batch["id"][row].numpy().decode(), None
                if has_distance:
                    longest = max(len(hypothesis.attention_weights) for hypothesis in hypotheses)
                    lengths = (each[row : row + 1] for each in (batch["source_length"], steps))
                    positions = translator.positions(longest, *lengths).numpy()[0]
                yield Translated(id_, _texts(words), tuple(hypotheses), reference, target, positions)


def features_r2(run: Run, translated: Sequence[Translated]) -> float | None:
    """R² of decoded frames against the train mean, over the steps that they share with the true target.

    It is `None` where no segment has a target.
    """
    target = run.last_translation.recipe.target
    quality, (mean, std) = TranslationQuality(run.statistics.blocks(target)), run.statistics.target(target)
    for item in translated:
        if item.target is not None:
            frames = item.hypotheses[0].frames
            steps = min(len(frames), len(item.target))
            prediction, true = ((values[None, :steps] - mean) / std for values in (frames, item.target))
            quality.update(prediction, true, np.array([steps]))
    return quality.result()["r2"]


def _true_frames(batch: Tensors, row: int) -> np.ndarray | None:
    return batch["target"][row, : batch["target_length"][row]].numpy() if "target" in batch else None


def selections(recipe: Translation, records: Records, split: str) -> list[Selection]:
    """What there is of a split for a translation: segments with its target, and segments with its source alone."""
    source, target = recipe.inputs.modalities, recipe.target.modalities
    both = [Selection(split, source, target)] if all(map(records.has, target)) else []
    found = [part for part in (*both, Selection(split, source, lacking=target)) if num_batches(records, part, 1)]
    # Without any, the selection by source says what is missing.
    return found or [Selection(split, source)]


def steps_of(translator: Translator, batch: Tensors, length: str):
    """The steps that each target has, or is expected to have, `(batch,)` int32; see `translate`."""
    if length == "target" and "target_length" in batch:
        return translator.target.steps(batch["target_length"])
    return translator.expected_length(batch["source_length"])


def _decoder(translator: Translator, options: SearchOptions, free: bool):
    """`(seeds (batch, 2), source, source_length, steps_of) →` hypotheses, or frames, their length and attention
    weights."""

    def search(seeds, source, source_length, steps):
        limits = (tf.ones_like(steps), translator.free_limit(source_length)) if free else (steps, steps)
        return tuple(translator.search(source, source_length, limits, replace(options, seed=seeds), steps))

    def roll(source, source_length, steps):
        if free:
            return translator.rollout_until_stop(source, source_length, translator.free_limit(source_length))
        frames, attention_weights = translator.rollout(source, source_length, steps)
        return frames, steps, attention_weights

    def decode(seeds, *inputs):
        with random_step(seeds):
            return search(seeds, *inputs) if isinstance(translator.target, TokenTarget) else roll(*inputs)

    return decode


def _feature_rows(decoded: tuple, source_lengths: np.ndarray, statistics: tuple) -> Iterator[tuple]:
    frames, lengths, attention_weights = decoded
    mean, std = statistics
    for row, steps in enumerate(lengths):
        raw = (frames[row, :steps] * std + mean).astype(np.float32)
        weights = attention_weights[row, :steps, : source_lengths[row]]
        yield [Hypothesis((), None, None, raw, weights)], ()


def _token_rows(decoded: Hypotheses, batch: Tensors, codebook: Codebook) -> Iterator[tuple]:
    for row, source_length in enumerate(batch["source_length"].numpy()):
        hypotheses = []
        # A short target over few tokens has fewer hypotheses than were asked for: the rest are forbidden ones.
        for n in np.flatnonzero(decoded.log_probs[row] > FORBIDDEN / 2):
            steps = decoded.lengths[row, n]
            ids = decoded.ids[row, n, : steps - 1]
            weights = decoded.attention_weights[row, n, :steps, :source_length]
            scores = float(decoded.log_probs[row, n]), float(decoded.scores[row, n])
            hypotheses.append(Hypothesis(_names(ids, codebook), *scores, codebook.decode(ids), weights))
        yield hypotheses, _true_names(batch, row, codebook)


def _true_names(batch: Tensors, row: int, codebook: Codebook) -> tuple[str, ...]:
    """The target's tokens without EOS; none where there is no target."""
    if "target" not in batch:
        return ()
    return _names(batch["target"][row, : batch["target_length"][row] - 1].numpy(), codebook)


def _names(ids: np.ndarray, codebook: Codebook) -> tuple[str, ...]:
    return tuple(codebook.names[i] for i in ids)


def _texts(words: np.ndarray) -> tuple[str, ...]:
    return tuple(word.decode("utf-8") for word in words if word)


def save_features(path: Path, translated: list[Translated]) -> None:
    """Writes the best hypothesis' features of each segment to an .npz file: id → `(steps, dim)` float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as partial, open(partial, "wb") as file:
        frames: dict[str, Any] = {item.id: item.hypotheses[0].frames for item in translated}
        np.savez(file, **frames)
