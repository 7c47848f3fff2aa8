"""What parent and child tell each other: the lines of JSON that the parent sends, the headers of the child's frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from tfrecords.schema import ScaleFields


class Request(TypedDict):
    """What a child is to call, on which source and with what else, and the bytes of memory that it may have."""

    function: str
    path: str
    options: Mapping[str, object]
    memory_bytes: int


class Opening(Request):
    """The parent's first line: a request, and the file descriptor where the child notes what it is about to touch."""

    where: int


class Command(TypedDict):
    """The parent's further lines: the units from `first` to before `stop` are to be read, `None` for all there is."""

    first: int
    stop: int | None


class LabelsFields(TypedDict):
    """The `Labels` of a source."""

    name: str
    values: Mapping[str, Sequence[float]]
    is_sentiment: bool
    may_be_unit: bool
    stated: ScaleFields | None


class CorpusHeader(TypedDict):
    """A corpus without its features; `noted` has `(what, details)`."""

    kind: Literal["corpus"]
    format: str
    files: list[str]
    label: ScaleFields
    labels: LabelsFields | None
    video_ids: list[str]
    feature_names: dict[str, list[str]]
    folds: dict[str, list[str]] | None
    aligned: dict[str, bool]
    noted: list[tuple[str, Mapping[str, str | float]]]
    num_units: int
    vocabulary: Sequence[str]


class SegmentHeader(TypedDict):
    """A segment, whose features are the arrays of its frame."""

    kind: Literal["segment"]
    id: str
    video_id: str
    label: float | None
    tokens: Sequence[str]
    split: str | None


class AccountHeader(TypedDict):
    """The end of a reading, with `(of what, treatment, detail, count)`, and `(segment, reason, detail)` of the left."""

    kind: Literal["end"]
    treated: list[tuple[str, str, str, int]]
    left: list[tuple[str, str, str]]


class ValueHeader(TypedDict):
    """What a function gave that opens no corpus."""

    kind: Literal["value"]
    value: object


class PartHeader(TypedDict):
    """A part of what a generator yields, whose arrays are those of its frame."""

    kind: Literal["part"]
    value: object


class DoneHeader(TypedDict):
    """A generator yields no more."""

    kind: Literal["done"]


class OutOfMemory(TypedDict):
    """The child needed more memory than it may have, at a place in a file."""

    kind: Literal["error"]
    type: Literal["MemoryError"]
    where: str


class Refusal(TypedDict):
    """The reader's own refusal."""

    kind: Literal["error"]
    type: Literal["ValueError", "FileNotFoundError"]
    message: str


#: What a child sends where all is well.
Answer = CorpusHeader | SegmentHeader | AccountHeader | ValueHeader | PartHeader | DoneHeader

Header = Answer | OutOfMemory | Refusal
