"""The account of what was treated, left out and noted: keys, with counts or details. The words are here, and only here.

Records store the words, so that those of any version can be read by people: words that stand in manifests must not
change. Whoever computes something from them reads them back into keys (`treated_of`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    WINDOWS_WITH_CLEANED_FRAMES = "windows with cleaned frames"
    WINDOWS_WITHOUT_FRAMES = "windows without frames set to 0"
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


#: The remedy where a scale is not that of the labels.
STATE_SCALE = "State another with --label-range LOW,HIGH[,NEUTRAL]."

#: The detail `within` of names that begin anew in each split.
WITHIN_ITS_SPLIT = " within its split, since splits share them"

_TAKEN = "{label} is taken from {low:g} to {high:g}, with neutral point {neutral:g}. " + STATE_SCALE
_BY_SEGMENT = "so intervals by video are intervals by segment."
_VIDEO_EACH = "each counts as a video of its own{within}, in records {record}[0], " + _BY_SEGMENT
_SHARED_IDS = "Most ids of a split (like {example!r}) stand in another one too, "


class Noted(Enum):
    """What is noted of a source or of records as a whole; `{name}` stands for a detail."""

    # The files and what is in them.
    PHONES_ASIDE = "{file} is left aside: phones are not used."
    UNKNOWN_COLUMNS_ASIDE = "{file} is left aside: nothing tells what its {columns} columns are."
    NAMELESS_PART_ASIDE = "{file} is left aside: its name does not tell its part and split, as text_train_emb does."
    LABELS_ALONE_ASIDE = "{file} is left aside: {split} has labels and no features."
    LINKS_ASIDE = "Links to nothing, or to a folder above, are left aside: {count} ({listed})."
    NAMELESS_MODALITY = "{file} is not used: its name tells no modality, as text.npz, audio.npz, video.npz do."
    PARTS_NOT_USED = "Parts of the file that are not used: {parts}."
    COLUMNS_NOT_USED = "Columns of {file} that are not used: {columns}."
    ARRAYS_NOT_USED = "Arrays of segments/*.npz that are not used: {arrays}."
    ARRAYS_OF_NO_SEGMENT = "{count} arrays belong to no segment of the table and are not used."
    FILES_OF_NO_SEGMENT = "{count} files of segments/*.npz belong to no segment of the table and are not used."
    # Text and words.
    TOKENS_AS_TEXT = "{text} holds the numbers of tokens, and no vectors: no text modality."
    SEQUENCE_REPLACED = "{file} is left aside: the words get their vectors from {vectors}."
    TEXT_REPLACED = "The text of {file} is left aside: the words get their vectors from {vectors}."
    VECTORS_NOT_TAKEN = "{vectors} is not used: the {format} format {reason}."
    VECTORS_WITHOUT_SEQUENCE = "{vectors} is not used: there is no sequence of words."
    VECTORS_WITHOUT_WORDS = "The files hold no actual words: --glove was not used."
    VECTORS_NOT_COMPARED = "{vectors} cannot be compared with the file of training: the model does not tell it."
    SOME_WITHOUT_VECTOR = "{count} of {words} words ({share:.2%}) have no vector in {file} and are zeros."
    TRANSCRIPTS_NOT_ALIGNED = "raw_text gives no words: the steps of the features are not its words."
    # Steps and times.
    PADDED_ON_SEVERAL_SIDES = "{split}: the padding is on different sides ({sides}); the real ends are laid together."
    OTHER_LENGTHS = (
        "{split}: {count} of {segments} stored lengths of {modality} differ from the real ones (its padding: {side}), "
        "which are used."
    )
    UNALIGNED = "{modality} is unaligned: {count} segments have other numbers of steps than words."
    LABEL_TIMES = (
        "The label times do not fit the words: after {going_on:.0%} of the segments' ends speech goes on, and "
        "{cut_share:.0%} of their edges cut through a word; moved by {shift_seconds:+.2f} s it would go on after "
        "{shifted_going_on:.0%}. Convert with --label-shift {shift_seconds:+.2f} if the words' times are right."
    )
    # Labels and their scale.
    VIDEOS_WITHOUT_LABELS = "Videos without labels, which are left out: {count} ({listed})."
    LABELS_OF_OTHER_COLUMNS = "{file}: entries with other columns than most, left out: {count} ({example}, …)."
    LABELS_TAKEN_FOR_MOSEI = (
        "The {columns} label columns have no names and are taken for MOSEI's: column {column} is read as {label}. "
        "Choose another with --label N, and its scale with --label-range LOW,HIGH[,NEUTRAL]."
    )
    SCALE_GIVES_WAY = (
        "The label's scale in the source, {low:g} to {high:g} with neutral point {neutral:g}, gives way to the stated "
        "one."
    )
    SCALE_UNKNOWN = f"The labels are on no scale that is known: {_TAKEN}"
    SCALE_OF_ONE_VALUE = f"All labels are {{value:g}}: {_TAKEN}"
    SCALE_WITHOUT_LABELS = f"Train and valid have no labels: {_TAKEN}"
    SCALE_OF_UNIT = f"All labels lie within -1 and 1: {_TAKEN}"
    SCALE_BEYOND_MOSI = f"Many labels lie beyond -3 and 3: {_TAKEN}"
    BEYOND_STATED_SCALE = (
        "{count} of {labels} labels lie beyond the stated {low:g} to {high:g}: they range from {least:g} to {most:g}."
    )
    # Ids and folds.
    NO_IDS = f"There are no segment ids: every segment counts as a video of its own, {_BY_SEGMENT}"
    SOME_WITHOUT_ID = "Segments without an id, each a video of its own: {count} ({listed})."
    RANKED_IN_TIME = "The ids have no index: it is the rank in time within the video."
    COUNTED_FROM_0 = (
        "The ids (like {example!r}) count from 0 in a style that counts from 1 elsewhere: they are read from 0."
    )
    REPEATED_IDS = "The ids (like {example!r}) repeat: each is a video, and the index is the place within it."
    SHARED_IDS = f"{_SHARED_IDS}and no other labels tell them apart: the first of each is kept."
    SHARED_IDS_APART = f"{_SHARED_IDS}with other labels: each video counts within its split, like {{video!r}}."
    IDS_OF_NO_STYLE = f"The ids (like {{examples}}) are of no known style: {_VIDEO_EACH}"
    IDS_OF_SEVERAL_SPLITS = f"The ids (like {{examples}}) stand in several splits: {_VIDEO_EACH}"
    IDS_OF_ONE_NUMBER = (
        f"The ids (like {{examples}}) would be fewer segments than ids, as 01 and 1 are one number: {_VIDEO_EACH}"
    )
    IDS_OF_A_SHARED_VIDEO = (
        f"The ids (like {{examples}}) would make {{video!r}} one video in several splits: {_VIDEO_EACH}"
    )
    IDS_OF_ONE_VIDEO = f"The ids (like {{examples}}) would all be of one video, {{video!r}}: {_VIDEO_EACH}"
    SOME_WITHOUT_SPLIT = "Not every segment has a split: folds are taken from elsewhere."
    NAMELESS_FOLDS = "The name of no file says its fold: folds are taken from elsewhere."
    SPLITS_WOULD_LEAK = (
        "{count} of {videos} videos have segments in several splits ({listed}): the file's splits would leak, and "
        "folds are taken from elsewhere. Name folds of videos with --folds FILE."
    )
    # The records.
    VIDEOS_IN_NO_FOLD = "Videos in no fold ({origin}), which are left out: {count} ({listed})."
    NO_LABELS = "No segment has a label: only translations can be trained on these records."
    NO_VECTORS = "The words have no vectors, so that there is no text modality. Recipes cannot read T."
    NO_VECTORS_YET = (
        "The words have no vectors, so that there is no text modality. Give word vectors with --glove FILE."
    )
    ABSENT = "No segment has {lacking}."
    ABSENT_FROM_SPLIT = "No segment of {split} has {lacking}."
    CONSTANT_COLUMNS = "{modality}: columns that are constant in train: {count} of {columns} ({listed})."


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


@dataclass(frozen=True)
class Note:
    """What is noted of a source or of records as a whole, and the details that its sentence has places for."""

    what: Noted
    details: Mapping[str, str | float]

    @property
    def words(self) -> str:
        return self.what.value.format_map(self.details)


def note(what: Noted, **details: str | float) -> Note:
    """A note, with the details by the names that the sentence has for them."""
    return Note(what, details)


def list_some(names: Sequence[object], most: int = 3) -> str:
    """The first of several names in one detail, and a mark where there are more."""
    return ", ".join(map(str, names[:most])) + (", …" if len(names) > most else "")


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
    """What was treated, and how often; and every segment that was left out.

    `different` has the names of which each is counted once, wherever it occurs, with their numbers in `treated`.
    """

    treated: Counter[Treated] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)
    different: dict[Treated, set[str]] = field(default_factory=dict)

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

    def count_different(self, what: Cleaned, of: str, names: Iterable[str]) -> None:
        """Adds to a count those of the names that were not counted there before."""
        self._add_different(Treated(of, what), names)

    def _add_different(self, key: Treated, names: Iterable[str]) -> None:
        known = self.different.setdefault(key, set())
        known.update(names)
        if known:
            self.treated[key] = len(known)

    def drop(self, id: str, reason: DropReason, detail: str = "") -> None:
        """Notes a segment that is left out."""
        self.left.append(Left(id, reason, detail))

    def add(self, other: Account) -> None:
        """Adds another account to this one."""
        self.treated.update({key: count for key, count in other.treated.items() if key not in other.different})
        self.left.extend(other.left)
        for key, names in other.different.items():
            self._add_different(key, names)

    def clear(self) -> None:
        """Forgets everything, before a new reading."""
        self.treated.clear()
        self.left.clear()
        self.different.clear()

    def cleaning(self) -> Counter[str]:
        """The counts by words, sorted."""
        return Counter({key.words: self.treated[key] for key in sorted(self.treated, key=lambda key: key.words)})

    def dropped(self) -> tuple[DroppedSegment, ...]:
        """The segments that were left out, with the reasons in words."""
        return tuple(left.words for left in self.left)
