"""The generating equations of the synthetic corpus, and the best scores that they allow (the planted ceilings).

Words. A word is a pair (stem, polarity): stems are Zipf-like, polarities follow the mood of the segment, and the two
are independent, so that what a stem drives tells nothing of sentiment. Vector = linear map of both + noise.

Labels. `affect = POLARITY_GAIN * mean polarity of the words + noise`, `label = rounded(3 * tanh(affect))`. In a share
of the segments the words say the opposite: `affect = noise - POLARITY_GAIN * mean polarity`.

Audio and video, a word step `t`, eight channels: seven are `sqrt(share) * (stem[t] + ECHO * stem[t-1]) + AR(1)`, the
eighth is `gain * affect + AR(1)`; in other worlds more of them are like the eighth. A tight frame mixes them into the
columns: its rows of length one give every column the same variance, its orthogonal columns of equal length give every
channel the same part of it. So the explained share, averaged over the columns, is the same whatever was drawn, and the
channels can be read back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

STEMS, SEMANTIC_DIMS, VECTOR_DIMS, VECTOR_STD = 60, 7, 300, 0.4
CHANNELS = SEMANTIC_DIMS + 1
POLARITIES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
POLARITY_WEIGHTS = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
MIN_WORDS, MEDIAN_WORDS, LOG_WORDS_STD, MAX_WORDS = 2, 10.0, 0.67, 100
VIDEO_MOOD_STD, SEGMENT_MOOD_STD = 0.46, 0.66
POLARITY_GAIN, LABEL_NOISE_STD = 2.1, 0.25
#: Width of the label's rounding and how often it is used.
ROUNDINGS = ((0.2, 0.96), (0.5, 0.04))
ECHO, AR_COEFFICIENT, FRAME_NOISE_STD = 0.3, 0.65, 0.4
#: A word lasts so many tenths of a second: a whole number of frames at 100 Hz and at 30 Hz, so no frame is shared.
WORD_TENTHS, WORD_TENTHS_WEIGHTS = np.array([1, 2, 3, 4]), np.array([0.35, 0.35, 0.2, 0.1])


@dataclass(frozen=True)
class Stream:
    """Constants of audio or of video: width, frames a tenth of a second, variance shares in their channels.

    The last `affect_channels` of the eight follow the affect, the others the stems.
    """

    name: str
    dim: int
    frames_per_tenth: int
    text_share: float
    affect_share: float
    affect_channels: int = 1

    @property
    def gain(self) -> float:
        """Factor of the affect in the channels that follow it."""
        return float(np.sqrt(self.affect_share / affect_variance(mean_words())))


AUDIO = Stream("audio", 74, 10, text_share=0.57, affect_share=0.043)
VIDEO = Stream("video", 47, 3, text_share=0.45, affect_share=0.043)


@dataclass(frozen=True)
class World:
    """What all segments share. Word `w` has stem `w // 5` and polarity `w % 5`.

    Attributes:
        words: the vocabulary, 300 made-up words.
        vectors: `(words, 300)` float32.
        stem_probabilities: `(STEMS,)`.
        stem_codes: `(STEMS, 7)`, white under `stem_probabilities`.
        mixing, offset, scale: stream name → `(dim, 8)`, `(dim,)`, `(dim,)`.
    """

    words: tuple[str, ...]
    vectors: np.ndarray
    stem_probabilities: np.ndarray
    stem_codes: np.ndarray
    mixing: dict[str, np.ndarray]
    offset: dict[str, np.ndarray]
    scale: dict[str, np.ndarray]


@dataclass(frozen=True)
class Text:
    """Words and labels of all segments, one after the other.

    Attributes:
        video: `(segments,)` int, index of the video; ascending.
        num_words: `(segments,)` int.
        word: `(steps,)` int, `steps = num_words.sum()`.
        text_affect: `(segments,)`, the affect that the words say.
        affect, label: `(segments,)` float.
        disagree: probability that the affect has the opposite sign of what the words say.
    """

    video: np.ndarray
    num_words: np.ndarray
    word: np.ndarray
    text_affect: np.ndarray
    affect: np.ndarray
    label: np.ndarray
    disagree: float = 0.0

    @property
    def expected_affect(self) -> np.ndarray:
        """`(segments,)` expectation of the affect given the words."""
        return agreement(self.disagree) * self.text_affect

    @property
    def first(self) -> np.ndarray:
        """`(segments,)` index of each segment's first step."""
        return np.cumsum(self.num_words) - self.num_words


