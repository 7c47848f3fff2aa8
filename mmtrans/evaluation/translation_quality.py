"""How well a modality is translated: masked R² and mean squared error on standardised targets, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from mmtrans.evaluation.metrics import mean_of


class ModalityQuality(TypedDict):
    """Quality of one modality; `None` where it is undefined."""

    r2: float | None
    mse: float | None


class RolloutQuality(ModalityQuality):
    """Quality of a whole target: means over its modalities, and each one's own."""

    frames: int
    per_modality: dict[str, ModalityQuality]


class Companions(TypedDict):
    """What must stand beside the quality of free-running decoding."""

    teacher_forced_r2: float | None
    source_shuffled_r2: float | None
    copy_last_r2: float | None
    attention_prior_correlation: float | None


class TokenFigures(TypedDict, total=False):
    """What a target of tokens has beside the quality of its frames."""

    perplexity: float
    accuracy: float
    unigram_perplexity: float
    unigram_accuracy: float
    repeat_last_perplexity: float
    repeat_last_accuracy: float


class EvidenceFigures(TypedDict, total=False):
    """What a variational translation has: the evidence lower bound, its log-likelihood its divergence, in
    nats; means over the segments, and over the target's steps."""

    elbo: float
    reconstruction: float
    kl: float
    elbo_per_step: float
    reconstruction_per_step: float
    kl_per_step: float


class _OfCodebook(TypedDict, total=False):
    quantization_r2: float | None
    codewords_used: float


class TranslationFigures(RolloutQuality, Companions, TokenFigures, _OfCodebook, EvidenceFigures):
    """What is measured of a translation: of a target of features, of tokens, or of a variational one.

    Attributes:
        r2: R² of free-running decoding on standardised frames: 0 is the mean of train, 1 is perfect.
        mse: mean squared error of the same.
        frames: number of steps that were compared.
        per_modality: modality → its own `r2` and `mse`.
        teacher_forced_r2: R² where the decoder is fed the true frames.
        source_shuffled_r2: R² where each segment is given the source of another.
        copy_last_r2: R² of the true frame before.
        attention_prior_correlation: correlation of the attention weights with those that the distance of steps alone
            gives; `null` without attention.
        perplexity: of a tokens target the perplexity of the model.
        accuracy: of a tokens target the share of right tokens.
        unigram_perplexity, unigram_accuracy: the same of the tokens' frequencies in train.
        repeat_last_perplexity, repeat_last_accuracy: the same of repeating the token before.
        quantization_r2: of codewords the R² that the codebook alone would reach.
        codewords_used: share of the codebook that occurs in the split.
        elbo: of a variational translation the evidence lower bound, in nats a segment.
        reconstruction: its log-likelihood, in nats a segment.
        kl: its divergence, in nats a segment.
        elbo_per_step, reconstruction_per_step, kl_per_step: the same in nats a step of the target.
    """


