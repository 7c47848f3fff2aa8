"""`Corpus` → records: folds, truncation, checks, train statistics, and a directory that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mmtrans.bounds import MOST_WHOLE
from mmtrans.conversion.folds import assign_folds
from mmtrans.conversion.merge import Merging
from mmtrans.conversion.notes import unnamed_videos
from mmtrans.conversion.prepare import Preparation, Prepared
from mmtrans.sources.account import Note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import Labels, check_scale, choose_scale
from tfrecords.manifest import (
    Folds,
    Manifest,
    Source,
    SourceFile,
    Split,
    file_sha256,
)
from tfrecords.precision import halves
from tfrecords.schema import MODALITIES, SPLITS
from tfrecords.writer import new_records, write_shards

#: 50 words hold 98 % of MOSI's segments whole; it is the field's usual length.
DEFAULT_MAX_STEPS: Mapping[str, int] = {"aligned": 50}

#: Gives the segments of a corpus as they are prepared, in the order of the source, and keeps the corpus's account: of a
#: corpus, the preparation, and the directory that is being made, beside which there may be intermediate files.
Prepare = Callable[[Corpus, Preparation, Path], Generator[Prepared, None, None]]


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


def prepare_here(corpus: Corpus, preparation: Preparation, records_dir: Path) -> Generator[Prepared, None, None]:
    """Reads and prepares in this process, one segment in memory at a time."""
    for segment in corpus.read():
        yield preparation(segment)


def convert(
    corpus: Corpus,
    records_dir: str | Path,
    *,
    max_steps: Mapping[str, int] = DEFAULT_MAX_STEPS,
    folds_path: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    prepare: Prepare = prepare_here,
) -> Manifest:
    """Writes the records of a corpus, reading it once.

    The directory appears whole or not at all: see `new_records`.

    Args:
        corpus: an opened source.
        records_dir: the directory to make. It may exist empty.
        max_steps: limits as `parse_max_steps` gives them. The first steps are kept.
        folds_path: a file that assigns the videos to folds, before all other rules.
        seed: seed of the random folds of a corpus that has no folds.
        overwrite: replace records that exist.
        prepare: reads and prepares the segments; the records are the same for any way to do it.

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
    split_of = {video: split for split in folds for video in folds[split]}
    stored_in_half = halves({"text": corpus.text_dtype})
    preparation = Preparation(dict(max_steps), split_of, corpus.label, corpus.aligned, stored_in_half)
    merging = Merging(corpus, preparation)
    with ThreadPoolExecutor(1) as hashing, new_records(records_dir, overwrite=overwrite) as directory:
        # Beside the reading: the sources are far larger than the records.
        source_files = hashing.submit(_hash_files, corpus)
        with contextlib.closing(prepare(corpus, preparation, Path(records_dir))) as segments:
            shards = write_shards(merging.records(segments), directory)
        if not shards:
            raise _no_segments(merging)
        noted = (*corpus.noted, *scale_notes, *unnamed_videos(corpus, folds, origin), *merging.notes())
        manifest = Manifest(
            source=Source(corpus.format, source_files.result()),
            label=corpus.label,
            splits={
                split: Split(sum(shard.segments for shard in shards[split]), len(merging.videos[split]), shards[split])
                for split in shards
            },
            modalities=merging.modalities(),
            folds=Folds(origin, {split: tuple(folds[split]) for split in SPLITS if split in folds}),
            cleaning=dict(merging.whole().cleaning()),
            dropped=merging.whole().dropped(),
            max_steps=dict(max_steps),
            truncated=dict(sorted(merging.truncated.items())),
            notes=tuple(each.words for each in noted),
            summary=merging.summary(),
            text=corpus.text,
            extraction=corpus.extraction,
        )
        manifest.save(directory)
    return manifest


def _labels_in_folds(labels: Labels, folds: Mapping[str, Sequence[str]]) -> Labels:
    named = {video for videos in folds.values() for video in videos}
    return replace(labels, values={video: of_video for video, of_video in labels.values.items() if video in named})


def _no_segments(merging: Merging) -> ValueError:
    dropped = merging.whole().dropped()
    reasons = Counter(segment.reason for segment in dropped).most_common(3)
    return ValueError(
        f"The source gives no segments. Expected at least one. Received: {len(dropped)} dropped, reasons={reasons} "
        f"({merging.corpus.format}). Check that words, features and labels are of the same videos."
    )


def _hash_files(corpus: Corpus) -> tuple[SourceFile, ...]:
    paths = sorted(Path(os.path.realpath(path)) for path in corpus.files)
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        # Only where names alone would collide: a common folder may say more about the machine than about the source.
        names = [os.path.relpath(path, os.path.commonpath(paths)) for path in paths]
    return tuple(SourceFile(name, file_sha256(path)) for name, path in zip(names, paths, strict=True))
