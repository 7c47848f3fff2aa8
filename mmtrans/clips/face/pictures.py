"""The pictures of a film, taken evenly whatever its rate, upright and with square pixels.

Runs in the limited child process, as the decoding of sound does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mmtrans.clips.packets import Decoded
from mmtrans.clips.sound.decode import MAX_SECONDS

#: A picture that is shown for longer stands for the face only so long.
LONGEST_STILL_SECONDS = 10.0

#: Later pictures than this, seen from the one before, have a broken time stamp.
_LONGEST_GAP_SECONDS = 3600.0

#: The longer side of what is measured; larger pictures are made smaller.
_LONGEST_SIDE = 1280

#: How long a picture is shown where nothing tells, and the last one at most.
_USUAL_SECONDS, _LAST_SECONDS = 1 / 25, 1.0


class Film(Decoded):
    """The pictures of a film of an opened file at even times.

    Args:
        container: the opened file.
        stream: its film.
        fps: how many pictures a second are taken.
    """

    def __init__(self, container: Any, stream: Any, fps: float) -> None:
        super().__init__(container, stream)
        self._fps = fps
        self.seconds = 0.0

    def steps(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """First step and last, without it, and the picture `(height, width, 3)` uint8 that is shown in them.

        Step `k` is what is shown in the middle of the time from `k / fps` to `(k + 1) / fps`; it is left out where
        nothing is.
        """
        shown, start, step = None, 0.0, 0
        for frame, time, length in self._timed():
            if shown is not None:
                last = self._step_at(min(time, start + LONGEST_STILL_SECONDS))
                if last > step:
                    yield step, last, self._upright(shown)
            step = max(self._step_at(time), step)
            shown, start = frame, time
            self.seconds = time + length
            if time > MAX_SECONDS:
                break
        if shown is not None and (last := max(self._step_at(self.seconds), 1)) > step:
            yield step, last, self._upright(shown)

    def _step_at(self, time: float) -> int:
        """The first step whose middle is not before a time."""
        return max(int(np.ceil(time * self._fps - 0.5)), 0)

    def _timed(self) -> Iterator[tuple[Any, float, float]]:
        """Pictures, when they come, seen from the begin of the file, and how long the last one is shown."""
        import av

        rate = self._stream.average_rate
        usual = float(1 / rate) if rate else _USUAL_SECONDS
        begin = (self._container.start_time or 0) / av.time_base
        before: float | None = None
        for frame in self._frames():
            told = None if frame.time is None else frame.time - begin
            if before is None:
                time, length = max(told or 0.0, 0.0), usual
            elif told is not None and 0 < told - before <= _LONGEST_GAP_SECONDS:
                time, length = told, max(usual, told - before)
            else:
                time, length = before + usual, usual
                self.broken_stamps += told is not None
                # Later pictures follow the stamps as they are by now.
                begin += 0 if told is None else told - time
            before = time
            # The last one is shown as long as the one before.
            yield frame, time, min(length, _LAST_SECONDS)

    def _upright(self, frame: Any) -> np.ndarray:
        ratio = self._stream.sample_aspect_ratio or 1
        width, height = frame.width * float(ratio if 0.1 < ratio < 10 else 1), float(frame.height)
        scale = min(_LONGEST_SIDE / max(width, height), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
        # The angle is told counter-clockwise.
        return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
