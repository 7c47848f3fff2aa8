"""Files of padded arrays → a `Corpus`: the one way from `(segments, steps, dim)` and labels to cleaned segments.

Rules. The side of the padding is found per array (`padded.padding`) and lengths are counted anew; stored ones
that differ are noted. Modalities whose arrays have as many steps as the text's are aligned and share the steps of a
segment: the union of the modalities' real steps, which is the text's length unless its outer words lack vectors. Arrays
padded on different sides are laid against each other by their real ends. NaN and infinities become 0. A modality that
is zero throughout a segment, or has other columns there than in most, is absent from it. The second segment of an id is
dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Account, DropReason, Note, Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.labels import ANY_LABEL, Labels, by_video, choose_label, choose_scale, storable
from mmtrans.sources.padded.folds import Fold, without_deviants, without_ids
from mmtrans.sources.padded.padding import (
    find_side,
    nonzero_steps,
    real_lengths,
    real_steps,
    shared_lengths,
)
from mmtrans.sources.segment_names import Name, are_videos, name_rows
from mmtrans.sources.segments import grouped, segments_of, usable
from mmtrans.sources.words import read_transcript
from tfrecords.schema import SPLITS, Segment, segment_id


@dataclass(frozen=True)
class _Table:
    """A fold with what was found out about it: names, and per modality the padding's side and real lengths `(n,)`."""

    fold: Fold
    names: Sequence[Name]
    sides: Mapping[str, str]
    lengths: Mapping[str, np.ndarray]


def open_padded(
    format: str,
    files: Sequence[Path],
    folds: Sequence[Fold],
    *,
    label: str | int | None = None,
    label_names: Sequence[str] = (),
    may_be_unit: bool = False,
    notes: Sequence[Note] = (),
) -> Corpus:
    """Makes a corpus of padded arrays, which stay in memory as long as it does.

    Args:
        format: name of the format.
        files: the files that were read; the first stands in messages.
        folds: the splits of the files, at least one.
        label: name or 0-based index of the label column, where there are several.
        label_names: names of the label columns, or none.
        may_be_unit: whether all label columns are sentiments, on MOSI's scale or on SIMS's.
        notes: the reader's own notes.

    Returns:
        The corpus; `folds` are the files' splits by video.

    Raises:
        ValueError: arrays of one split differ in their number of segments; a split whose columns are all others than
            most segments', or which has only numbers of tokens; no segments; no such label column.
    """
    notes = list(notes)
    folds = without_ids(sorted(folds, key=lambda fold: SPLITS.index(fold.split)), files[0], notes)
    folds, dims = without_deviants(folds, files[0])
    ids = [raw for fold in folds for raw in (fold.ids if fold.ids is not None else [None] * fold.size)]
    numbers = [row for fold in folds for row in (fold.labels if fold.labels is not None else [None] * fold.size)]
    named, own_folds, id_notes = name_rows(ids, [fold.split for fold in folds for _ in range(fold.size)], numbers)
    names = {fold.split: [next(following) for _ in range(fold.size)] for following in [iter(named)] for fold in folds}
    words_are_text = any(fold.words_are_text for fold in folds)
    aligned = dict.fromkeys(dims, False) if words_are_text else _find_aligned(folds, dims)
    notes += id_notes
    tables = [_measure(fold, names[fold.split], aligned, notes) for fold in folds]
    column, name = _choose(folds, label, label_names, files[0], notes)
    values = by_video(*_labelled(tables, column))
    labels = Labels(name, values, is_sentiment=may_be_unit or name == "sentiment", may_be_unit=may_be_unit)
    corpus = Corpus(
        format=format,
        files=files,
        label=choose_scale(labels, own_folds)[0],
        labels=labels,
        read=lambda: _read(corpus, tables, column),
        video_ids=list(dict.fromkeys(video for table in tables for video, _ in table.names)),
        folds=own_folds,
        ids_are_videos=are_videos(ids, named),
        aligned=aligned,
        vocabulary=_vocabulary(folds) if words_are_text else (),
        noted=notes,
    )
    return corpus


def _vocabulary(folds: Sequence[Fold]) -> list[str]:
    texts = [text for fold in folds for text in fold.transcripts or ()]
    return sorted({word for text in texts for word in read_transcript(text, Account())})


def _find_aligned(folds: Sequence[Fold], dims: Mapping[str, int]) -> dict[str, bool]:
    steps = {name: {fold.arrays[name].shape[1] for fold in folds if name in fold.arrays} for name in dims}
    claimed = {name for name in dims if any(name in fold.lengths for fold in folds)}
    # An array of one step is the mean over the segment, and that step is no word.
    means = {name for name in dims if steps[name] == {1} and any(other != {1} for other in steps.values())}
    # Stored lengths are those of unaligned files, where as many steps as the text has are a coincidence.
    apart = set(dims) - {"text"} if claimed else means
    reference = "text" if "text" in dims else next(iter(dims))
    together = {name for name in dims if name not in apart and _same_steps(folds, name, reference)}
    pieces = any("text" in fold.masks for fold in folds)
    # Steps of a text are words; steps of word pieces are so only for what follows them. Without text, either all agree
    # or nothing tells what the steps are.
    if (pieces and together == {"text"}) or (reference != "text" and together != set(dims)):
        together = set()
    return {name: name in together for name in dims}


