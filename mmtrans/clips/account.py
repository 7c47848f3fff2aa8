"""What became of clips: why some were left out, and what was counted on the way. The words are here, and only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypedDict


class Reason(Enum):
    """Why a clip or a segment was left out; `{}` stands for a detail."""

    MISSING = "its file is missing"
    NO_FILE = "it is no regular file"
    NOT_MEDIA = "FFmpeg cannot open it: {}"
    NO_SOUND = "it has no sound"
    NOT_DECODED = "decoding it failed: {}"
    NOT_MEASURED = "measuring it failed: {}"
    NOTHING_DECODED = "nothing of its sound can be decoded"
    TOO_SHORT = "it has less than 10 ms of sound"
    END_BEFORE_START = "it ends before it begins"
    BEYOND_END = "it begins after the end of the recording"
    TOO_LONG = "it is longer than one segment may be, {} s"
    NOTHING_MEASURED = "it has neither sound nor a face"
    NO_WORDS = "no word is spoken in it"
    BAD_WORDS = "its words cannot be read: {}"
    ID_TAKEN = "another has its id"
    BAD_NAME = "its id is too long, or holds what no text has"


class Counted(Enum):
    """What was counted."""

    GIVEN = "words with times that were given"
    ALIGNED = "words aligned to the sound"
    RECOGNISED = "words recognised"
    SPREAD = "words spread evenly, as nothing tells their times"
    UNKNOWN = "words that the aligner's dictionary lacks"
    NOT_ALIGNED = "transcripts that do not fit their sound"
    WITHOUT_WORDS = "recordings without words"
    TRANSCRIPT_ASIDE = "transcripts left aside, as words with times lie beside the recording"
    WORDS_OUTSIDE = "words outside of every segment"
    DEAD_CHANNELS = "dead channels left out"
    SEVERAL_SOUNDS = "recordings of several sound tracks, of which the first is read"
    DAMAGED_PACKETS = "damaged packets passed over"
    BROKEN_STAMPS = "broken time stamps passed over"
    FILLED_SECONDS = "seconds of gaps filled with silence"
    NOT_FINITE = "samples that are no number, set to 0"
    CUT_OFF = "recordings that end before they should"
    TOO_LONG_TO_READ = "recordings read for their first 12 hours"
    SILENT = "recordings of silence"
    CUT = "recordings cut at pauses"
    WITHOUT_SOUND = "recordings without sound, of which the picture alone is measured"
    WITHOUT_PICTURE = "recordings without a picture"
    FILM_AS_SOUND = "recordings with a picture that is left aside, as their ending is that of sound"
    FILM_FAILED = "recordings whose picture cannot be decoded"
    PICTURES = "pictures measured"
    FACES_MISSING = "of them without a face"
    FACES_BRIDGED = "of them in gaps of at most half a second, which are bridged"
    SEVERAL_FACES = "of them with several faces, of which one is followed"
    OTHER_FACES = "times that another face is followed"
    WITHOUT_FACE = "segments without a face"
    DAMAGED_PICTURES = "damaged packets of pictures passed over"
    BROKEN_PICTURE_STAMPS = "broken time stamps of pictures passed over"
    FILM_CUT_OFF = "recordings whose picture ends before it should"


class LeftOut(TypedDict):
    """A clip or a segment that was left out."""

    clip: str
    reason: str


@dataclass
class ClipAccount:
    """What was left out and counted.

    Attributes:
        left: `(clip, reason, detail)`, in their order.
        counts: how often.
    """

    left: list[tuple[str, Reason, str]] = field(default_factory=list)
    counts: Counter[Counted] = field(default_factory=Counter)

    def leave(self, clip: str, reason: Reason, detail: str = "") -> None:
        """Notes what was left out."""
        self.left.append((clip, reason, detail))

    def count(self, what: Counted, number: float = 1) -> None:
        """Counts; nothing where the number is 0."""
        if number:
            self.counts[what] += number  # pyright: ignore[reportArgumentType] - seconds are fractions

    def left_out(self) -> list[LeftOut]:
        """What was left out, in words."""
        return [LeftOut(clip=clip, reason=reason.value.format(detail)) for clip, reason, detail in self.left]

    def in_words(self) -> dict[str, float]:
        """What was counted, in words."""
        return {what.value: round(self.counts[what], 3) for what in Counted if self.counts[what]}


def add_counts(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Counts in words of several recordings as those of all."""
    known = [what.value for what in Counted]
    return {name: total for name in known if (total := round(sum(part.get(name, 0) for part in parts), 3))}
