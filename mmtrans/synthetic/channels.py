"""The channels of audio and of video: what the words fix, what follows the affect, and noise."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from mmtrans.synthetic.world import (
    AR_COEFFICIENT,
    CHANNELS,
    ECHO,
    POLARITIES,
    SEMANTIC_DIMS,
    Stream,
    Text,
    World,
)


def expected_channels(world: World, text: Text, stream: Stream) -> np.ndarray:
    """`(steps, 8)` conditional expectation of a stream's channels given the words: the best translation."""
    codes = world.stem_codes[text.word // len(POLARITIES)]
    previous = np.concatenate([np.zeros((1, SEMANTIC_DIMS)), codes[:-1]])
    previous[text.first] = 0.0
    semantic = np.sqrt(stream.text_share / (1.0 + ECHO**2)) * (codes + ECHO * previous)
    affect = stream.gain * np.repeat(text.expected_affect, text.num_words)[:, None]
    count = stream.affect_channels
    return np.concatenate([semantic[:, : CHANNELS - count], np.repeat(affect, count, axis=1)], axis=1)


def draw_channels(rng: np.random.Generator, world: World, text: Text, stream: Stream) -> np.ndarray:
    """`(steps, 8)` channels of a stream: what the words fix, the rest of the affect, and AR(1) processes."""
    channels = expected_channels(world, text, stream)
    count = stream.affect_channels
    channels[:, -count:] += stream.gain * np.repeat(text.affect - text.expected_affect, text.num_words)[:, None]
    own_std = np.sqrt(1.0 - np.array([stream.text_share] * (CHANNELS - count) + [stream.affect_share] * count))
    steps = np.bincount(text.video, weights=text.num_words).astype(int)
    for start, stop in zip(np.cumsum(steps) - steps, np.cumsum(steps), strict=True):
        shocks = rng.standard_normal((stop - start, CHANNELS))
        shocks[1:] *= np.sqrt(1.0 - AR_COEFFICIENT**2)
        channels[start:stop] += own_std * lfilter([1.0], [1.0, -AR_COEFFICIENT], shocks, axis=0)
    return channels


def affect_channel(stream: Stream, channels: np.ndarray) -> np.ndarray:
    """`(steps,)` mean of those of a stream's `(steps, 8)` channels that follow the affect."""
    return channels[:, -stream.affect_channels :].mean(axis=1)
