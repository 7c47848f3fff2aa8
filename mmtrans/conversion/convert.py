"""`Corpus` → records: folds, truncation, checks, train statistics, and a directory that appears whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmtrans.bounds import MOST_WHOLE
from mmtrans.conversion.folds import assign_folds
from mmtrans.conversion.notes import absences, unnamed_videos
from mmtrans.conversion.statistics import ColumnStatistics
from mmtrans.conversion.summary import SplitSummary
from mmtrans.sources.account import LABELS, Account, Cleaned, DropReason, Note, Noted, list_some, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import Labels, check_scale, choose_scale
from tfrecords.manifest import (
    Folds,
    Manifest,
    ModalityInfo,
    Source,
    SourceFile,
    Split,
    Summary,
    file_sha256,
)
from tfrecords.schema import MODALITIES, SPLITS, Segment
from tfrecords.writer import new_records, write_shards

#: 50 words hold 98 % of MOSI's segments whole; it is the field's usual length.
DEFAULT_MAX_STEPS: Mapping[str, int] = {"aligned": 50}


def parse_max_steps(text: str) -> dict[str, int]:
    """`"50"`, `"50,audio=375"` or `"audio=375"` → `{"aligned": 50, "audio": 375}`.

    The bare number is for the aligned streams and their tokens, 50 if left out.

    Raises:
        ValueError: no positive number of 32 bits, an unknown modality, or a name given twice.
    """
    limits: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.rpartition("="))
        name = name if equals else "aligned"
        known = name in MODALITIES or not equals
        # isascii: int() would take other scripts' digits, and isdigit superscripts that int() refuses.
        digits = len(number) <= len(str(MOST_WHOLE)) and number.isascii() and number.isdigit()
        if not (known and digits and 0 < int(number) <= MOST_WHOLE) or name in limits:
            raise ValueError(
                f"--max-steps is not understood. Expected a number of steps for the aligned streams, and some of "
                f"{'=N, '.join(MODALITIES)}=N for unaligned ones, each once. Received: max_steps={text!r}. "
                f"Write for example 50 or 50,audio=375."
            )
        limits[name] = int(number)
    return {**DEFAULT_MAX_STEPS, **limits}


def convert(
    corpus: Corpus,
    records_dir: str | Path,
    *,
    max_steps: Mapping[str, int] = DEFAULT_MAX_STEPS,
    folds_path: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Writes the records of a corpus, reading it once and holding one segment at a time.

    The directory appears whole or not at all: see `new_records`.

    Args:
        corpus: an opened source.
        records_dir: the directory to make. It may exist empty.
        max_steps: limits as `parse_max_steps` gives them. The first steps are kept.
        folds_path: a file that assigns the videos to folds, before all other rules.
        seed: seed of the random folds of a corpus that has no folds.
        overwrite: replace records that exist.
        on_progress: called with the number of segments written, after each.

    Returns:
        The manifest, as saved.

    Raises:
        ValueError: `records_dir` holds something else, or records and not `overwrite`; a corpus without segments; a
            segment that contradicts others; labels of test that contradict those of train and valid.
        FileNotFoundError: no folds file.
    """
    folds, origin = assign_folds(corpus.video_ids, own=corpus.folds, path=folds_path, seed=seed)
    scale_notes: list[Note] = []
    if corpus.labels is not None:
        scale, scale_notes = choose_scale(corpus.labels, folds)
        scale_notes += check_scale(scale, _labels_in_folds(corpus.labels, folds))
        corpus = replace(corpus, label=scale)
    reading = _Reading(corpus, dict(max_steps), {video: split for split in folds for video in folds[split]})
    with ThreadPoolExecutor(1) as hashing, new_records(records_dir, overwrite=overwrite) as directory:
        # Beside the reading: the sources are far larger than the records.
        source_files = hashing.submit(_hash_files, corpus)
        shards = write_shards(reading.segments(on_progress), directory)
        if not shards:
            raise _no_segments(reading)
        noted = (*corpus.noted, *scale_notes, *unnamed_videos(corpus, folds, origin), *reading.notes())
        manifest = Manifest(
            source=Source(corpus.format, source_files.result()),
            label=corpus.label,
            splits={
                split: Split(sum(shard.segments for shard in shards[split]), len(reading.videos[split]), shards[split])
                for split in shards
            },
            modalities=reading.modalities(),
            folds=Folds(origin, {split: tuple(folds[split]) for split in SPLITS if split in folds}),
            cleaning=dict(reading.whole().cleaning()),
            dropped=reading.whole().dropped(),
            max_steps=dict(max_steps),
            truncated=dict(sorted(reading.truncated.items())),
            notes=tuple(each.words for each in noted),
            summary=reading.summary(),
            text=corpus.text,
        )
        manifest.save(directory)
    return manifest


def _labels_in_folds(labels: Labels, folds: Mapping[str, Sequence[str]]) -> Labels:
    named = {video for videos in folds.values() for video in videos}
    return replace(labels, values={video: of_video for video, of_video in labels.values.items() if video in named})


