"""What a page of the explorer holds, as it is written into the page.

Lists that are as long as the page's segments are in their order. All text is ready to be shown.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: A row of numbers, and `None` where there is none.
Row = list[float | None]


@dataclass(frozen=True)
class Bytes:
    """A matrix of numbers from 0 to 1, each in a byte.

    Attributes:
        rows: its rows.
        columns: its columns.
        data: base64 of the bytes, row by row; 255 is 1.
    """

    rows: int
    columns: int
    data: str

    @classmethod
    def of(cls, values: np.ndarray) -> Bytes:
        """A matrix of numbers; what lies beyond 0 and 1 is cut."""
        data = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
        rows, columns = data.shape
        return cls(rows, columns, base64.b64encode(data.tobytes()).decode("ascii"))


@dataclass(frozen=True)
class Segment:
    """What every run sees of a segment.

    Attributes:
        id: its id.
        video: its video.
        words: one a step where there are any.
        label: the true score.
        lacks: sentences on modalities that it lacks, or that do not change.
    """

    id: str
    video: str
    words: list[str]
    label: float
    lacks: list[str]


@dataclass(frozen=True)
class Hypothesis:
    """A decoded sequence of tokens, and its log-probability, that of its end included."""

    tokens: list[str]
    log_prob: float


@dataclass(frozen=True)
class Translated:
    """The translation of a segment.

    Attributes:
        quality: R² of features, share of the true tokens that are right of tokens; `None` without a true target.
        attention: `(target steps, source steps)` of the best hypothesis; `None` for a decoder without attention.
        prior: the same of attention that knows nothing but the distance; `None` where the model knows of none.
        prior_correlation: Pearson's correlation between both.
        reference: the true tokens.
        hypotheses: decoded ones, best first.
        target: `(steps, columns)` of the true features, 0.5 at the train mean, 1 at three deviations over it.
        decoded: the same of the decoded ones.
    """

    quality: float | None
    attention: Bytes | None = None
    prior: Bytes | None = None
    prior_correlation: float | None = None
    reference: list[str] = field(default_factory=list)
    hypotheses: list[Hypothesis] = field(default_factory=list)
    target: Bytes | None = None
    decoded: Bytes | None = None


@dataclass(frozen=True)
class Translation:
    """The translations of a run.

    Attributes:
        target: what it translates into.
        of_tokens: whether the target is tokens, and not features.
        columns: names of the columns that the heat maps show.
        note: a sentence on them.
        segments: of each segment; `None` where none was decoded.
    """

    target: str
    of_tokens: bool
    columns: list[str]
    note: str
    segments: list[Translated | None]


@dataclass(frozen=True)
class Space:
    """The representations of the segments.

    Attributes:
        name: what the vectors are.
        places: `(x, y)` of each segment: its first two principal components.
        explained: share of the variance that each of both has.
        neighbours: of each segment the places of its nearest others, nearest first.
    """

    name: str
    places: list[tuple[float, float]]
    explained: tuple[float, float]
    neighbours: list[list[int]]


@dataclass(frozen=True)
class RunView:
    """What one run says of the segments.

    Attributes:
        name: how the page calls it.
        path: its directory; empty for the mean of several runs.
        facts: name → text, for the table of runs.
        metrics: name → value, with `<name>_low` and `<name>_high`.
        collapsed: whether its predictions hardly vary.
        scores: its predictions.
        steps: the steps that it reads.
        attention: weights of the steps; `None` where it has none that could be shown.
        influence: change of the score when a step is left out; `None` as before.
        space: representations; `None` for the mean of several runs, and for too few segments.
        translation: `None` where it translates nothing.
        notes: name of a view that is absent → a sentence why.
    """

    name: str
    path: str
    facts: dict[str, str]
    metrics: dict[str, float | None]
    collapsed: bool | None
    scores: Row
    steps: list[int]
    attention: list[Row] | None = None
    influence: list[Row] | None = None
    space: Space | None = None
    translation: Translation | None = None
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PairedDifference:
    """How much larger the mean absolute error of one run is than that of another, on the same segments.

    Attributes:
        first: place of the one among the runs.
        second: place of the other.
        mean: the difference, first minus second.
        low: lower end of its 95 % interval over videos; `None` under ten videos.
        high: upper end.
        p_value: two-sided.
    """

    first: int
    second: int
    mean: float
    low: float | None
    high: float | None
    p_value: float | None


@dataclass(frozen=True)
class Clip:
    """Where a segment is to be seen or heard.

    Attributes:
        link: address of the file, seen from the page, with the part of it that is the segment.
        is_sound: whether the file has no picture.
        is_whole: whether it is the whole recording, as nobody knows when the segment begins.
    """

    link: str
    is_sound: bool
    is_whole: bool


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: its heading.
        about: sentences on where the segments are from.
        banners: sentences that nobody may overlook.
        split: the split.
        label: name and range of the label, `name`, `low`, `high` and `neutral`.
        videos: number of videos.
        segments: the segments.
        runs: the runs, and after several of them their mean.
        differences: of each pair of runs.
        media: id of a segment → its clip.
    """

    title: str
    about: list[str]
    banners: list[str]
    split: str
    label: dict[str, Any]
    videos: int
    segments: list[Segment]
    runs: list[RunView]
    differences: list[PairedDifference]
    media: dict[str, Clip] = field(default_factory=dict)


def rounded(values: np.ndarray, digits: int = 4) -> Row:
    """Numbers with so many digits after the point, `None` in place of what is none."""
    return [round(value, digits) if np.isfinite(value) else None for value in np.asarray(values, float).tolist()]