def draw_world(rng: np.random.Generator, polarity: float = 1.0) -> World:
    """Draw vocabulary, vectors and loadings; polarity moves a word's vector so much, a feature of its stem by 1."""
    weights = 1.0 / (np.arange(STEMS) + 4.0)
    probabilities = weights / weights.sum()
    codes = rng.standard_normal((STEMS, SEMANTIC_DIMS))
    codes -= probabilities @ codes
    factor = np.linalg.cholesky(codes.T @ (codes * probabilities[:, None]))
    codes = np.linalg.solve(factor, codes.T).T
    polarity_std = np.sqrt(POLARITY_WEIGHTS @ POLARITIES**2)
    latents = np.concatenate(
        [np.repeat(codes, len(POLARITIES), axis=0), polarity * np.tile(POLARITIES / polarity_std, STEMS)[:, None]],
        axis=1,
    )
    vectors = latents @ rng.standard_normal((CHANNELS, VECTOR_DIMS)) / np.sqrt(CHANNELS)
    vectors += 0.4 * rng.standard_normal(vectors.shape)
    vectors *= VECTOR_STD / np.sqrt(1.0 + 0.4**2)
    streams = (AUDIO, VIDEO)
    return World(
        words=_words(rng, len(latents)),
        vectors=vectors.astype(np.float32),
        stem_probabilities=probabilities,
        stem_codes=codes,
        mixing={stream.name: tight_frame(rng, stream.dim, CHANNELS) for stream in streams},
        offset={stream.name: rng.standard_normal(stream.dim) for stream in streams},
        scale={stream.name: 10.0 ** rng.uniform(-1.0, 1.0, stream.dim) for stream in streams},
    )


