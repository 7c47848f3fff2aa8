"""What a reader says of its format, and the options that a source is read with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mmtrans.bounds import LABEL_SHIFT, WINDOW_SECONDS, check_number
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import ANY_LABEL, stated_scale
from mmtrans.sources.seen import Seen
from tfrecords.precision import DTYPES, Dtype

#: In place of a folder: no cache.
NO_CACHE = "off"

#: In place of a number of columns: as many as there are pieces.
AS_MANY = "as many"

#: Option that a format takes or not → what is so of a format that does not.
OWN_OPTIONS = {
    "glove": "has its own vectors",
    "text_encoder": "has no words",
    "label": "has one label",
    "label_shift": "has no label times",
    "compat": "is not what the official SDK joins",
    "window": "has no times of frames",
}


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """How a source is read; `OWN_OPTIONS` are for some formats, the others for every one.

    Attributes:
        glove: a GloVe text file that gives the words their vectors, or stands beside those of `text_encoder`.
        text_encoder: the encoder that gives the words their vectors in context: a folder, or another name that
            `mmtrans.words.folder.open_folder` finds.
        text_layers: the layers of it that stand side by side, in this order; the last three without it.
        text_pieces: columns of the numbers of a word's pieces, for a training that moves the encoder; `AS_MANY` for as
            many as the words have. With them there are no layers unless `text_layers` says which.
        text_cache: the folder of the cache of its vectors, or `off`; the user's own without it.
        text_dtype: the type that text is stored in, whatever gives it; one of `tfrecords.precision.DTYPES`.
        label: name or index of the label column, where there are several (`mmsa` has `T`, `A`, `V`); or
            `mmtrans.sources.labels.ANY_LABEL`, where no label is read.
        label_range: `(low, high)` or `(low, high, neutral)` of the label, of which neutral is 0 or else the middle;
            without it `mmtrans.sources.labels` says what is taken.
        label_shift: seconds added to the label intervals.
        select: `mctn` keeps the 5 COVAREP and 20 FACET columns of MFN and MCTN; see `mmtrans.sources.columns`.
        compat: `sdk` or `sdk-no-impute` aligns as the official SDK does.
        window: seconds of which each step of audio and of video is the mean, in place of one step a word.

    Raises:
        ValueError: a shift or a range that no label has; a window out of range; layers or a cache of no encoder; a type
            that is none for text.
    """

    glove: str | Path | None = None
    text_encoder: str | Path | None = None
    text_layers: Sequence[int] | None = None
    text_pieces: int | str | None = None
    text_cache: str | Path | None = None
    text_dtype: Dtype = "float32"
    label: str | int | None = None
    label_range: Sequence[float] | None = None
    label_shift: float = 0.0
    select: str | None = None
    compat: str | None = None
    window: float | None = None

    def __post_init__(self) -> None:
        check_number("--label-shift", self.label_shift, **LABEL_SHIFT)
        if self.window is not None:
            check_number("--window", self.window, **WINDOW_SECONDS)
        if self.label_range is not None:
            stated_scale("label", self.label_range)
        if self.text_dtype not in DTYPES or (self.text_dtype == "float16" and self.text_pieces is not None):
            raise ValueError(
                f"Text cannot be stored in this type. Expected one of {list(DTYPES)}, and float32 with --text-pieces: "
                f"not every number of a piece is one of float16. Received: text_dtype={self.text_dtype!r}. "
                f"Leave --text-dtype out."
            )
        theirs = {name: getattr(self, name) for name in ("text_layers", "text_pieces", "text_cache")}
        if self.text_encoder is None and any(value is not None for value in theirs.values()):
            flags = " and ".join(f"--{name.replace('_', '-')}" for name, value in theirs.items() if value is not None)
            raise ValueError(
                f"There is no text encoder. Expected --text-encoder NAME beside {flags}. "
                f"Received: text_encoder=None. Name the encoder, or leave {flags} out."
            )

    @property
    def gives_vectors(self) -> str | None:
        """What gives the words their vectors in place of the source, if anything does."""
        given = [str(name) for name in (self.text_encoder, self.glove) if name is not None]
        return " and ".join(given) or None

    def own(self) -> dict[str, object]:
        """Those of `OWN_OPTIONS` that are given: name → value."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {field.name: given[field.name] for field in fields(self) if given[field.name] != field.default}
        return {name: value for name, value in given.items() if name in OWN_OPTIONS and value != ANY_LABEL}


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format, as its reader describes it.

    Attributes:
        name: name of the format for `mmtrans convert --format`.
        needs: what the format is read from, with its article and without a full stop.
        takes: those of `OWN_OPTIONS` that the format takes.
        leaves_glove: whether the door gives the words their vectors of `glove`, and not the reader.
        recognise: `recognise(seen)` tells whether a source is of this format.
        open: `open(path, options, content)` opens it; `content` is what its pickle holds where it has been unpickled to
            recognise it, else `None`.
    """

    name: str
    needs: str
    takes: tuple[str, ...] = ()
    leaves_glove: bool = False
    recognise: Callable[[Seen], bool]
    open: Callable[[Path, SourceOptions, object], Corpus]

    def check(self, options: SourceOptions, path: Path) -> None:
        """Refuses options that the format does not take; word vectors that it does not need do no harm.

        Raises:
            ValueError: some of these options are given.
        """
        others = {name: value for name, value in options.own().items() if name not in (*self.takes, "glove")}
        if others:
            reasons = " and ".join(OWN_OPTIONS[name] for name in others)
            flags = " and no ".join(f"--{name.replace('_', '-')}" for name in others)
            received = ", ".join(f"{name}={value!r}" for name, value in others.items())
            raise ValueError(
                f"The {self.name} format {reasons}. Expected no {flags}. Received: {received} ({path}). "
                f"Leave {'it' if len(others) == 1 else 'them'} out."
            )