class TranslationQuality:
    """Accumulates squared errors over the valid steps of many batches, by modality.

    R² is against the train mean, which is 0 after standardisation: `1 - Σ(target - prediction)² / Σ target²` over the
    steps and columns of one modality. Of a concatenated target it is the mean of its modalities' R², so that 300
    columns of text do not drown 74 of audio; so is the mean squared error.

    Args:
        blocks: modality → `(start, stop)` columns; together they cover the target from column 0 without gaps.

    Raises:
        ValueError: no blocks, empty ones, gaps or overlaps.

    Example:
        ```pycon
        >>> quality = TranslationQuality({"audio": (0, 2)})
        >>> quality.update(np.zeros((1, 3, 2)), np.ones((1, 3, 2)), np.array([2]))
        >>> quality.result()["r2"]
        0.0
        ```
    """

    def __init__(self, blocks: Mapping[str, tuple[int, int]]) -> None:
        edge = 0
        for start, stop in sorted(blocks.values()):
            if start != edge or stop <= start:
                raise ValueError(
                    f"Modalities do not tile the target. Expected (start, stop) from column 0 without gaps. "
                    f"Received: blocks={dict(blocks)}. Give each modality its columns."
                )
            edge = stop
        if not blocks:
            raise ValueError(
                "No modalities to evaluate. Expected modality: (start, stop). Received: blocks={}. "
                "Give each modality its columns."
            )
        self._blocks = dict(blocks)
        self._dim = edge
        self._frames = 0
        # Sums in float64: millions of float32 squares lose digits.
        self._error = np.zeros(edge)
        self._total = np.zeros(edge)

    def update(self, prediction: np.ndarray, target: np.ndarray, length: np.ndarray) -> None:
        """Adds one batch; what lies beyond a segment's length is never read.

        Args:
            prediction: `(batch, steps, dim)` standardised.
            target: `(batch, steps, dim)` standardised.
            length: `(batch,)` int, valid steps of each segment.

        Raises:
            ValueError: other shapes, lengths beyond the steps, or a valid step that is not finite.
        """
        prediction, target = np.asarray(prediction), np.asarray(target)
        if prediction.shape != target.shape or target.ndim != 3 or target.shape[2] != self._dim:
            raise ValueError(
                f"Prediction and target do not fit. Expected two arrays (batch, steps, {self._dim}). "
                f"Received: prediction.shape={prediction.shape}, target.shape={target.shape}. "
                "Cut or pad the prediction to the target's steps."
            )
        mask = valid_steps(length, target)
        valid_prediction, valid_target = prediction[mask].astype(np.float64), target[mask].astype(np.float64)
        for name, values in (("prediction", valid_prediction), ("target", valid_target)):
            bad = int((~np.isfinite(values)).sum())
            if bad:
                raise ValueError(
                    f"A translation is not finite. Expected finite values in every valid step. "
                    f"Received: {name} with {bad} such of {values.size}. Check that the training has not diverged."
                )
        self._frames += len(valid_target)
        self._error += np.square(valid_prediction - valid_target).sum(axis=0)
        self._total += np.square(valid_target).sum(axis=0)

    def result(self) -> RolloutQuality:
        """The quality of all batches so far.

        R² is `None` where a modality's targets are all 0 (and then for the whole target too); everything is `None`
        without frames.
        """
        per_modality: dict[str, ModalityQuality] = {}
        for name, (start, stop) in self._blocks.items():
            error, total = float(self._error[start:stop].sum()), float(self._total[start:stop].sum())
            per_modality[name] = {
                "r2": 1 - error / total if total > 0 else None,
                "mse": error / (self._frames * (stop - start)) if self._frames else None,
            }
        return {
            "r2": mean_of(quality["r2"] for quality in per_modality.values()),
            "mse": mean_of(quality["mse"] for quality in per_modality.values()),
            "frames": self._frames,
            "per_modality": per_modality,
        }


def valid_steps(length: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mask `(batch, steps)` bool of the steps before each segment's length.

    Args:
        length: `(batch,)` int.
        target: `(batch, steps, dim)`.

    Raises:
        ValueError: lengths that are not one a segment, negative, or beyond the steps.
    """
    length, (batch, steps) = np.asarray(length), target.shape[:2]
    if length.shape != (batch,) or (length < 0).any() or (length > steps).any():
        raise ValueError(
            f"Lengths do not fit the target. Expected {batch} integers of 0 to {steps}. "
            f"Received: length={length.tolist()}. Give the batch's own target_length."
        )
    return np.arange(steps) < length[:, None]


def copy_last(target: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The prediction that repeats the true previous frame: what teacher forcing alone rewards.

    Args:
        target: `(batch, steps, dim)` standardised.
        length: `(batch,)` int, valid steps of each segment.

    Returns:
        `(batch, steps, dim)` of the target's dtype: zeros (the train mean) first, and beyond the length.

    Raises:
        ValueError: lengths that do not fit the target.
    """
    target = np.asarray(target)
    mask = valid_steps(length, target)
    prediction = np.zeros_like(target)
    prediction[:, 1:] = np.where(mask[:, 1:, None], target[:, :-1], 0)
    return prediction
