"""The best scores that the synthetic world allows: Bayes predictors with the known equations, and what they reach.

Text fixes the affect up to independent Gaussian noise. In audio and video the eighth channel alone knows of the affect;
it is affect + AR(1) + white frame noise, all Gaussian, so generalised least squares gives the sufficient statistic and
its sign is the best guess of the label's sign. Its prior is taken as Gaussian with the exact variance (this touches MAE
and the treatment of zeros, not the sign). All predictors see one segment, not its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from mmtrans.synthetic import world as world_equations
from mmtrans.synthetic.truth import (
    Autocorrelation,
    GroundTruth,
    MajorityScores,
    Scores,
    SentimentTruth,
    TranslationTruth,
)
from mmtrans.synthetic.world import (
    AR_COEFFICIENT,
    AUDIO,
    CHANNELS,
    ECHO,
    FRAME_NOISE_STD,
    VIDEO,
    Stream,
    Text,
    World,
)
from tfrecords.schema import SPLITS

MONTE_CARLO_SEGMENTS = 100_000
PROSE = f"""
Word = (stem, polarity), independent of each other; vector = linear map of both + noise.
affect = {world_equations.POLARITY_GAIN} * mean polarity of the words + N(0, {world_equations.LABEL_NOISE_STD}^2);
label = 3 tanh(affect), rounded to fifths, a few to halves. Audio and video, word by word: seven channels
sqrt(text share) * (stem[t] + {ECHO} stem[t-1]) / sqrt(1 + {ECHO}^2) + AR(1), one channel gain * affect + AR(1),
AR coefficient {AR_COEFFICIENT}; a tight frame mixes them into the columns; a frame = its word's value + white noise.
The first figures are expectations over fresh segments, `splits` what the best predictors reach on these segments.
acc2_non0 leaves labels of 0 out, acc2_has0 counts them as positive. r2: columns standardised by train, against the
train mean, word means over the frames that are finite in every column.
"""


def sign_probabilities(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that the rounded label is below and above 0, where the affect is `N(mean, std²)`; each `(n,)`."""
    below, above = np.zeros(len(mean)), np.zeros(len(mean))
    for width, often in world_equations.ROUNDINGS:
        threshold = np.arctanh(width / 6.0)
        below += often * ndtr((-threshold - mean) / std)
        above += often * ndtr((mean - threshold) / std)
    return below, above


def scores(mean: np.ndarray, std: np.ndarray, label: np.ndarray) -> Scores:
    """Acc-2 (both conventions) and MAE of the best predictor given the posterior of the affect.

    Args:
        mean, std: `(n,)` posterior of the affect. label: `(n,)` true labels.

    Returns:
        `acc2_non0` (labels that are not 0), `acc2_has0` (0 counts as positive), `mae` (posterior median).
    """
    below, above = sign_probabilities(mean, std)
    nonzero = label != 0
    return {
        "acc2_non0": float(((above > below) == (label > 0))[nonzero].mean()),
        "acc2_has0": float(((below < 0.5) == (label >= 0)).mean()),
        "mae": float(np.abs(3.0 * np.tanh(mean) - label).mean()),
    }


def channel_noise(stream: Stream, frames: np.ndarray) -> np.ndarray:
    """Variance that the frame noise leaves in a channel of a word of so many frames."""
    return FRAME_NOISE_STD**2 * CHANNELS / (stream.dim * np.asarray(frames, dtype=np.float64))


def gls_weights(stream: Stream, frames: np.ndarray, num_words: np.ndarray) -> np.ndarray:
    """Generalised-least-squares weights of the eighth channel: `Σ⁻¹ 1` segment by segment.

    Args:
        frames: `(steps,)` frames of each word. num_words: `(segments,)`, `num_words.sum() == steps`.
    """
    lags = np.abs(np.subtract.outer(np.arange(num_words.max()), np.arange(num_words.max())))
    correlation = (1.0 - stream.affect_share) * AR_COEFFICIENT**lags
    noise = np.split(channel_noise(stream, frames), np.cumsum(num_words)[:-1])
    weights = [np.linalg.solve(correlation[: len(n), : len(n)] + np.diag(n), np.ones(len(n))) for n in noise]
    return np.concatenate(weights)


