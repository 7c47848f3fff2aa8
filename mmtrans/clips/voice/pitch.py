"""Pitch of frames by autocorrelation, after Boersma (1993), without a search for the best path over frames."""

from __future__ import annotations

import functools

import numpy as np

from mmtrans.clips.voice.columns import RATE_HZ

#: Three periods of the lowest pitch: 40 ms.
PITCH_WINDOW = 640

LOWEST_HZ, HIGHEST_HZ = 75.0, 500.0

#: A frame is voiced from this height of the peak, and this energy on.
VOICED_FROM, AUDIBLE_FROM_DB = 0.45, -60.0

#: What an octave lower costs a candidate.
_OCTAVE_COST = 0.01

_FFT = 1024

#: A peak of exactly 1 would have an infinite ratio.
_HIGHEST_PEAK, _LOWEST_PEAK = 0.9999, 0.001

#: Below, sound is rounding.
_NOTHING = 1e-12


@functools.cache
def _window() -> tuple[np.ndarray, np.ndarray]:
    """A Hann window, and its autocorrelation divided by that at lag 0."""
    window = np.hanning(PITCH_WINDOW + 1)[:-1]
    spectrum = np.fft.rfft(window, 2 * _FFT)
    own = np.fft.irfft(np.abs(spectrum) ** 2)
    return window, own / own[0]


def pitch_of(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pitch, voicing and harmonics-to-noise ratio of frames.

    Args:
        frames: `(steps, PITCH_WINDOW)` samples.

    Returns:
        Pitch in Hz of the strongest candidate, the height of its peak from 0 to 1, and its ratio of harmonics to noise
        in dB, each `(steps,)`. The pitch is told of unvoiced frames, too; 0 and silence have no candidate.
    """
    window, own = _window()
    centred = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred * window, _FFT)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, : _FFT // 2]
    energy = correlation[:, :1]
    first, last = int(RATE_HZ / HIGHEST_HZ), int(np.ceil(RATE_HZ / LOWEST_HZ))
    lags = np.arange(first, last + 1)
    around = correlation[:, first - 1 : last + 2] / np.maximum(energy, _NOTHING) / own[first - 1 : last + 2]
    before, peak, after = around[:, :-2], around[:, 1:-1], around[:, 2:]
    is_peak = (peak > before) & (peak >= after) & (peak > 0)
    strength = np.where(is_peak, peak - _OCTAVE_COST * np.log2(LOWEST_HZ * lags / RATE_HZ), -np.inf)
    best = strength.argmax(axis=1)[:, None]
    left, top, right = (np.take_along_axis(each, best, axis=1)[:, 0] for each in (before, peak, after))
    # A parabola through the three highest points.
    bend = left - 2 * top + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0)
    height = np.where(bend < 0, top - 0.25 * (left - right) * shift, top)
    found = np.take_along_axis(is_peak, best, axis=1)[:, 0] & (energy[:, 0] > _NOTHING)
    height = np.where(found, np.clip(height, 0, 1), 0)
    ratio = np.clip(height, _LOWEST_PEAK, _HIGHEST_PEAK)
    pitch = np.where(found, RATE_HZ / (lags[best[:, 0]] + shift), 0)
    return pitch, height, 10 * np.log10(ratio / (1 - ratio))
