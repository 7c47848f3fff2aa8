"""The best scores that the synthetic world allows, as they are expected of Bayes predictors with the known equations.

Text fixes the affect up to independent Gaussian noise, and up to its sign where words may say the opposite. In audio
and video the eighth channel alone, or in other worlds several, know of the affect; each is affect + AR(1) + white frame
noise, all Gaussian, so generalised least squares of their mean gives the sufficient statistic and its sign is the best
guess of the label's sign. Without the
words the prior is taken as Gaussian with the exact variance (this touches MAE and the treatment of zeros, not the
sign). All predictors see one segment, not its neighbours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mmtrans.synthetic import world as world_equations
from mmtrans.synthetic.posterior import Evidence, posterior_of, scores
from mmtrans.synthetic.truth import Scores
from mmtrans.synthetic.world import AR_COEFFICIENT, CHANNELS, ECHO, FRAME_NOISE_STD, Stream, Text

MONTE_CARLO_SEGMENTS = 100_000


def channel_noise(stream: Stream, frames: np.ndarray) -> np.ndarray:
    """Variance that the frame noise leaves in a channel of a word of so many frames."""
    return FRAME_NOISE_STD**2 * CHANNELS / (stream.dim * np.asarray(frames, dtype=np.float64))


def gls_weights(stream: Stream, frames: np.ndarray, num_words: np.ndarray) -> np.ndarray:
    """Generalised-least-squares weights of a channel that follows the affect: `Σ⁻¹ 1` segment by segment.

    Args:
        frames: `(steps,)` frames of each word. num_words: `(segments,)`, `num_words.sum() == steps`.
    """
    lags = np.abs(np.subtract.outer(np.arange(num_words.max()), np.arange(num_words.max())))
    correlation = (1.0 - stream.affect_share) * AR_COEFFICIENT**lags
    noise = np.split(channel_noise(stream, frames), np.cumsum(num_words)[:-1])
    weights = [np.linalg.solve(correlation[: len(n), : len(n)] + np.diag(n), np.ones(len(n))) for n in noise]
    return np.concatenate(weights)


def evidence_of(stream: Stream, channel: np.ndarray, weights: np.ndarray, num_words: np.ndarray) -> Evidence:
    """What the channels of a stream that follow the affect tell of that of each segment.

    Args:
        stream: audio or video.
        channel: `(steps,)` mean of these channels, as they are read from the words' means.
        weights: `(steps,)`, as of `gls_weights`.
        num_words: `(segments,)` int.
    """
    first = np.cumsum(num_words) - num_words
    # Noise is independent between channels, so that of their mean is so many times smaller.
    count = stream.affect_channels
    information = count * stream.gain**2 * np.add.reduceat(weights, first)
    return Evidence(information, count * stream.gain * np.add.reduceat(weights * channel, first))


def text_scores(text: Text, chosen: np.ndarray | slice = slice(None)) -> Scores:
    """`scores` of the best predictor that reads the words of the chosen segments."""
    posterior = posterior_of(text.text_affect[chosen], (), text.num_words[chosen], text.disagree)
    return scores(posterior, text.label[chosen])


@lru_cache
def expected_scores(streams: tuple[Stream, ...], reads_text: bool, disagree: float = 0.0) -> Scores:
    """`scores` of the best predictor over 100,000 fresh segments.

    The equations are the same for every seed, so these figures are, too.

    Args:
        streams: the streams that it reads.
        reads_text: whether it reads the words.
        disagree: share of the segments whose words say the opposite.
    """
    rng = np.random.default_rng(0)
    num_words = world_equations.draw_lengths(rng, MONTE_CARLO_SEGMENTS)
    mood_std = np.hypot(world_equations.VIDEO_MOOD_STD, world_equations.SEGMENT_MOOD_STD)
    probabilities = world_equations.polarity_probabilities(mood_std * rng.standard_normal(len(num_words)))
    mean_polarity = rng.multinomial(num_words, probabilities) @ world_equations.POLARITIES / num_words
    text_affect = world_equations.POLARITY_GAIN * mean_polarity
    sign = np.where(rng.spawn(1)[0].random(len(num_words)) < disagree, -1.0, 1.0)
    affect = sign * text_affect + world_equations.LABEL_NOISE_STD * rng.standard_normal(len(num_words))
    label = world_equations.round_labels(rng, affect)
    evidence = []
    for stream in streams:
        information = expected_information(stream)[num_words - 1]
        noise = np.sqrt(information) * rng.standard_normal(len(num_words))
        evidence.append(Evidence(information, information * affect + noise))
    return scores(posterior_of(text_affect if reads_text else None, evidence, num_words, disagree), label)


def expected_information(stream: Stream) -> np.ndarray:
    """`(MAX_WORDS,)` information that a stream has of the affect of a segment of 1, 2, … words."""
    lengths = np.arange(1, world_equations.MAX_WORDS + 1)
    weights = gls_weights(stream, np.full(lengths.sum(), 1.0 / mean_inverse_frames(stream)), lengths)
    return stream.affect_channels * stream.gain**2 * np.add.reduceat(weights, np.cumsum(lengths) - lengths)


def mean_inverse_frames(stream: Stream) -> float:
    """Expectation of one over a word's number of frames."""
    inverse = 1.0 / (world_equations.WORD_TENTHS * stream.frames_per_tenth)
    return float(world_equations.WORD_TENTHS_WEIGHTS @ inverse)


def expected_translation(stream: Stream, disagree: float = 0.0) -> tuple[float, float]:
    """Analytic R² of the best translation from text, and lag-1 autocorrelation of what it leaves.

    Args:
        stream: the target.
        disagree: share of the segments whose words say the opposite.
    """
    words, probabilities = world_equations.length_probabilities()
    by_step = probabilities * words / (probabilities @ words)
    first = 1.0 / world_equations.mean_words()
    semantic = stream.text_share * (1.0 + ECHO**2 * (1.0 - first)) / (1.0 + ECHO**2)
    said = stream.gain**2 * by_step @ world_equations.text_affect_variance(words)
    kept = world_equations.agreement(disagree) ** 2
    count = stream.affect_channels
    explained = (CHANNELS - count) * semantic + count * kept * said
    own = (CHANNELS - count) * (1.0 - stream.text_share) + count * (1.0 - stream.affect_share)
    hidden = count * (stream.gain**2 * world_equations.LABEL_NOISE_STD**2 + (1.0 - kept) * said)
    white = CHANNELS * FRAME_NOISE_STD**2 * mean_inverse_frames(stream)
    residual = own + hidden + white
    return float(explained / (explained + residual)), float((AR_COEFFICIENT * own + hidden) / residual)


def r2(target: np.ndarray, predicted: np.ndarray, train: np.ndarray, chosen: np.ndarray) -> float:
    """R² against the train mean, on columns standardised by their train std, over all columns at once.

    Args:
        target, predicted: `(steps, dim)`. train, chosen: `(steps,)` bool, steps of train and steps to score.
    """
    mean, std = target[train].mean(axis=0), target[train].std(axis=0)
    errors, spread = (target - predicted)[chosen] / std, (target[chosen] - mean) / std
    return float(1.0 - (errors**2).sum() / (spread**2).sum())


def lag_one(values: np.ndarray, num_words: np.ndarray) -> float:
    """Lag-1 autocorrelation within segments of `(steps, dim)` values, averaged over the standardised columns."""
    standardised = (values - values.mean(axis=0)) / values.std(axis=0)
    segment = np.repeat(np.arange(len(num_words)), num_words)
    inner = segment[1:] == segment[:-1]
    return float((standardised[1:] * standardised[:-1])[inner].mean())
