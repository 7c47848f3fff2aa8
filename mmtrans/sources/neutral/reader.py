"""Our own plain format, for people with a corpus of their own: one table and .npz files.

A folder holds:

- `segments.csv`, UTF-8, with a header. Columns: `id` (`v[0]`, counting from 0, or all ids in one of the styles `v_1`
  and `v$_$1`, counting from 1; any other id is a video of its own), or `video_id` and `index` (from 0). Optional:
  `split` (train, valid or dev, test; the same for all of a video), `label` (a number; empty for none), `words`
  (separated by spaces). Other columns are noted.
- features, in one of two ways, unpadded, float or int: `text.npz`, `audio.npz`, `video.npz` with one array
  `(steps, dim)` per segment under its id (`np.savez("audio.npz", **{"v[0]": array, …})`); or `segments/<id>.npz` per
  segment with arrays `text`, `audio`, `video`. The id is `v[0]`, or as `segments.csv` spells it; `train_v[0]` where ids
  begin anew in each split, as `mmtrans.sources.segment_names` tells by the labels. A segment without an array lacks the
  modality. Files hold no Python objects: they are read with `allow_pickle=False`.
- optionally `corpus.json`: `{"label": {"name", "low", "high", "neutral"}, "columns": {"audio": [names], …},
  "aligned": {"audio": true, …}}`, each part optional; `extraction` is how `mmtrans extract` made the corpus.

Without `aligned`, a modality is aligned where it has one step a word in every segment (without words: where all
modalities of every segment have equal steps); the words then are the tokens. With `aligned`, segments that break it are
dropped. Without `label`, `mmtrans.sources.labels` tells the scale. Without `split` the folds are drawn. NaN and
infinities become 0; a modality that is zero throughout a segment, or has other columns there than in most, is absent.
Other names of the modalities, such as `visual`, are understood, in `corpus.json` too.
Steps of words that are silence go with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Account, DropReason, Note, Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import Labels, by_video, choose_scale, storable
from mmtrans.sources.neutral.arrays import Place, find_arrays
from mmtrans.sources.neutral.settings import read_settings
from mmtrans.sources.neutral.table import TABLE, Row, read_table
from mmtrans.sources.segment_names import are_videos
from mmtrans.sources.segments import grouped, segments_of, usable
from mmtrans.sources.untrusted.npz import open_npz, read_array
from mmtrans.sources.words import read_words
from mmtrans.system.user_files import check_file, has_file
from tfrecords.schema import MODALITIES, Segment

SETTINGS = "corpus.json"


def open_neutral(path: str | Path, *, vectors_from: str | None = None) -> Corpus:
    """Opens a folder in our plain format, or its `segments.csv`; see the module for what it holds.

    Args:
        path: the folder or the table.
        vectors_from: what will give the words their vectors: there is no `text` yet, words alone make a segment, and
            the corpus tells its `vocabulary`.

    Returns:
        A corpus of format `neutral`; `read` holds one segment at a time.

    Raises:
        FileNotFoundError: there is no `segments.csv`.
        ValueError: there are no features beside it; the table, the settings or an archive cannot be read, or they
            contradict one another.
    """
    table = Path(path) / TABLE if Path(path).is_dir() else check_file(path, "table of segments", TABLE)
    folder = table.parent
    notes: list[Note] = []
    rows, folds = read_table(table, notes, for_words=vectors_from is not None)
    settings = read_settings(folder / SETTINGS)
    places, found = find_arrays(folder, rows, notes, vectors_from)
    if not any(places) and vectors_from is None:
        raise ValueError(
            f"There are no features of the segments. Expected text.npz, audio.npz or video.npz with arrays named by "
            f"id, or segments/<id>.npz. Received: {len(rows)} segments like {rows[0].id} ({folder}). "
            f"Check the names of the arrays."
        )
    values = by_video([row.video_id for row in rows], [row.label for row in rows])
    name = settings.label.name if settings.label else "sentiment"
    labels = Labels(name, values, stated=settings.label)
    aligned = _find_aligned(rows, places, settings.aligned, notes)
    files = {place.path for of_row in places for place in of_row.values()} | {table}
    corpus = Corpus(
        format="neutral",
        files=sorted(files | ({folder / SETTINGS} if has_file(folder / SETTINGS, "corpus.json") else set())),
        label=choose_scale(labels, folds)[0],
        labels=labels,
        read=lambda: _read(corpus, rows, places, found),
        video_ids=list(dict.fromkeys(row.video_id for row in rows)),
        feature_names=settings.columns,
        extraction=settings.extraction,
        folds=folds,
        ids_are_videos=are_videos([row.spelling for row in rows], [(row.video_id, row.index) for row in rows]),
        aligned=aligned,
        vocabulary=sorted({word.lower() for row in rows for word in row.words}) if vectors_from is not None else (),
        noted=notes,
    )
    return corpus


def _find_aligned(
    rows: Sequence[Row], places: Sequence[Mapping[str, Place]], stated: Mapping[str, bool], notes: list[Note]
) -> dict[str, bool]:
    present = [name for name in MODALITIES if any(name in of_row for of_row in places)]
    breaks = dict.fromkeys(present, 0)
    for row, of_row in zip(rows, places, strict=True):
        steps = {name: place.shape[0] for name, place in of_row.items() if place.shape[0]}
        words = len(row.words) or (max(steps.values()) if len(set(steps.values())) == 1 else -1)
        for name in steps:
            breaks[name] += steps[name] != words
    for name in present:
        if breaks[name] and name not in stated and any(row.words for row in rows):
            notes.append(note(Noted.UNALIGNED, modality=name, count=breaks[name]))
    return {name: stated.get(name, breaks[name] == 0) for name in present}


def _read(
    corpus: Corpus, rows: Sequence[Row], places: Sequence[Mapping[str, Place]], found: Account
) -> Iterator[Segment]:
    corpus.account.clear()
    corpus.account.add(found)
    with ExitStack() as stack:
        # The archives of a whole modality stay open: their directories are long.
        joint = {place.path for of_row in places for place in of_row.values() if place.is_joint}
        archives = {path: stack.enter_context(open_npz(path)) for path in sorted(joint)}

        def load(place: Place) -> np.ndarray:
            if place.path in archives:
                return read_array(archives[place.path], place.name)
            with open_npz(place.path) as archive:
                return read_array(archive, place.name)

        def make(number: int) -> Segment | None:
            arrays = {name: load(place) for name, place in places[number].items()}
            return _make_segment(corpus, rows[number], arrays)

        numbers = grouped(range(len(rows)), lambda number: rows[number].video_id)
        yield from segments_of(numbers, lambda number: rows[number].id, make, corpus.account)


def _make_segment(corpus: Corpus, row: Row, arrays: Mapping[str, np.ndarray]) -> Segment | None:
    account = corpus.account
    features = usable({name: array for name, array in arrays.items() if len(array)}, corpus.aligned, account)
    if not features and not (corpus.vocabulary and row.words):
        account.drop(row.id, DropReason.NOTHING_SPOKEN if corpus.vocabulary else DropReason.NO_FEATURES)
        return None
    steps = {name: len(array) for name, array in features.items() if corpus.aligned[name]}
    if row.words and steps:
        steps["words"] = len(row.words)
    if len(set(steps.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in steps.items())
        account.drop(row.id, DropReason.LENGTHS_DISAGREE, listed)
        return None
    tokens = _drop_silence(corpus, row, features)
    if row.words and not tokens and (not features or any(corpus.aligned[name] for name in features)):
        account.drop(row.id, DropReason.NOTHING_SPOKEN)
        return None
    return Segment(row.id, row.video_id, features, storable(row.label, account), tokens)


def _drop_silence(corpus: Corpus, row: Row, features: dict[str, np.ndarray]) -> tuple[str, ...]:
    """The spoken words; the steps of the others go from the aligned modalities of `features`."""
    words, is_spoken = read_words(row.words, corpus.account)
    if not is_spoken.all():
        features.update({name: array[is_spoken] for name, array in features.items() if corpus.aligned[name]})
    return tuple(word for word, speaks in zip(words, is_spoken, strict=True) if speaks)