def _same_steps(folds: Sequence[Fold], name: str, reference: str) -> bool:
    both = [fold for fold in folds if name in fold.arrays and reference in fold.arrays]
    return all(_lengths_agree(fold, name, reference) for fold in both)


def _lengths_agree(fold: Fold, name: str, reference: str) -> bool:
    lengths, others = fold.exact.get(name), fold.exact.get(reference)
    if lengths is None or others is None:
        return fold.arrays[name].shape[1] == fold.arrays[reference].shape[1]
    # A segment without the modality has no steps of it.
    both = (lengths > 0) & (others > 0)
    return bool((lengths == others)[both].all())


def _measure(fold: Fold, names: Sequence[Name], aligned: Mapping[str, bool], notes: list[Note]) -> _Table:
    nonzero = {name: nonzero_steps(array) & fold.masks.get(name, True) for name, array in fold.arrays.items()}
    sides = {name: "right" if name in fold.exact else find_side(real) for name, real in nonzero.items()}
    shared = [name for name in aligned if aligned[name] and name in nonzero]
    found = {sides[name] for name in shared} - {"none"}
    if len(found) > 1:
        where = ", ".join(f"{name} {sides[name]}" for name in shared)
        notes.append(note(Noted.PADDED_ON_SEVERAL_SIDES, split=fold.split, sides=where))
    elif found:
        sides |= dict.fromkeys(shared, found.pop())
    lengths = {name: real_lengths(real, sides[name]) for name, real in nonzero.items()}
    lengths |= fold.exact
    for name, claimed in fold.lengths.items():
        # A modality that is zero throughout has no length, whatever the file claims.
        differ = int(((claimed != lengths[name]) & (lengths[name] > 0)).sum())
        if differ:
            details = {"split": fold.split, "segments": fold.size, "modality": name, "side": sides[name]}
            notes.append(note(Noted.OTHER_LENGTHS, count=differ, **details))
    if shared:
        lengths |= dict.fromkeys(shared, shared_lengths({name: lengths[name] for name in shared}))
    return _Table(fold, names, sides, lengths)


def _choose(
    folds: Sequence[Fold], label: str | int | None, names: Sequence[str], path: Path, notes: list[Note]
) -> tuple[int, str]:
    tables = [fold.labels for fold in folds if fold.labels is not None and fold.size]
    widths = {table.shape[1] for table in tables}
    if len(widths) > 1 and label != ANY_LABEL:
        raise ValueError(
            f"Labels must have the same columns in all splits. Received: widths={sorted(widths)} ({path}). "
            f"Give files of one data set."
        )
    if not tables:
        if label not in (None, ANY_LABEL):
            raise ValueError(
                f"There are no labels to choose from. Expected labels in the source. Received: label={label!r} "
                f"({path}). Leave the label out."
            )
        return 0, "sentiment"
    return choose_label(names, widths.pop(), label, path, notes)


def _labelled(tables: Sequence[_Table], column: int) -> tuple[list[str], list[float]]:
    """Video and label of each row of the splits that have labels."""
    known = [(table.names, table.fold.labels) for table in tables if table.fold.labels is not None]
    videos = [video for names, _ in known for video, _ in names]
    return videos, [value for _, labels in known for value in labels[:, column].tolist()]


def _read(corpus: Corpus, tables: Sequence[_Table], column: int) -> Iterator[Segment]:
    corpus.account.clear()
    rows = (
        (table, row)
        for table in tables
        for row in grouped(range(table.fold.size), lambda row, table=table: table.names[row][0])
    )
    yield from segments_of(
        rows,
        lambda place: segment_id(*place[0].names[place[1]]),
        lambda place: _make_segment(corpus, *place, column),
        corpus.account,
    )


def _make_segment(corpus: Corpus, table: _Table, row: int, column: int) -> Segment | None:
    fold, account = table.fold, corpus.account
    video, index = table.names[row]
    odd = [name for name, deviates in fold.deviants.items() if deviates[row]]
    arrays = {name: _cut(table, name, row) for name in fold.arrays if name not in odd}
    features = usable(arrays, corpus.aligned, account, odd=odd)
    transcripts = None if any(corpus.aligned.values()) else fold.transcripts
    words_suffice = fold.words_are_text and transcripts is not None and read_transcript(transcripts[row], Account())
    if not features and not words_suffice:
        account.drop(segment_id(video, index), DropReason.ALL_ZERO)
        return None
    label = storable(float(fold.labels[row, column]) if fold.labels is not None else None, account)
    words = () if transcripts is None else read_transcript(transcripts[row], account)
    return Segment(segment_id(video, index), video, features, label, words)


def _cut(table: _Table, modality: str, row: int) -> np.ndarray:
    """The real steps, `(steps, dim)` numbers."""
    fold, side, length = table.fold, table.sides[modality], int(table.lengths[modality][row])
    array = real_steps(fold.arrays[modality][row], side, length)
    if modality in fold.masks:
        array = array.copy()
        array[~real_steps(fold.masks[modality][row], side, length)] = 0
    return array
