"""The account of what was treated and what was left out: keys and counts. The words for people are here, and only here.

Records store the words, so that those of any version can be read by people: words that stand in manifests must not
change. Whoever computes something from them reads them back into keys (`treated_of`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from tfrecords.manifest import DroppedSegment

#: What is treated besides the modalities.
WORDS = "words"
LABELS = "labels"


class Cleaned(Enum):
    """What was treated; `{}` stands for a detail."""

    FRAMES_WITH_NAN = "frames with NaN"
    FRAMES_WITH_INFINITY = "frames with infinity"
    FRAMES_WITH_ROUNDED_NUMBERS = "frames with whole numbers beyond 16777216, rounded"
    WORDS_WITH_CLEANED_FRAMES = "words with cleaned frames"
    WORDS_WITHOUT_FRAMES = "words without frames set to 0"
    CELLS_WITHOUT_VALUE = "cells without a finite value set to 0"
    MEANS_NOT_FINITE = "cells whose mean is not finite set to 0"
    ROWS_BEYOND_SDK = "rows that the SDK would leave out"
    ENTRIES_OF_OTHER_COLUMNS = "entries with other columns than most, left out"
    SEGMENTS_WITHOUT = "segments without it"
    SEGMENTS_OF_ZEROS = "segments where it is all zero, taken as without it"
    SEGMENTS_OF_OTHER_COLUMNS = "segments with other columns than most, taken as without it"
    WORDS_WITHOUT_VECTOR = "words without a vector set to 0"
    DIFFERENT_WORDS_WITHOUT_VECTOR = "different words without a vector"
    WORDS_WITHOUT_PIECES = "words of which the encoder has no piece, set to 0"
    READ_IN_WINDOWS = "sentences longer than the encoder reads at once, read in overlapping parts"
    CUT_TO_ENCODER = "sentences longer than the encoder reads at once, cut"
    PIECES_LEFT_OUT = "further pieces of words, left out"
    WORDS_WITHOUT_GLOVE = "words without a vector in GloVe's columns, set to 0"
    DIFFERENT_WORDS_WITHOUT_GLOVE = "different words without a vector in GloVe's columns"
    PAUSES = "pauses (sp) removed"
    NOISES = "marks of noise (NW, {LG}, …) removed"
    MISSING = "missing (None or NaN) removed"
    NO_LENGTH = "of no length removed"
    NOT_UTF_8 = "not UTF-8, read as Windows-1252"
    NO_TRANSCRIPT = "segments without a transcript"
    NOT_FINITE = "not finite, kept without a label"
    ROUNDED = "beyond {}, where whole numbers are rounded"
    BEYOND_SCALE = "beyond {}, set to the nearer end"


class DropReason(Enum):
    """Why a segment was left out; `{}` stands for a detail."""

    DUPLICATE = "duplicate id, the first is kept"
    NO_FOLD = "its video is in no fold"
    LENGTHS_DISAGREE = "lengths disagree: {}"
    NO_STEPS = "no steps"
    NOTHING_SPOKEN = "no word of it is spoken"
    ALL_ZERO = "every modality is zero throughout"
    NO_FEATURES = "no features that are not zero"
    NO_USUAL_FEATURES = "no modality is other than zero, with the columns of most"
    NO_LENGTH = "its interval has no length"
    NO_WORD_INSIDE = "no word lies in its interval"
    NO_FRAME_INSIDE = "no frame lies in its interval"
    NO_FRAME_OF = "{} has no frame in its interval"
    NO_ROWS_IN = "{} has no rows for its video"


class Treated(NamedTuple):
    """A key of the account: what was treated, and in which modality, or in `WORDS` or `LABELS`."""

    of: str
    what: Cleaned
    detail: str = ""

    @property
    def words(self) -> str:
        return f"{self.of}: {self.what.value.replace('{}', self.detail)}"


class Left(NamedTuple):
    """A segment that was left out, and why."""

    id: str
    reason: DropReason
    detail: str = ""

    @property
    def words(self) -> DroppedSegment:
        return DroppedSegment(self.id, self.reason.value.replace("{}", self.detail))


_PATTERNS = {what: re.compile(re.escape(what.value).replace(re.escape("{}"), "(.*)")) for what in Cleaned}


def treated_of(words: str) -> Treated | None:
    """The key that `Treated.words` gave these words, or `None` for those of another version."""
    of, _, rest = words.partition(": ")
    for what, pattern in _PATTERNS.items():
        match = pattern.fullmatch(rest)
        if match:
            return Treated(of, what, *match.groups())
    return None


@dataclass
class Account:
    """What was treated, and how often; and every segment that was left out."""

    treated: Counter[Treated] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)

    def count(self, what: Cleaned, of: str, number: int = 1, *, detail: str = "") -> None:
        """Adds to a count; nothing where `number` is 0.

        Args:
            what: the kind of treatment.
            of: the modality, `WORDS` or `LABELS`.
            number: number of times that it happened.
            detail: text that the sentence about this treatment has a place for.
        """
        if number:
            self.treated[Treated(of, what, detail)] += number

    def count_all(self, of: str, counts: Mapping[Cleaned, int]) -> None:
        """Adds counts of one modality."""
        for what, number in counts.items():
            self.count(what, of, number)

    def drop(self, id: str, reason: DropReason, detail: str = "") -> None:
        """Notes a segment that is left out."""
        self.left.append(Left(id, reason, detail))

    def add(self, other: Account) -> None:
        """Adds another account to this one."""
        self.treated.update(other.treated)
        self.left.extend(other.left)

    def clear(self) -> None:
        """Forgets everything, before a new reading."""
        self.treated.clear()
        self.left.clear()

    def cleaning(self) -> Counter[str]:
        """The counts by words, sorted."""
        return Counter({key.words: self.treated[key] for key in sorted(self.treated, key=lambda key: key.words)})

    def dropped(self) -> tuple[DroppedSegment, ...]:
        """The segments that were left out, with the reasons in words."""
        return tuple(left.words for left in self.left)
