"""eGeMAPS by opensmile, in the child process that decodes: beside TensorFlow, in one process, opensmile aborts."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from mmtrans.clips.sound.decode import Part, decode_sound
from mmtrans.clips.voice.columns import EGEMAPS, HOP, RATE_HZ

#: Name of the array of frames in a part.
EGEMAPS_ROWS = "egemaps"

#: Frames that are measured at a time, and those on each side that they are measured with: 10 s and 1 s.
BLOCK, OVERLAP = 1000, 100

#: Silence behind the end: the last frame has a whole window of 60 ms, and neighbours to be smoothed with.
_BEHIND = 10 * HOP

#: Of the sixteen bits that opensmile makes of samples; larger ones would turn over.
_LARGEST = 1 - 2**-15


class EgemapsStream:
    """Measures 16 kHz sound by blocks; the windows of frame `k` begin at `k` · 10 ms, as opensmile has it.

    What comes out does not depend on how the sound is given.

    Raises:
        ValueError: opensmile cannot be loaded, or has other columns.
    """

    def __init__(self) -> None:
        self._smile = _smile()
        self._samples = np.zeros(0, np.float32)
        # Frames that are held only for those behind them.
        self._before = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Takes the next samples `(n,)`, and gives the frames `(steps, 25)` of the blocks that are whole by now."""
        self._samples = np.concatenate([self._samples, samples])
        ready = [self._none()]
        while len(self._samples) >= ((end := self._before + BLOCK) + OVERLAP) * HOP:
            ready.append(self._measure(self._samples[: (end + OVERLAP) * HOP], end))
            self._samples = self._samples[(end - OVERLAP) * HOP :]
            self._before = OVERLAP
        return np.concatenate(ready)

    def finish(self) -> np.ndarray:
        """The last frames `(steps, 25)`; 10 ms that are not whole have none."""
        end = len(self._samples) // HOP
        if end <= self._before:
            return self._none()
        return self._measure(np.concatenate([self._samples, np.zeros(_BEHIND, np.float32)]), end)

    def _measure(self, samples: np.ndarray, end: int) -> np.ndarray:
        """The frames of samples up to number `end`, without those that are held only for them."""
        rows = self._smile.process_signal(np.clip(samples, -1, _LARGEST), RATE_HZ).to_numpy()
        if len(rows) < end:
            raise ValueError(f"opensmile gives {len(rows)} steps of {len(samples) / RATE_HZ:g} s")
        return np.ascontiguousarray(rows[self._before : end], np.float32)

    def _none(self) -> np.ndarray:
        return np.zeros((0, len(EGEMAPS.units)), np.float32)


def decode_with_egemaps(path: str, *, rate: int) -> Iterator[Part]:
    """What `decode_sound` yields, with `egemaps` `(steps, 25)` in the parts in which there are such frames.

    Args:
        path: the file.
        rate: samples a second of what comes out.
    """
    stream = EgemapsStream()
    for value, arrays in decode_sound(path, rate=rate):
        rows = stream.finish() if "seconds" in value else stream.push(arrays.get("samples", np.zeros(0, np.float32)))
        measured = {EGEMAPS_ROWS: rows} if len(rows) else {}
        if "samples" in arrays:
            yield value, {**arrays, **measured}
            continue
        if measured:
            yield {}, measured
        yield value, arrays


def _smile() -> Any:
    """Opensmile, set to the columns."""
    try:
        # No package of ours brings it.
        opensmile = importlib.import_module("opensmile")
    except ImportError as error:
        raise ValueError(f"opensmile cannot be loaded: {error}") from error
    level = opensmile.FeatureLevel.LowLevelDescriptors
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=level)
    if list(smile.feature_names) != list(EGEMAPS.units):
        raise ValueError(
            f"This opensmile measures other columns. Expected {', '.join(EGEMAPS.units)}. "
            f"Received: {', '.join(smile.feature_names)}. Install opensmile 2.6."
        )
    return smile
