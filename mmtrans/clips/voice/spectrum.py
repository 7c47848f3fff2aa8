"""Shape of the spectrum of frames, and cepstral coefficients."""

from __future__ import annotations

import functools

import numpy as np
from scipy.fft import dct

from mmtrans.clips.voice.columns import NUM_MFCC, RATE_HZ

#: 25 ms.
SPECTRUM_WINDOW = 400

_FFT = 512
_BANDS = 26
_LOWEST_BAND_HZ = 20.0

#: Added to powers before their logarithm: -100 dB of full scale.
FLOOR = 1e-10

_ROLLOFF_SHARE = 0.85

#: A spectrum of less power has no shape.
_NOTHING = 1e-12

FREQUENCIES = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)


@functools.cache
def _window() -> np.ndarray:
    return np.hanning(SPECTRUM_WINDOW + 1)[:-1]


def power_of(frames: np.ndarray) -> np.ndarray:
    """Power spectrum `(steps, 257)` of frames `(steps, SPECTRUM_WINDOW)`; that of white noise is its variance."""
    window = _window()
    return np.abs(np.fft.rfft(frames * window, _FFT)) ** 2 / np.square(window).sum()


def energy_of(frames: np.ndarray) -> np.ndarray:
    """Mean square of windowed frames `(steps, SPECTRUM_WINDOW)`, in dB of full scale, `(steps,)`."""
    weights = np.square(_window())
    return 10 * np.log10(np.square(frames) @ weights / weights.sum() + FLOOR)


def crossings_of(frames: np.ndarray) -> np.ndarray:
    """Half the changes of sign a second of frames `(steps, samples)`: of a tone its frequency, `(steps,)`."""
    negative = frames < 0
    return (negative[:, 1:] != negative[:, :-1]).sum(axis=1) * RATE_HZ / 2 / (frames.shape[1] - 1)


def flux_of(power: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Distance of each spectrum to the one before, both of sum 1, `(steps,)`; 0 beside silence.

    Args:
        power: `(steps, bins)`.
        previous: `(bins,)`, the spectrum before the first.
    """
    magnitude = np.sqrt(np.concatenate([previous[None], power]))
    total = magnitude.sum(axis=1, keepdims=True)
    shape = magnitude / np.maximum(total, _NOTHING)
    distance = np.linalg.norm(np.diff(shape, axis=0), axis=1)
    is_sound = total[:, 0] > np.sqrt(_NOTHING)
    return np.where(is_sound[1:] & is_sound[:-1], distance, 0)


def shape_of(power: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the shape of spectra `(steps, bins)`: name → `(steps,)`; 0 of silence."""
    total = power.sum(axis=1)
    is_sound = total > _NOTHING
    share = power / np.maximum(total, _NOTHING)[:, None]
    centroid = share @ FREQUENCIES
    spread = np.sqrt(np.maximum(share @ np.square(FREQUENCIES) - np.square(centroid), 0))
    rolloff = FREQUENCIES[(share.cumsum(axis=1) >= _ROLLOFF_SHARE).argmax(axis=1)]
    levels = 10 * np.log10(power + FLOOR)
    columns = {
        "centroid_hz": centroid,
        "spread_hz": spread,
        "rolloff_hz": rolloff,
        "flatness_db": levels.mean(axis=1) - 10 * np.log10(power.mean(axis=1) + FLOOR),
        "slope_0_500": _slope(levels, 0, 500),
        "slope_500_1500": _slope(levels, 500, 1500),
        "alpha_ratio_db": _sum_db(power, 50, 1000) - _sum_db(power, 1000, 5000),
        "hammarberg_db": levels[:, _between(0, 2000)].max(axis=1) - levels[:, _between(2000, 5000)].max(axis=1),
    }
    return {name: np.where(is_sound, column, 0) for name, column in columns.items()}


def _between(low_hz: float, high_hz: float) -> np.ndarray:
    return (low_hz <= FREQUENCIES) & (high_hz >= FREQUENCIES)


def _sum_db(power: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    return 10 * np.log10(power[:, _between(low_hz, high_hz)].sum(axis=1) + FLOOR)


def _slope(levels: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Slope of the line that fits the levels of a band best, in dB a kHz."""
    inside = _between(low_hz, high_hz)
    khz = FREQUENCIES[inside] / 1000 - FREQUENCIES[inside].mean() / 1000
    return levels[:, inside] @ khz / np.square(khz).sum()


@functools.cache
def mel_bands() -> np.ndarray:
    """Weights `(26, 257)` of triangles that are equally wide on the mel scale, from 20 Hz to 8 kHz."""
    top = _mel(RATE_HZ / 2)
    edges = _hz(np.linspace(_mel(_LOWEST_BAND_HZ), top, _BANDS + 2))
    rising = (FREQUENCIES - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - FREQUENCIES) / np.diff(edges)[1:, None]
    return np.maximum(np.minimum(rising, falling), 0)


def _mel(hz: float) -> float:
    return 2595 * np.log10(1 + hz / 700)


def _hz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


def mfcc_of(power: np.ndarray) -> np.ndarray:
    """Cepstral coefficients 1 to 13 of spectra `(steps, bins)`: `(steps, 13)`."""
    bands = np.log(power @ mel_bands().T + FLOOR)
    return dct(bands, type=2, norm="ortho", axis=1)[:, 1 : NUM_MFCC + 1]
