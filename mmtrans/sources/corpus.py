"""What every source gives: a `Corpus`, a stream of `Segment`s with an account of all that was changed or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmtrans.sources.account import Account, Note
from mmtrans.sources.labels import Labels
from tfrecords.manifest import DroppedSegment, TextColumns
from tfrecords.precision import Dtype
from tfrecords.schema import LabelScale, Segment


@dataclass
class Corpus:
    """An opened source.

    Attributes:
        format: name of the format, as in `mmtrans convert --format`.
        files: the files that were read; the manifest records their sha256.
        label: the label's scale, as far as it is known before the folds are.
        feature_names: modality → column names, where the files name them (else the modality is absent here).
        folds: split → video ids, where the files themselves say; else `None`.
        read: opens the files and yields segments, one video at a time. While it runs it keeps `account`, which is
            complete when it is exhausted. It may be called again: it clears the account first.
        num_units: the number of units, of a video each, in which it can be read; 0 where it is read in one go.
        read_units: `read_units(first, stop)` reads some of the units, as `read` all of them, and `account` is of those.
        opening: opens the same source in another process, which it can be sent to; `None` where nobody knows how.
        video_ids: all video ids, known without reading features; folds are assigned from them before the one pass.
        ids_are_videos: whether each segment is a video of its own, whose id is that of the segment in the files.
        aligned: modality → whether its steps are the words' steps.
        labels: the labels that tell the scale anew once the folds are known, or `None` where `label` stands.
        takes_glove: whether `--glove` gives the words their vectors.
        vocabulary: the words in lower case, where something is to give them their vectors.
        text: what the columns of text are, where an encoder of words gives them.
        text_dtype: the type that text is to be stored in, one of `tfrecords.precision.DTYPES`.
        extraction: `settings`, `packages` and `models` by which `mmtrans extract` measured clips, if it did.
        account: the account of what was treated and left out so far.
        noted: what the user is to know about the files as a whole (warnings of the conversion).
        trouble: sentences for the user about what went wrong here and changed no segment.
    """

    format: str
    files: Sequence[Path]
    label: LabelScale
    read: Callable[[], Iterator[Segment]]
    num_units: int = 0
    read_units: Callable[[int, int], Iterator[Segment]] | None = None
    opening: Callable[[], Corpus] | None = None
    video_ids: Sequence[str] = ()
    feature_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folds: Mapping[str, Sequence[str]] | None = None
    ids_are_videos: bool = False
    aligned: Mapping[str, bool] = field(default_factory=dict)
    labels: Labels | None = None
    takes_glove: bool = False
    vocabulary: Collection[str] = ()
    text: TextColumns | None = None
    text_dtype: Dtype = "float32"
    extraction: Mapping[str, Mapping[str, Any]] | None = None
    account: Account = field(default_factory=Account)
    noted: list[Note] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def through(self, treat: Callable[[Iterator[Segment]], Iterator[Segment]], **changes: Any) -> Corpus:
        """The corpus whose segments have gone through `treat`, in whatever parts it is read.

        Args:
            treat: gives the segments of one reading as they are then; no segment may depend on another.
            changes: fields that are others then.
        """
        read_units = self.read_units
        return replace(
            self,
            read=lambda: treat(self.read()),
            read_units=None if read_units is None else lambda first, stop: treat(read_units(first, stop)),
            **changes,
        )

    @property
    def cleaning(self) -> Counter[str]:
        """What was treated so far, in words: `{"audio: frames with NaN": 12, "words: pauses (sp) removed": 40}`."""
        return self.account.cleaning()

    @property
    def dropped(self) -> list[DroppedSegment]:
        """Every segment left out so far, with the reason in words."""
        return list(self.account.dropped())

    @property
    def notes(self) -> Sequence[str]:
        """What is noted of the files as a whole, in words."""
        return [note.words for note in self.noted]