def _no_segments(reading: _Reading) -> ValueError:
    dropped = reading.whole().dropped()
    reasons = Counter(segment.reason for segment in dropped).most_common(3)
    return ValueError(
        f"The source gives no segments. Expected at least one. Received: {len(dropped)} dropped, reasons={reasons} "
        f"({reading.corpus.format}). Check that words, features and labels are of the same videos."
    )


@dataclass
class _Reading:
    """What the one pass over the corpus learns."""

    corpus: Corpus
    max_steps: dict[str, int]
    split_of: dict[str, str]
    dims: dict[str, int] = field(default_factory=dict)
    statistics: dict[str, ColumnStatistics] = field(default_factory=dict)
    truncated: Counter = field(default_factory=Counter)
    account: Account = field(default_factory=Account)
    summaries: dict[str, SplitSummary] = field(default_factory=dict)
    has_words: bool = False
    videos: dict[str, set[str]] = field(default_factory=lambda: {split: set() for split in SPLITS})

    def segments(self, on_progress: Callable[[int], None] | None) -> Iterator[Segment]:
        seen: set[str] = set()
        for segment in self.corpus.read():
            split = self.split_of.get(segment.video_id)
            if segment.id in seen:
                self.account.drop(segment.id, DropReason.DUPLICATE)
                continue
            if split is None:
                self.account.drop(segment.id, DropReason.NO_FOLD)
                continue
            seen.add(segment.id)
            self._check(segment)
            segment = replace(self._truncate(segment), split=split, label=self._clip(segment.label))
            self.videos[split].add(segment.video_id)
            if split not in self.summaries:
                self.summaries[split] = SplitSummary(self.corpus.label, self._is_aligned)
            self.summaries[split].update(segment)
            self.has_words = self.has_words or bool(segment.tokens)
            if split == "train":
                for name, array in segment.features.items():
                    self.statistics.setdefault(name, ColumnStatistics(array.shape[1])).update(array)
            yield segment
            if on_progress is not None:
                on_progress(len(seen))

    def whole(self) -> Account:
        """The reader's account and that of the conversion."""
        both = Account()
        both.add(self.corpus.account)
        both.add(self.account)
        return both

    def modalities(self) -> dict[str, ModalityInfo]:
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
                aligned=self._is_aligned(name),
                feature_names=tuple(names) if names is not None else None,
                mean=None if mean is None else tuple(mean.tolist()),
                std=None if std is None else tuple(std.tolist()),
            )
        return result

    def summary(self) -> dict[str, Summary]:
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

    def _is_aligned(self, modality: str) -> bool:
        return self.corpus.aligned.get(modality, True)

    def _check(self, segment: Segment) -> None:
        for name, array in segment.features.items():
            dim = self.dims.setdefault(name, array.shape[1])
            names = self.corpus.feature_names.get(name)
            if array.shape[1] != dim or (names is not None and len(names) != dim):
                raise ValueError(
                    f"A modality must have the same columns in all segments. Expected {dim}, and as many names where "
                    f"there are names. Received: {name} with {array.shape[1]} columns, "
                    f"{'no' if names is None else len(names)} names ({segment.id}). Check the source's {name} files."
                )
            if name in self.max_steps and self._is_aligned(name):
                raise ValueError(
                    f"An aligned modality is cut with the words. Expected limits for unaligned ones only. "
                    f"Received: max_steps {name}={self.max_steps[name]} ({segment.id}). Give one number for all."
                )
        steps = {name: len(array) for name, array in segment.features.items() if self._is_aligned(name)}
        if segment.tokens and steps:
            steps["tokens"] = len(segment.tokens)
        if len(set(steps.values())) > 1:
            raise ValueError(
                f"Aligned streams must have the same number of steps. Received: {steps} ({segment.id}). "
                f"Check the source's alignment."
            )

    def _clip(self, label: float | None) -> float | None:
        low, high = self.corpus.label.low, self.corpus.label.high
        # Labels are float32 in most files: a rounding over the end is no outlier.
        if label is None or low - 1e-6 <= label <= high + 1e-6:
            return label
        self.account.count(Cleaned.BEYOND_SCALE, LABELS, detail=f"{low:g} to {high:g}")
        return min(max(label, low), high)

    def _truncate(self, segment: Segment) -> Segment:
        limit = self.max_steps["aligned"]
        features: dict[str, np.ndarray] = {}
        cut = {"aligned": len(segment.tokens) > limit}
        for name, array in segment.features.items():
            stream = "aligned" if self._is_aligned(name) else name
            features[name] = array[: self.max_steps.get(stream, len(array))]
            cut[stream] = cut.get(stream, False) or len(features[name]) < len(array)
        self.truncated.update({stream: 1 for stream, was_cut in cut.items() if was_cut})
        return replace(segment, features=features, tokens=segment.tokens[:limit])


def _hash_files(corpus: Corpus) -> tuple[SourceFile, ...]:
    paths = sorted(Path(os.path.realpath(path)) for path in corpus.files)
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        # Only where names alone would collide: a common folder may say more about the machine than about the source.
        names = [os.path.relpath(path, os.path.commonpath(paths)) for path in paths]
    return tuple(SourceFile(name, file_sha256(path)) for name, path in zip(names, paths, strict=True))
