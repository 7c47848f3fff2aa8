"""The label of a source: its column, its scale, and what of its values can be stored.

One rule tells the scale, whatever the reader. What the user states (`--label-range`) decides, or else what the source
states. Otherwise labels of train and valid are looked at, never those of test:

- A sentiment with both signs is on MOSI's scale, -3 to 3 with neutral point 0. MMSA's files hold SIMS's too: theirs are
  on -1 to 1 where all of at least 50 labels lie within it. If too many labels for outliers lie beyond MOSI's scale, it
  is the symmetric one that holds all of them.
- A sentiment without labels, or whose labels are all one value within -3 and 3, is on MOSI's scale.
- Any other label is on the range that it has. A label of one value has a unit to either side of it.

The neutral point of such a range is its middle. What lies beyond a scale is set to its end when records are written,
and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmtrans.sources.account import LABELS, STATE_SCALE, Account, Cleaned, Note, Noted, note
from mmtrans.sources.cleaning import MAX_WHOLE_NUMBER
from mmtrans.sources.numerals import parse_number
from tfrecords.schema import LabelScale

#: The columns of MOSEI's label file, which does not always name them.
MOSEI_LABELS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")

#: In place of a label's name, which cannot be this: whichever, where no label is read.
ANY_LABEL = "\0"

MOSI_SCALE = LabelScale("sentiment", -3.0, 3.0, 0.0)

#: Fewer labels than this within [-1, 1] may be chance.
MIN_UNIT_LABELS = 50

#: Labels beyond a scale are outliers if they are no more than so many, or no larger a share.
MAX_OUTLIERS = 4
MAX_OUTLIER_SHARE = 0.2


@dataclass(frozen=True)
class Labels:
    """What a source's labels are, known before its features are read.

    Attributes:
        name: name of the label.
        values: video id → labels of the video that can be stored.
        is_sentiment: whether the label is a sentiment; the unimodal labels of MMSA are, by other names.
        may_be_unit: whether the format's files hold sentiments from -1 to 1 (SIMS) as well as MOSI's.
        stated: the scale that the user or the source states, or `None`.
    """

    name: str = "sentiment"
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    is_sentiment: bool = True
    may_be_unit: bool = False
    stated: LabelScale | None = None


def choose_label(
    names: Sequence[str], dim: int, label: str | int | None, path: Path, notes: list[Note]
) -> tuple[int, str]:
    """Chooses the label column.

    As many columns as MOSEI's that the file does not name are taken for these, which is noted.

    Args:
        names: the columns' names, or none where the file does not tell.
        dim: number of columns.
        label: name or 0-based index (a number in digits too), or `None` for the only column, or the sentiment of as
            many as MOSEI's; or `ANY_LABEL`.
        path: the file, for messages.
        notes: gets what is noted.

    Returns:
        Index and name; the name is `sentiment` for the only column of a file without names and for any column whose
        name contains the word, as in the official files ("sentiment score").

    Raises:
        ValueError: no such column, or several and no choice.
    """
    if label == ANY_LABEL:
        return 0, "sentiment"
    is_guess = not names and dim == len(MOSEI_LABELS)
    column, name = _find_label(names, dim, label, path)
    if is_guess:
        notes.append(note(Noted.LABELS_TAKEN_FOR_MOSEI, columns=dim, column=column, label=name))
    return column, name


def _find_label(names: Sequence[str], dim: int, label: str | int | None, path: Path) -> tuple[int, str]:
    if not names:
        numbers = [str(column) for column in range(dim)]
        names = MOSEI_LABELS if dim == len(MOSEI_LABELS) else ["sentiment"] if dim == 1 else numbers
    own = list(names)
    names = ["sentiment" if "sentiment" in name.lower() else name for name in own]
    if label is None and dim == 1:
        return 0, names[0]
    if label is None and dim == len(MOSEI_LABELS) and names.count("sentiment") == 1:
        return names.index("sentiment"), "sentiment"
    text = str(label)
    if text in own:
        return own.index(text), names[own.index(text)]
    if names.count(text) == 1:
        return names.index(text), text
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < dim:
        return int(text), names[int(text)]
    raise ValueError(
        f"There is no such label column. Expected one of {own} or an index below {dim}. "
        f"Received: label={label!r} ({path}). Choose one with --label."
    )


def storable(value: float | None, account: Account | None = None) -> float | None:
    """A label that records can hold, or `None` for one that is not finite in float32.

    Args:
        value: the label that the source has.
        account: the account that counts a label that is left out, or that float32 may have rounded.
    """
    account = Account() if account is None else account
    with np.errstate(over="ignore"):
        if value is not None and not np.isfinite(np.float32(value)):
            account.count(Cleaned.NOT_FINITE, LABELS)
            return None
    if value is not None and abs(value) > MAX_WHOLE_NUMBER:
        account.count(Cleaned.ROUNDED, LABELS, detail=f"{MAX_WHOLE_NUMBER:.0f}")
    return value


def by_video(videos: Sequence[str], values: Sequence[float | None]) -> dict[str, list[float]]:
    """video id → its labels that can be stored, of the videos and labels of segments."""
    found: dict[str, list[float]] = {}
    for video, value in zip(videos, values, strict=True):
        value = storable(value)
        if value is not None:
            found.setdefault(video, []).append(float(value))
    return found


def parse_label_range(text: str) -> tuple[float, ...]:
    """`"-3,3"` → `(-3.0, 3.0)`, and `"0,10,4"` → `(0.0, 10.0, 4.0)`; for `stated_scale`.

    Raises:
        ValueError: no numbers, or fewer than two or more than three.
    """
    try:
        numbers = tuple(parse_number(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (2, 3):
        raise _no_range(repr(text))
    return numbers


def stated_scale(name: str, numbers: Sequence[float]) -> LabelScale:
    """The scale of `(low, high)` or `(low, high, neutral)`.

    Raises:
        ValueError: other than two or three finite numbers, low not under high, or neutral outside of them.
    """
    well = isinstance(numbers, (tuple, list)) and len(numbers) in (2, 3)
    if not well or not all(isinstance(x, (int, float, np.number)) and not isinstance(x, bool) for x in numbers):
        raise _no_range(repr(numbers))
    try:
        numbers = [float(number) for number in numbers]
    except OverflowError:
        raise _no_range(repr(numbers)) from None
    low, high, *given = numbers
    neutral = given[0] if given else 0.0 if low < 0 < high else low + (high - low) / 2
    # Compared as they are stored: what is one number in float32 is one end.
    with np.errstate(over="ignore"):
        ends = np.array([low, high], np.float32)
    if not np.isfinite(ends).all() or not ends[0] < ends[1] or not low <= neutral <= high:
        raise _no_range(", ".join(map(str, numbers)))
    return LabelScale(name, low, high, neutral)


def choose_scale(labels: Labels, folds: Mapping[str, Sequence[str]] | None = None) -> tuple[LabelScale, list[Note]]:
    """The scale of a source's labels; see the module for the rule.

    Args:
        labels: what the source tells of its labels.
        folds: split → video ids, where they are known; without, all labels are looked at.

    Returns:
        The scale, and notes on what was taken where that is not plain.
    """
    if labels.stated is not None:
        return labels.stated, []
    videos = labels.values if folds is None else {video for split in folds if split != "test" for video in folds[split]}
    seen = [value for video, values in labels.values.items() if video in videos for value in values]
    scale, noted = _observe(labels, np.array(seen, np.float64))
    return scale, [noted] if noted else []


def check_scale(scale: LabelScale, labels: Labels) -> list[Note]:
    """Notes on labels beyond a scale that are too many for outliers, where the scale is stated.

    Raises:
        ValueError: there are so many and the scale is not stated: those of test contradict those of train and valid.
    """
    values = np.array([value for values in labels.values.values() for value in values])
    if not _is_outlying(scale, values):
        return []
    count, least, most = _count_beyond(scale, values), float(values.min()), float(values.max())
    if labels.stated is not None:
        found = {"count": count, "labels": len(values), "least": least, "most": most}
        return [note(Noted.BEYOND_STATED_SCALE, low=scale.low, high=scale.high, **found)]
    raise ValueError(
        f"The labels of test do not fit the scale that train and valid tell. Expected {scale.name} from {scale.low:g} "
        f"to {scale.high:g}. Received: {count} of {len(values)} labels beyond it, they range from {least:g} to "
        f"{most:g}. {STATE_SCALE}"
    )


def _observe(labels: Labels, values: np.ndarray) -> tuple[LabelScale, Note | None]:
    mosi = replace(MOSI_SCALE, name=labels.name)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if labels.is_sentiment and low < 0 < high:
        return _observe_signed(labels, values, mosi)
    if np.float32(low) != np.float32(high):
        scale = LabelScale(labels.name, low, high, low + (high - low) / 2)
        return scale, _taken(Noted.SCALE_UNKNOWN, scale)
    scale = mosi
    if not labels.is_sentiment or abs(low) > mosi.high:
        # Half of a large number, beside which a unit is lost in float32.
        unit = 1.0 if abs(low) < MAX_WHOLE_NUMBER / 2 else abs(low) / 2
        scale = LabelScale(labels.name, low - unit, low + unit, low)
    if not labels.values:
        return scale, None
    what = Noted.SCALE_OF_ONE_VALUE if len(values) else Noted.SCALE_WITHOUT_LABELS
    return scale, _taken(what, scale, value=low)


def _observe_signed(labels: Labels, values: np.ndarray, mosi: LabelScale) -> tuple[LabelScale, Note | None]:
    reach = float(abs(values).max())
    if reach <= 1 and len(values) >= MIN_UNIT_LABELS:
        scale = replace(mosi, low=-1.0, high=1.0) if labels.may_be_unit else mosi
        return scale, _taken(Noted.SCALE_OF_UNIT, scale)
    if _is_outlying(mosi, values):
        scale = replace(mosi, low=-reach, high=reach)
        return scale, _taken(Noted.SCALE_BEYOND_MOSI, scale)
    return mosi, None


def _taken(what: Noted, scale: LabelScale, **details: float) -> Note:
    return note(what, label=scale.name, low=scale.low, high=scale.high, neutral=scale.neutral, **details)


def _is_outlying(scale: LabelScale, values: np.ndarray) -> bool:
    """Whether more labels `(n,)` lie beyond a scale than outliers would."""
    return _count_beyond(scale, values) > max(MAX_OUTLIERS, MAX_OUTLIER_SHARE * len(values))


def _count_beyond(scale: LabelScale, values: np.ndarray) -> int:
    return int(((values < scale.low) | (values > scale.high)).sum())


def _no_range(received: str) -> ValueError:
    return ValueError(
        f"The range of the label is not understood. Expected LOW,HIGH or LOW,HIGH,NEUTRAL: finite numbers that float32 "
        f"holds, LOW under HIGH, NEUTRAL from LOW to HIGH. Received: label_range={received:.100}. Write for example "
        f"1,5 or 0,10,4."
    )