def tight_frame(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Random `(rows, columns)` float64 matrix with rows of length one and orthogonal columns of equal length."""
    matrix = rng.standard_normal((rows, columns))
    for _ in range(60):
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        matrix = left @ right
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def _words(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(rng.choice(syllables, size=rng.integers(1, 5)))] = None
    return tuple(words)


def stratified_normal(rng: np.random.Generator, count: int) -> np.ndarray:
    """`(count,)` normal quantiles in random order, mean 0 and variance 1 (0 where `count` is 1): no fold leans."""
    quantiles = ndtri((np.arange(count) + 0.5) / count)
    return rng.permutation(quantiles / max(quantiles.std(), 1e-9)) if count > 1 else np.zeros(1)


def draw_lengths(rng: np.random.Generator, count: int) -> np.ndarray:
    """`(count,)` int64 numbers of words: log-normal, mean about 12.5, clipped to 2 … 100."""
    words = np.round(MEDIAN_WORDS * np.exp(LOG_WORDS_STD * rng.standard_normal(count)))
    return np.clip(words, MIN_WORDS, MAX_WORDS).astype(np.int64)


def polarity_probabilities(mood: np.ndarray) -> np.ndarray:
    """`(n,)` moods → `(n, 5)` probabilities of the polarities, tilted exponentially."""
    weights = POLARITY_WEIGHTS * np.exp(mood[:, None] * POLARITIES)
    return weights / weights.sum(axis=1, keepdims=True)


def draw_text(
    rng: np.random.Generator,
    world: World,
    segments_per_video: np.ndarray,
    fold: np.ndarray,
    disagree: float = 0.0,
) -> Text:
    """Draw words and labels.

    Args:
        rng: what to draw with.
        world: vocabulary.
        segments_per_video: `(videos,)` int.
        fold: `(videos,)` int; moods are balanced within a fold.
        disagree: share of the segments of each fold whose words say the opposite.
    """
    video_mood = np.zeros(len(fold))
    for value in np.unique(fold):
        members = np.flatnonzero(fold == value)
        video_mood[members] = VIDEO_MOOD_STD * stratified_normal(rng, len(members))
    mood = np.repeat(video_mood, segments_per_video)
    mood += SEGMENT_MOOD_STD * np.concatenate([stratified_normal(rng, count) for count in segments_per_video])
    num_words = draw_lengths(rng, len(mood))
    cumulative = np.cumsum(polarity_probabilities(mood), axis=1)[:, :-1]
    draws = rng.random(num_words.sum())
    polarity = (draws[:, None] > np.repeat(cumulative, num_words, axis=0)).sum(axis=1)
    stem = rng.choice(STEMS, size=len(draws), p=world.stem_probabilities)
    first = np.cumsum(num_words) - num_words
    text_affect = POLARITY_GAIN * np.add.reduceat(POLARITIES[polarity], first) / num_words
    video = np.repeat(np.arange(len(fold)), segments_per_video)
    # A generator of its own, so that all else is drawn as in the world in which words and labels agree.
    sign = np.where(choose_share(rng.spawn(1)[0], disagree, fold[video]), -1.0, 1.0)
    affect = sign * text_affect + LABEL_NOISE_STD * rng.standard_normal(len(mood))
    label = round_labels(rng, affect)
    return Text(video, num_words, stem * len(POLARITIES) + polarity, text_affect, affect, label, disagree)


def choose_share(rng: np.random.Generator, share: float, fold: np.ndarray, least: int = 0) -> np.ndarray:
    """Choose a share of the segments of each fold; a smaller share is part of a larger.

    Args:
        rng: what to draw with.
        share: between 0 and 1.
        fold: `(segments,)` int.
        least: number that is chosen of each fold in any case.

    Returns:
        `(segments,)` bool, true for those that are chosen.
    """
    chosen = np.zeros(len(fold), dtype=bool)
    for value in np.unique(fold):
        members = rng.permutation(np.flatnonzero(fold == value))
        chosen[members[: max(least, round(share * len(members)))]] = True
    return chosen


def agreement(disagree: float) -> float:
    """What is left of the words' affect on average, where a share of the segments has the opposite."""
    return 1.0 - 2.0 * disagree


def round_labels(rng: np.random.Generator, affect: np.ndarray) -> np.ndarray:
    """`(n,)` affects → `(n,)` labels in [-3, 3]: multiples of a fifth, a few of a half."""
    (fine, often), (coarse, _) = ROUNDINGS
    width = np.where(rng.random(len(affect)) < often, fine, coarse)
    return np.round(3.0 * np.tanh(affect) / width) * width + 0.0


@lru_cache
def tilt_variances() -> tuple[float, float]:
    """Variance between moods of the expected polarity, and the mean variance of a word's polarity within a mood."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    probabilities = polarity_probabilities(nodes * np.hypot(VIDEO_MOOD_STD, SEGMENT_MOOD_STD))
    means = probabilities @ POLARITIES
    weights = weights / weights.sum()
    return float(weights @ means**2), float(weights @ (probabilities @ POLARITIES**2 - means**2))


def text_affect_variance(num_words: np.ndarray | float) -> np.ndarray:
    """Variance of the affect that `num_words` words fix."""
    between, within = tilt_variances()
    return POLARITY_GAIN**2 * (between + within / np.asarray(num_words))


def affect_variance(num_words: np.ndarray | float) -> np.ndarray:
    """Variance of the affect of a segment of `num_words` words."""
    return text_affect_variance(num_words) + LABEL_NOISE_STD**2


def length_probabilities() -> tuple[np.ndarray, np.ndarray]:
    """Possible numbers of words, and their probabilities."""
    words = np.arange(MIN_WORDS, MAX_WORDS + 1)
    edges = ndtr(np.log(np.concatenate([[1e-9], words[:-1] + 0.5, [1e9]]) / MEDIAN_WORDS) / LOG_WORDS_STD)
    return words, np.diff(edges)


def mean_words() -> float:
    """Expected number of words in a segment."""
    words, probabilities = length_probabilities()
    return float(words @ probabilities)
