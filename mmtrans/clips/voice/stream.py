"""The columns of the voice of a sound that comes block by block: what is held does not grow with its length."""

from __future__ import annotations

import numpy as np

from mmtrans.clips.voice.columns import COLUMNS, HOP, NUM_MFCC
from mmtrans.clips.voice.pitch import AUDIBLE_FROM_DB, PITCH_WINDOW, VOICED_FROM, pitch_of
from mmtrans.clips.voice.spectrum import (
    SPECTRUM_WINDOW,
    crossings_of,
    energy_of,
    flux_of,
    mfcc_of,
    power_of,
    shape_of,
)

#: Samples of the longer window that lie before the 10 ms of a frame, and behind them.
_MARGIN = (PITCH_WINDOW - HOP) // 2

#: The shorter window lies in the middle of the longer one.
_SPECTRUM = slice((PITCH_WINDOW - SPECTRUM_WINDOW) // 2, (PITCH_WINDOW + SPECTRUM_WINDOW) // 2)

#: Frames on each side that the change of a coefficient is computed from.
_REACH = 2


class VoiceStream:
    """Measures 16 kHz sound; frame `k` stands for the 10 ms from `k` · 10 ms on, in the middle of its windows.

    Before its begin and behind its end the sound is taken for silent. What comes out does not depend on the blocks.
    """

    def __init__(self) -> None:
        self._samples = np.zeros(_MARGIN, np.float32)
        self._spectrum: np.ndarray | None = None
        # Frames whose changes are not computed yet, behind those that are needed before them.
        self._waiting = np.zeros((0, len(COLUMNS)), np.float32)
        self._before = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes the next samples `(n,)`, and gives the frames `(steps, 40)` that are whole by now."""
        self._samples = np.concatenate([self._samples, samples.astype(np.float32)])
        return self._ready(self._measure(), is_end=False)

    def finish(self) -> np.ndarray:
        """The last frames `(steps, 40)`; 10 ms that are not whole have none."""
        behind = np.zeros(_MARGIN, np.float32)
        self._samples = np.concatenate([self._samples, behind])
        return self._ready(self._measure(), is_end=True)

    def _measure(self) -> np.ndarray:
        """Frames of the samples that are held, without changes."""
        steps = max((len(self._samples) - PITCH_WINDOW) // HOP + 1, 0)
        if not steps:
            return self._waiting[:0]
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, PITCH_WINDOW)[: steps * HOP : HOP]
        frames = windows.astype(np.float64)
        self._samples = self._samples[steps * HOP :]
        short = frames[:, _SPECTRUM]
        power = power_of(short)
        previous = power[0] if self._spectrum is None else self._spectrum
        self._spectrum = power[-1]
        energy = energy_of(short)
        pitch, voicing, ratio = pitch_of(frames)
        is_voiced = (voicing >= VOICED_FROM) & (energy >= AUDIBLE_FROM_DB)
        measured = {
            "energy_db": energy,
            "f0_hz": np.where(is_voiced, pitch, 0),
            "voicing": voicing,
            "hnr_db": ratio,
            "zero_crossings_hz": crossings_of(short),
            "flux": flux_of(power, previous),
            **shape_of(power),
        }
        single = [measured[name] for name in COLUMNS if name in measured]
        mfcc = mfcc_of(power)
        return np.column_stack([*single, mfcc, np.zeros_like(mfcc)]).astype(np.float32)

    def _ready(self, measured: np.ndarray, *, is_end: bool) -> np.ndarray:
        """Those of the frames whose neighbours are known, with the changes of their coefficients."""
        held = np.concatenate([self._waiting, measured])
        end = len(held) if is_end else max(len(held) - _REACH, self._before)
        ready = held[self._before : end].copy()
        if len(ready):
            # At both ends of the sound the frame there stands for those that are not.
            mfcc = held[:, -2 * NUM_MFCC : -NUM_MFCC]
            places = np.arange(self._before, end)
            change = sum(
                reach * (mfcc[np.minimum(places + reach, len(held) - 1)] - mfcc[np.maximum(places - reach, 0)])
                for reach in range(1, _REACH + 1)
            )
            ready[:, -NUM_MFCC:] = change / (2 * sum(reach**2 for reach in range(1, _REACH + 1)))
        kept = max(end - _REACH, 0)
        self._waiting, self._before = held[kept:], end - kept
        return ready


def measure(samples: np.ndarray) -> np.ndarray:
    """The frames `(steps, 40)` of a whole sound `(samples,)`."""
    stream = VoiceStream()
    return np.concatenate([stream.push(samples), stream.finish()])
