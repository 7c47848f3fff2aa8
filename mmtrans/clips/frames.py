"""The frames that a recording is cut by: our columns of the voice, and behind them others that are wanted instead."""

from __future__ import annotations

import numpy as np

from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.voice.columns import COLUMNS, VOICE
from mmtrans.clips.voice.stream import VoiceStream


def frame_width(settings: ExtractSettings) -> int:
    """Columns of a frame."""
    return len(COLUMNS) + (0 if settings.audio is VOICE else len(settings.audio.units))


def audio_of(frames: np.ndarray, settings: ExtractSettings) -> np.ndarray:
    """Of frames `(steps, columns)` what audio is to have."""
    return frames[:, frames.shape[1] - len(settings.audio.units) :]


class FrameStream:
    """Measures the voice, and puts beside each frame what has been measured of it elsewhere.

    Args:
        settings: how clips are extracted.
    """

    def __init__(self, settings: ExtractSettings) -> None:
        self._voice = VoiceStream()
        self._ours = np.zeros((0, len(COLUMNS)), np.float32)
        self._others = np.zeros((0, frame_width(settings) - len(COLUMNS)), np.float32)

    def push(self, samples: np.ndarray, others: np.ndarray | None) -> np.ndarray:
        """Takes the next samples `(n,)` and other columns `(steps, columns)`, and gives the frames that have both."""
        return self._joined(self._voice.push(samples), others)

    def finish(self) -> np.ndarray:
        """The last frames; other columns that are still missing, as of a film without sound, are 0."""
        ours = self._voice.finish()
        missing = len(self._ours) + len(ours) - len(self._others)
        return self._joined(ours, np.zeros((max(missing, 0), self._others.shape[1]), np.float32))

    def _joined(self, ours: np.ndarray, others: np.ndarray | None) -> np.ndarray:
        if not self._others.shape[1]:
            return ours
        self._ours = np.concatenate([self._ours, ours])
        self._others = self._others if others is None else np.concatenate([self._others, others])
        count = min(len(self._ours), len(self._others))
        joined = np.concatenate([self._ours[:count], self._others[:count]], axis=1)
        self._ours, self._others = self._ours[count:], self._others[count:]
        return joined
