"""What is learned of all segments together, one after the other: duplicates, statistics, summaries, the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from mmtrans.conversion.notes import absences
from mmtrans.conversion.prepare import Preparation, Prepared
from mmtrans.conversion.statistics import ColumnStatistics
from mmtrans.conversion.summary import SplitSummary
from mmtrans.sources.account import LABELS, Account, Cleaned, DropReason, Note, Noted, list_some, note
from mmtrans.sources.corpus import Corpus
from tfrecords.manifest import ModalityInfo, Summary
from tfrecords.schema import MODALITIES, SPLITS
from tfrecords.writer import Record


@dataclass
class Merging:
    """What the one pass over the corpus learns.

    Attributes:
        corpus: the corpus that is read.
        preparation: what prepares its segments.
    """

    corpus: Corpus
    preparation: Preparation
    dims: dict[str, int] = field(default_factory=dict)
    statistics: dict[str, ColumnStatistics] = field(default_factory=dict)
    truncated: Counter = field(default_factory=Counter)
    account: Account = field(default_factory=Account)
    summaries: dict[str, SplitSummary] = field(default_factory=dict)
    has_words: bool = False
    videos: dict[str, set[str]] = field(default_factory=lambda: {split: set() for split in SPLITS})

    def records(self, segments: Iterable[Prepared]) -> Iterator[Record]:
        """The records of segments, which must come in the order of the source.

        Raises:
            ValueError: a segment that contradicts others.
        """
        seen: set[str] = set()
        for segment in segments:
            if segment.id in seen:
                self.account.drop(segment.id, DropReason.DUPLICATE)
            elif segment.record is None:
                self.account.drop(segment.id, DropReason.NO_FOLD)
            else:
                seen.add(segment.id)
                self._check(segment)
                self._add(segment, segment.record.split)
                yield segment.record

    def whole(self) -> Account:
        """The reader's account and that of the conversion."""
        both = Account()
        both.add(self.corpus.account)
        both.add(self.account)
        return both

    def modalities(self) -> dict[str, ModalityInfo]:
        """Modality → its columns and their statistics."""
        result = {}
        for name in MODALITIES:
            if name not in self.dims:
                continue
            mean, std = self.statistics[name].result() if name in self.statistics else (None, None)
            if mean is not None and std is not None:
                # Numbers of pieces are no quantities.
                mean[: self._ids(name)], std[: self._ids(name)] = 0, 1
            names = self.corpus.feature_names.get(name)
            result[name] = ModalityInfo(
                dim=self.dims[name],
                aligned=self.preparation.is_aligned(name),
                feature_names=tuple(names) if names is not None else None,
                mean=None if mean is None else tuple(mean.tolist()),
                std=None if std is None else tuple(std.tolist()),
                dtype="float16" if name in self.preparation.halves else "float32",
            )
        return result

    def summary(self) -> dict[str, Summary]:
        """Split → what its segments are like."""
        return {split: self.summaries[split].result() for split in SPLITS if split in self.summaries}

    def notes(self) -> Iterator[Note]:
        """Notes on what is absent, and on columns of one value throughout train, which models divide by 1."""
        if self.corpus.labels is not None:
            # A reader's; who makes a corpus by hand knows what it lacks.
            yield from absences(self.summary(), has_words=self.has_words, takes_glove=self.corpus.takes_glove)
        for name, statistics in self.statistics.items():
            columns = [column for column in np.flatnonzero(statistics.constant).tolist() if column >= self._ids(name)]
            if columns and statistics.steps > 1:
                count, listed = len(columns), list_some(columns, 8)
                details = {"modality": name, "count": count, "columns": self.dims[name], "listed": listed}
                yield note(Noted.CONSTANT_COLUMNS, **details)

    def _ids(self, modality: str) -> int:
        """How many of a modality's columns, which are its first, hold numbers of pieces."""
        return self.corpus.text.pieces if modality == "text" and self.corpus.text is not None else 0

    def _check(self, segment: Prepared) -> None:
        is_aligned, max_steps = self.preparation.is_aligned, self.preparation.max_steps
        for name, columns in segment.columns.items():
            dim = self.dims.setdefault(name, columns)
            names = self.corpus.feature_names.get(name)
            if columns != dim or (names is not None and len(names) != dim):
                raise ValueError(
                    f"A modality must have the same columns in all segments. Expected {dim}, and as many names where "
                    f"there are names. Received: {name} with {columns} columns, "
                    f"{'no' if names is None else len(names)} names ({segment.id}). Check the source's {name} files."
                )
            if name in max_steps and is_aligned(name):
                raise ValueError(
                    f"An aligned modality is cut with the words. Expected limits for unaligned ones only. "
                    f"Received: max_steps {name}={max_steps[name]} ({segment.id}). Give one number for all."
                )
        steps = {name: length for name, length in segment.lengths.steps.items() if is_aligned(name)}
        if segment.lengths.words and steps:
            steps["tokens"] = segment.lengths.words
        if len(set(steps.values())) > 1:
            raise ValueError(
                f"Aligned streams must have the same number of steps. Received: {steps} ({segment.id}). "
                f"Check the source's alignment."
            )

    def _add(self, segment: Prepared, split: str) -> None:
        is_aligned, lengths, stored = self.preparation.is_aligned, segment.lengths, segment.stored
        shorter = {name for name, length in lengths.steps.items() if stored.steps[name] < length}
        cut = {"aligned" if is_aligned(name) else name for name in shorter}
        self.truncated.update(cut | ({"aligned"} if stored.words < lengths.words else set()))
        if segment.is_clipped:
            scale = self.preparation.label
            self.account.count(Cleaned.BEYOND_SCALE, LABELS, detail=f"{scale.low:g} to {scale.high:g}")
        self.videos[split].add(segment.video_id)
        if split not in self.summaries:
            self.summaries[split] = SplitSummary(self.preparation.label, is_aligned)
        self.summaries[split].add(stored, segment.zero_rows, segment.label)
        self.has_words = self.has_words or bool(stored.words)
        for name, moments in segment.moments.items():
            self.statistics.setdefault(name, ColumnStatistics(segment.columns[name])).add(moments)