def affect_posterior(
    stream: Stream, channel: np.ndarray, weights: np.ndarray, num_words: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and std of each segment's affect, `(segments,)` each, given its eighth channel, `(steps,)`."""
    first = np.cumsum(num_words) - num_words
    information = stream.gain**2 * np.add.reduceat(weights, first)
    variance = 1.0 / (information + 1.0 / world_equations.affect_variance(num_words))
    return variance * stream.gain * np.add.reduceat(weights * channel, first), np.sqrt(variance)


def text_scores(text_affect: np.ndarray, label: np.ndarray) -> Scores:
    """`scores` of the best predictor that reads the words; `(segments,)` each."""
    return scores(text_affect, np.full(len(label), world_equations.LABEL_NOISE_STD), label)


@lru_cache
def expected_scores(stream: Stream | None) -> Scores:
    """`scores` of the best predictor over 100,000 fresh segments; text where `stream` is `None`.

    The equations are the same for every seed, so these figures are, too.
    """
    rng = np.random.default_rng(0)
    num_words = world_equations.draw_lengths(rng, MONTE_CARLO_SEGMENTS)
    mood_std = np.hypot(world_equations.VIDEO_MOOD_STD, world_equations.SEGMENT_MOOD_STD)
    probabilities = world_equations.polarity_probabilities(mood_std * rng.standard_normal(len(num_words)))
    mean_polarity = rng.multinomial(num_words, probabilities) @ world_equations.POLARITIES / num_words
    text_affect = world_equations.POLARITY_GAIN * mean_polarity
    affect = text_affect + world_equations.LABEL_NOISE_STD * rng.standard_normal(len(num_words))
    label = world_equations.round_labels(rng, affect)
    if stream is None:
        return text_scores(text_affect, label)
    lengths = np.arange(1, world_equations.MAX_WORDS + 1)
    frames = np.full(lengths.sum(), 1.0 / mean_inverse_frames(stream))
    weights = gls_weights(stream, frames, lengths)
    information = (stream.gain**2 * np.add.reduceat(weights, np.cumsum(lengths) - lengths))[num_words - 1]
    observed = affect + rng.standard_normal(len(num_words)) / np.sqrt(information)
    variance = 1.0 / (information + 1.0 / world_equations.affect_variance(num_words))
    return scores(variance * information * observed, np.sqrt(variance), label)


def mean_inverse_frames(stream: Stream) -> float:
    """Expectation of one over a word's number of frames."""
    inverse = 1.0 / (world_equations.WORD_TENTHS * stream.frames_per_tenth)
    return float(world_equations.WORD_TENTHS_WEIGHTS @ inverse)


def expected_translation(stream: Stream) -> tuple[float, float]:
    """Analytic R² of the best translation from text, and lag-1 autocorrelation of what it leaves."""
    words, probabilities = world_equations.length_probabilities()
    by_step = probabilities * words / (probabilities @ words)
    first = 1.0 / world_equations.mean_words()
    semantic = stream.text_share * (1.0 + ECHO**2 * (1.0 - first)) / (1.0 + ECHO**2)
    explained = (CHANNELS - 1) * semantic + stream.gain**2 * by_step @ world_equations.text_affect_variance(words)
    own = (CHANNELS - 1) * (1.0 - stream.text_share) + 1.0 - stream.affect_share
    hidden = stream.gain**2 * world_equations.LABEL_NOISE_STD**2
    white = CHANNELS * FRAME_NOISE_STD**2 * mean_inverse_frames(stream)
    residual = own + hidden + white
    return float(explained / (explained + residual)), (AR_COEFFICIENT * own + hidden) / residual


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


def ground_truth(
    world: World, text: Text, tenths: np.ndarray, fold: np.ndarray, means: Mapping[str, np.ndarray]
) -> GroundTruth:
    """What the best predictors are expected to reach, and what they reach on these segments.

    Args:
        tenths: `(steps,)` durations. fold: `(videos,)` index into `SPLITS`.
        means: stream name → `(steps, dim)` float64, means of the finite frames of each word.
    """
    segment_fold = fold[text.video]
    step_fold = np.repeat(segment_fold, text.num_words)
    by_segment = {split: segment_fold == index for index, split in enumerate(SPLITS)} | {"all": segment_fold >= 0}
    by_step = {split: np.repeat(chosen, text.num_words) for split, chosen in by_segment.items()}
    noise = np.full(len(text.label), world_equations.LABEL_NOISE_STD)
    of_text = _truth_of_label(None, (text.text_affect, noise), text.label, by_segment)
    of_streams: dict[str, SentimentTruth] = {}
    translation: dict[str, TranslationTruth] = {}
    autocorrelation: dict[str, Autocorrelation] = {}
    for stream, recipe in ((AUDIO, "T->A"), (VIDEO, "T->V")):
        mixing, offset, scale = (table[stream.name] for table in (world.mixing, world.offset, world.scale))
        target = means[stream.name]
        channel = (target / scale - offset) @ mixing[:, -1] * CHANNELS / stream.dim
        weights = gls_weights(stream, tenths * stream.frames_per_tenth, text.num_words)
        posterior = affect_posterior(stream, channel, weights, text.num_words)
        of_streams[stream.name] = _truth_of_label(stream, posterior, text.label, by_segment)
        best = (world_equations.expected_channels(world, text, stream) @ mixing.T + offset) * scale
        expected_r2, expected_lag = expected_translation(stream)
        splits = {split: _short(r2(target, best, step_fold == 0, by_step[split])) for split in by_step}
        translation[recipe] = {"r2": _short(expected_r2), "splits": splits}
        autocorrelation[stream.name] = {
            "residual_expected": _short(expected_lag),
            "residual": _short(lag_one(target - best, text.num_words)),
            "features": _short(lag_one(target, text.num_words)),
        }
    return {
        "text": of_text,
        "audio": of_streams[AUDIO.name],
        "video": of_streams[VIDEO.name],
        "translation": translation,
        "autocorrelation": autocorrelation,
        "baselines": _baselines(text.label, by_segment),
        "equations": " ".join(PROSE.split()),
    }


def _baselines(label: np.ndarray, by_segment: Mapping[str, np.ndarray]) -> dict[str, MajorityScores]:
    """Share of each split's own majority class, and MAE of the train mean."""
    mean = label[by_segment["train"]].mean()
    return {
        split: {
            "segments": int(chosen.sum()),
            "majority_acc2_non0": _share(label[chosen & (label != 0)] > 0),
            "majority_acc2_has0": _share(label[chosen] >= 0),
            "mean_mae": _short(np.abs(label[chosen] - mean).mean()),
        }
        for split, chosen in by_segment.items()
    }


def _truth_of_label(
    stream: Stream | None,
    posterior: tuple[np.ndarray, np.ndarray],
    label: np.ndarray,
    by_segment: Mapping[str, np.ndarray],
) -> SentimentTruth:
    """Expected scores of the best predictor from text (`None`) or a stream, and those on each split."""
    mean, std = posterior
    splits = {
        split: _short_scores(scores(mean[chosen], std[chosen], label[chosen])) for split, chosen in by_segment.items()
    }
    return {**_short_scores(expected_scores(stream)), "splits": splits}


def _short_scores(found: Scores) -> Scores:
    return {
        "acc2_non0": _short(found["acc2_non0"]),
        "acc2_has0": _short(found["acc2_has0"]),
        "mae": _short(found["mae"]),
    }


def _share(positive: np.ndarray) -> float:
    return _short(max(positive.mean(), 1.0 - positive.mean()))


def _short(value: float) -> float:
    return round(float(value), 4)
