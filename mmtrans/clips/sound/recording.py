"""The sound of a recording as it comes from the child process that decodes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmtrans.clips.account import ClipAccount, Counted, Reason
from mmtrans.clips.sound.decode import decode_sound
from mmtrans.clips.sound.egemaps import EGEMAPS_ROWS, decode_with_egemaps
from mmtrans.clips.voice.columns import RATE_HZ
from mmtrans.sources.untrusted.parent import Limits, stream_isolated

#: A block of ten seconds takes milliseconds; what goes twice over a long file on a slow drive may take minutes.
LIMITS = Limits(memory_bytes=4 << 30, silent_seconds=300.0)

#: A recording that is so much shorter than its file says is cut off: a share of it, and seconds.
_CUT_SHARE, _CUT_SECONDS = 0.02, 0.5


class RecordingError(Exception):
    """A recording cannot be decoded, for a reason and with a detail."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.value.format(detail))
        self.reason, self.detail = reason, detail


class RecordedSound:
    """The sound of a recording, of one channel and 16 kHz.

    Args:
        path: the file.
        account: gets what was met while decoding.
        audio_features: `egemaps` where the child process is to measure these columns, too.
    """

    def __init__(self, path: Path, account: ClipAccount, audio_features: str = "voice") -> None:
        self._path, self._account = path, account
        self._with_egemaps = audio_features == "egemaps"
        self.known: Mapping[str, object] = {}
        self.seconds = 0.0

    def blocks(self) -> Iterator[np.ndarray]:
        """Samples `(n,)`, some ten seconds at a time.

        Raises:
            RecordingError: nothing can be decoded, or decoding fails.
        """
        return (samples for samples, _ in self.parts())

    def parts(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """The same, with the frames `(steps, 25)` of eGeMAPS that are whole by then; `None` where there are none.

        Raises:
            RecordingError: as of `blocks`.
        """
        is_loud = False
        decode = decode_with_egemaps if self._with_egemaps else decode_sound
        try:
            for value, arrays in stream_isolated(decode, self._path.absolute(), {"rate": RATE_HZ}, limits=LIMITS):
                if not isinstance(value, dict):
                    raise TypeError(f"a part of sound says {type(value).__name__}")
                if "failed" in value:
                    raise RecordingError(Reason[value["failed"]], value["detail"])
                if arrays:
                    samples = arrays.get("samples", np.zeros(0, np.float32))
                    is_loud = is_loud or bool(samples.any())
                    yield samples, arrays.get(EGEMAPS_ROWS)
                elif "seconds" in value:
                    self._end(value, is_loud)
                else:
                    self.known = value
        except (ValueError, OSError) as error:
            reason = Reason.NOT_MEASURED if self._with_egemaps else Reason.NOT_DECODED
            raise RecordingError(reason, " ".join(str(error).split())) from error

    def _end(self, met: Mapping[str, float], is_loud: bool) -> None:
        self.seconds = met["seconds"]
        if not self.seconds:
            raise RecordingError(Reason.NOTHING_DECODED)
        announced = self.known["announced_seconds"]
        count = self._account.count
        count(Counted.DEAD_CHANNELS, _number(self.known["dead_channels"]))
        count(Counted.SEVERAL_SOUNDS, _number(self.known["sounds"]) > 1)
        count(Counted.DAMAGED_PACKETS, met["damaged_packets"])
        count(Counted.BROKEN_STAMPS, met["broken_stamps"])
        count(Counted.FILLED_SECONDS, met["filled_seconds"])
        count(Counted.NOT_FINITE, met["not_finite"])
        count(Counted.TOO_LONG_TO_READ, met["is_longer"])
        count(Counted.SILENT, not is_loud)
        is_short = self.seconds < _number(announced) * (1 - _CUT_SHARE) - _CUT_SECONDS
        count(Counted.CUT_OFF, met["is_cut_off"] or (is_short and not met["is_longer"]))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
