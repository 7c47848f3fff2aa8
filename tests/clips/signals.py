"""Sounds whose answer is known, and files of them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

RATE = 16_000

#: Machine speech with its text beside it; see the README there.
SPEECH = Path(__file__).parent / "speech"


def times(seconds, rate=RATE):
    return np.arange(round(seconds * rate)) / rate


def tone(hz, seconds=1.0, level=0.5, rate=RATE):
    return level * np.sin(2 * np.pi * hz * times(seconds, rate))


def chirp(first_hz, last_hz, seconds=2.0):
    """A voice of seven harmonics whose pitch rises evenly."""
    t = times(seconds)
    phase = 2 * np.pi * (first_hz * t + (last_hz - first_hz) * t**2 / (2 * seconds))
    return 0.2 * sum(np.sin(number * phase) / number for number in range(1, 8))


def noise(seconds=1.0, level=0.1, seed=0):
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE))


def talk(seconds, pauses=(), seed=0):
    """Noise with silence around each time of `pauses`, half a second long."""
    sound = noise(seconds, seed=seed)
    t = times(seconds)
    for pause in pauses:
        sound[np.abs(t - pause) < 0.25] = 0
    return sound


def write_wav(path, *channels, rate=RATE):
    """Writes 16-bit samples; each channel is `(samples,)`, between -1 and 1."""
    data = np.clip(np.rint(np.stack(channels, axis=1) * 32767), -32768, 32767).astype("<i2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return path
