"""The face of a recording as it comes from the child process that watches it: held in a file, read step by step."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from mmtrans.clips.account import ClipAccount, Counted
from mmtrans.clips.face.columns import SHAPE, measured_columns
from mmtrans.clips.face.tracking import longest_gap
from mmtrans.clips.face.watch import watch_face
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.sound.recording import LIMITS
from mmtrans.sources.untrusted.parent import stream_isolated
from mmtrans.system import interrupts


class RecordedFace:
    """The face of the main speaker of a recording, step by step.

    Step `k` stands for the time from `k / fps` to `(k + 1) / fps`. What is held does not grow with the recording.

    Args:
        path: the file.
        settings: how clips are extracted; they ask for faces.
        account: gets what was met.
    """

    def __init__(self, path: Path, settings: ExtractSettings, account: ClipAccount) -> None:
        self._path, self._account = path, account
        self.fps, self._expressions = settings.face_fps, settings.expressions
        self._width = 1 + len(measured_columns(expressions=self._expressions))
        self._longest_gap = longest_gap(self.fps)
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self.known: Mapping[str, object] = {}
        self.seconds = 0.0
        self.steps = 0

    def __enter__(self) -> RecordedFace:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def watch(self) -> None:
        """Measures all pictures; there are no steps where the recording has none, or where decoding fails."""
        options = {"fps": self.fps, "expressions": self._expressions}
        numbers: list[np.ndarray] = []
        try:
            for value, arrays in stream_isolated(watch_face, self._path.absolute(), options, limits=LIMITS):
                interrupts.raise_held_back()
                if not isinstance(value, dict):
                    raise TypeError(f"a part of a face says {type(value).__name__}")
                if "failed" in value:
                    self._account.count(Counted.WITHOUT_PICTURE, value["failed"] == "NO_PICTURE")
                elif "rows" in arrays:
                    self._file.write(np.ascontiguousarray(arrays["rows"], np.float32).tobytes())
                    numbers.append(arrays["rows"][:, 0].copy())
                elif "seconds" in value:
                    self.seconds = value["seconds"]
                    self._count(value, np.concatenate(numbers or [np.zeros(0, np.float32)]))
                else:
                    self.known = value
        except ValueError:
            self._account.count(Counted.FILM_FAILED)

    def _count(self, met: Mapping[str, float], numbers: np.ndarray) -> None:
        self.steps = len(numbers)
        seen = np.flatnonzero(~np.isnan(numbers))
        gaps = np.diff(seen) - 1
        is_same = np.diff(numbers[seen]) == 0
        bridged = int(gaps[is_same & (gaps <= self._longest_gap)].sum())
        count = self._account.count
        count(Counted.PICTURES, self.steps)
        count(Counted.FACES_BRIDGED, bridged)
        count(Counted.FACES_MISSING, self.steps - len(seen) - bridged)
        count(Counted.OTHER_FACES, int((~is_same).sum()))
        count(Counted.SEVERAL_FACES, met["several"])
        count(Counted.DAMAGED_PICTURES, met["damaged_packets"])
        count(Counted.BROKEN_PICTURE_STAMPS, met["broken_stamps"])
        count(Counted.FILM_CUT_OFF, met["is_cut_off"])

    def between(self, start: float, end: float) -> tuple[np.ndarray, int]:
        """The steps whose middle lies between two times in seconds, but at least that in which their middle lies.

        Returns:
            `(steps, columns)` float32 with NaN where no face is, and the number of the first step.
        """
        first, last = (int(np.ceil(time * self.fps - 0.5)) for time in (start, end))
        if first >= last:
            first = int((start + end) / 2 * self.fps)
            last = first + 1
        margin = self._longest_gap + 1
        begin = max(first - margin, 0)
        rows = bridged(self._read(begin, last + margin), self._longest_gap)
        whole = np.concatenate([rows[:, 1:], _changes(rows, self.fps)], axis=1)[first - begin : last - begin]
        return whole.astype(np.float32), first

    def _read(self, first: int, last: int) -> np.ndarray:
        """Steps of the file; NaN where it ends before."""
        rows = np.full((last - first, self._width), np.nan, np.float32)
        size = self._width * rows.itemsize
        self._file.seek(first * size)
        data = self._file.read(len(rows) * size)
        rows[: len(data) // size] = np.frombuffer(data, np.float32).reshape(-1, self._width)
        return rows


def bridged(rows: np.ndarray, longest: int) -> np.ndarray:
    """Rows `(steps, 1 + columns)` whose gaps of up to `longest` steps are filled between those of one face.

    The first column tells the face's number.
    """
    filled = rows.copy()
    seen = np.flatnonzero(~np.isnan(rows[:, 0]))
    for place in np.flatnonzero(np.diff(seen) > 1):
        before, after = seen[place], seen[place + 1]
        missing = after - before - 1
        if missing <= longest and rows[before, 0] == rows[after, 0]:
            share = np.arange(1, missing + 1)[:, None] / (missing + 1)
            filled[before + 1 : after] = rows[before] + share * (rows[after] - rows[before])
    return filled


def _changes(rows: np.ndarray, fps: float) -> np.ndarray:
    """The change of the shape a second: the mean of those from the step before and to the step behind, of one face."""
    shape = rows[:, 1 : 1 + len(SHAPE)]
    is_same = (rows[1:, 0] == rows[:-1, 0])[:, None]
    steps = np.where(is_same, np.diff(shape, axis=0), 0)
    total = np.zeros_like(shape)
    total[1:] += steps
    total[:-1] += steps
    count = np.zeros((len(rows), 1))
    count[1:] += is_same
    count[:-1] += is_same
    return np.where(count > 0, total * fps / np.maximum(count, 1), np.nan)
