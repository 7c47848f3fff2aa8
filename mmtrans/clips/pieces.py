"""From blocks of sound to the pieces that become segments: cut, and with their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mmtrans.clips.account import ClipAccount, Counted, Reason
from mmtrans.clips.cutting import first_cut, within
from mmtrans.clips.frames import frame_width
from mmtrans.clips.listing import Wanted
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.voice.columns import ENERGY, FRAME_SECONDS, HOP
from mmtrans.clips.words import align
from mmtrans.clips.words.recognise import recognise
from mmtrans.clips.words.timed import TimedWord, moved

#: What stays one segment may be so long.
MAX_WHOLE_SECONDS = 600.0


@dataclass(frozen=True)
class Piece:
    """What becomes one segment.

    Attributes:
        wanted: what it is a piece of.
        first: its first frame in the recording.
        frames: `(steps, columns)`, of which the first 40 are those of the voice.
        words: its words, with times in the recording.
    """

    wanted: Wanted
    first: int
    frames: np.ndarray
    words: list[TimedWord]


class Span:
    """A part of a recording that is wanted: it takes frames as they come, and gives pieces once they are complete.

    Args:
        wanted: what is wanted.
        words: words of the recording with their times, or `None` where they are not known.
        transcript: what is said in it, to be aligned, where there are no words with times.
        settings: how clips are extracted.
        account: gets what is left out and counted.
    """

    def __init__(
        self,
        wanted: Wanted,
        words: Sequence[TimedWord] | None,
        transcript: str | None,
        settings: ExtractSettings,
        account: ClipAccount,
    ) -> None:
        self._wanted, self._account = wanted, account
        self._words, self._transcript = words or [], transcript
        self._asr_model = settings.asr_model if words is None and transcript is None else ""
        self._longest = round(settings.segment_seconds / FRAME_SECONDS)
        self._first = round(wanted.start / FRAME_SECONDS)
        self._end = None if wanted.end is None else max(round(wanted.end / FRAME_SECONDS), self._first + 1)
        self._frames = np.zeros((0, frame_width(settings)), np.float32)
        self._samples: list[np.ndarray] = []
        self._num_samples = 0
        self._is_cut = False
        self.is_done = False

    @property
    def _limit_seconds(self) -> float | None:
        """How long it may be where it is not cut as it comes."""
        if self._transcript is not None:
            return align.MAX_SECONDS
        return MAX_WHOLE_SECONDS if self._wanted.is_whole else None

    def take_samples(self, samples: np.ndarray, first: int) -> None:
        """Takes samples of the recording from number `first` on; they are held where words are found in them."""
        if (self._transcript is None and not self._asr_model) or self.is_done:
            return
        start = max(self._first * HOP - first, 0)
        end = len(samples) if self._end is None else max(self._end * HOP - first, 0)
        if len(held := samples[start:end]):
            self._samples.append(held)
            self._num_samples += len(held)

    def take(self, frames: np.ndarray, first: int) -> Iterator[Piece]:
        """Takes frames of the recording from number `first` on, and gives the pieces that are complete."""
        if self.is_done:
            return
        start = max(self._first + len(self._frames) - first, 0)
        end = len(frames) if self._end is None else max(self._end - first, 0)
        self._frames = np.concatenate([self._frames, frames[start:end]])
        limit = self._limit_seconds
        if limit is not None and len(self._frames) * FRAME_SECONDS > limit + FRAME_SECONDS:
            self._leave(Reason.TOO_LONG, f"{limit:g}")
        elif self._end is not None and first + len(frames) >= self._end:
            yield from self.finish()
        elif limit is None:
            yield from self._cut()

    def finish(self) -> Iterator[Piece]:
        """The last pieces, once no more frames come."""
        if self.is_done:
            return
        if not len(self._frames):
            self._leave(Reason.BEYOND_END if self._first else Reason.TOO_SHORT)
            return
        if self._transcript is not None:
            self._words = self._aligned(self._transcript)
        if not self._wanted.is_whole:
            yield from self._cut()
        yield self._piece(len(self._frames))
        self._account.count(Counted.CUT, self._is_cut)
        self.is_done, self._samples = True, []

    def _cut(self) -> Iterator[Piece]:
        while len(self._frames) > self._longest:
            offset = self._first * FRAME_SECONDS
            last = self._first + self._longest
            near = [word for word in self._words if word.end > offset and word.start < last * FRAME_SECONDS]
            shifted = [moved(word, -offset) for word in near]
            self._is_cut = True
            yield self._piece(first_cut(self._frames[:, ENERGY], self._longest, shifted))

    def _piece(self, count: int) -> Piece:
        first, last = self._first, self._first + count
        frames = self._frames[:count].copy()
        words = self._recognised(frames) if self._asr_model else within(self._words, first, last)
        piece = Piece(self._wanted, first, frames, words)
        self._frames, self._first = self._frames[count:], last
        return piece

    def _aligned(self, transcript: str) -> list[TimedWord]:
        """The words of the transcript with times in the recording."""
        samples = np.concatenate(self._samples)
        found = align.align(transcript, samples)
        self._account.count(Counted.UNKNOWN, found.unknown)
        self._account.count(Counted.NOT_ALIGNED, bool(found.words) and not found.is_aligned)
        offset = self._first * FRAME_SECONDS
        return [moved(word, offset) for word in found.words]

    def _recognised(self, frames: np.ndarray) -> list[TimedWord]:
        """The words of the first of the frames that are held, with times in the recording; their samples go."""
        samples, count = np.concatenate(self._samples), len(frames) * HOP
        self._samples = [samples[count:]]
        offset = self._first * FRAME_SECONDS
        return [moved(word, offset) for word in recognise(self._asr_model, samples[:count], frames)]

    def _leave(self, reason: Reason, detail: str = "") -> None:
        wanted = self._wanted
        id = wanted.video_id if wanted.index is None else f"{wanted.video_id}[{wanted.index}]"
        self._account.leave(f"{id}, from {wanted.start:g} s", reason, detail)
        self.is_done, self._samples = True, []
        self._frames = self._frames[:0]
