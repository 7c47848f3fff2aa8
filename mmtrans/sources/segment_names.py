"""Names of the segments of a source whose files have ids of some kind, or none: video id and index of each.

Ids of one known style are read as `mmtrans.sources.ids` says. That `v_3` is a segment of `v` is a guess, which is given
up where it contradicts the splits (`video_0001`, `video_0002`, … would be one video in all of them) or makes one video
of many ids. Then, and where no style fits all ids, each id is a video of its own, `<id>[0]`. Ids of no style of which
most repeat are videos of several segments, in the order of the file. Rows without an id are `<split>_<row>[0]`.

Ids that most splits share begin anew in each, or the splits hold the same segments, of which readers keep the first:
the labels tell. Where there are none, ids in brackets are taken for the same segments, and all others to begin anew.
What begins anew bears its split in its name.

Names are those of a file as a whole. In a part of it, a split for instance, nothing may contradict a guess, and ids do
not begin anew: its segments may have other names there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from mmtrans.sources.account import WITHIN_ITS_SPLIT, Note, Noted, note
from mmtrans.sources.ids import cells_of, find_style, id_text, parse_segment_id, style_of
from mmtrans.sources.numerals import parse_number
from tfrecords.schema import SPLITS

#: Video id and 0-based index.
Name = tuple[str, int]

#: A split, which may have to be known or not.
Split = TypeVar("Split", bound="str | None")

#: So many ids of one video are rather so many videos.
MIN_SUSPICIOUS = 10

#: Of ids that begin anew at least such a share has other labels in another split; classes agree by chance.
MIN_OTHER_LABELS = 0.2


def name_rows(
    ids: Sequence, splits: Sequence[str | None], labels: Sequence | None = None
) -> tuple[list[Name], dict[str, list[str]] | None, list[Note]]:
    """Video id and 0-based index of every segment of a source, and its folds.

    Ids are text, bytes or numbers, or rows `(id, …)` of several cells. Files that count from 0 in a style that counts
    from 1 (they have an index 0) are read so, which is noted. Of rows `(video, start, end)` without an index, as in
    MOSEI's, the index is the rank in time within the video.

    Args:
        ids: id of each segment, as the file has it; `None` for none.
        splits: split of each segment, `None` where the file does not tell.
        labels: label of each segment, a number or several, or `None`; without labels nothing is told by them.

    Returns:
        `(video id, index)` of each segment; the folds, as `split_folds` gives them, or `None` where not every segment
        has a split; and notes.
    """
    present = [place for place, raw in enumerate(ids) if id_text(raw)]
    labels = [None] * len(ids) if labels is None else labels
    names, notes = _name_present(*([each[place] for place in present] for each in (ids, splits, labels)))
    named, others = _name_others(dict(zip(present, names, strict=True)), splits)
    folds, found = split_folds(named, splits)
    return named, folds, notes + others + found


def are_videos(ids: Sequence, names: Sequence[Name]) -> bool:
    """Whether each id, as the file has it, is the video of the one segment that bears it."""
    named = [(cells_of(raw), *name) for raw, name in zip(ids, names, strict=True) if id_text(raw)]
    return bool(named) and all(index == 0 and video in (cells[0], ", ".join(cells)) for cells, video, index in named)


def split_folds(names: Sequence[Name], splits: Sequence[str | None]) -> tuple[dict[str, list[str]] | None, list[Note]]:
    """The folds by video that the files' splits of segments make.

    Returns:
        split → video ids, or `None` where segments have no split, or videos several; and notes.
    """
    known = [split for split in splits if split is not None]
    if len(known) < len(splits):
        return None, [note(Noted.SOME_WITHOUT_SPLIT)] if known else []
    folds: dict[str, list[str]] = {split: [] for split in SPLITS if split in known}
    pairs = _video_of_each(names, known)
    for split, video in pairs:
        folds[split].append(video)
    folds = {split: list(dict.fromkeys(videos)) for split, videos in folds.items()}
    shared = _shared(pairs)
    if not shared:
        return folds, []
    total = len({video for videos in folds.values() for video in videos})
    listed = ", ".join(shared[:3])
    return None, [note(Noted.SPLITS_WOULD_LEAK, count=len(shared), videos=total, listed=listed)]


def _name_others(named: Mapping[int, Name], splits: Sequence[str | None]) -> tuple[list[Name], list[Note]]:
    """The names of all rows, of which those without an id are called by split and row; a note, where there are any.

    Args:
        named: row → name, of the rows with an id.
        splits: split of each row, or `None`.
    """
    taken = {video for video, _ in named.values()}
    counts: Counter[str | None] = Counter()
    names: list[Name] = []
    lacking: list[str] = []
    for row, split in enumerate(splits):
        name = named.get(row)
        if name is None:
            video = f"{split or 'row'}_{counts[split]}"
            while video in taken:
                video = f"_{video}"
            name = (video, 0)
            lacking.append(video)
        names.append(name)
        counts[split] += 1
    if not lacking:
        return names, []
    if len(lacking) == len(names):
        return names, [note(Noted.NO_IDS)]
    return names, [note(Noted.SOME_WITHOUT_ID, count=len(lacking), listed=", ".join(lacking[:3]))]


def _name_present(rows: Sequence, splits: Sequence[str | None], labels: Sequence) -> tuple[list[Name], list[Note]]:
    timed = _read_times(rows)
    if timed is not None:
        return _rank_in_time(timed), [note(Noted.RANKED_IN_TIME)]
    texts = [id_text(row) for row in rows]
    style = find_style(texts)
    if style is None:
        if len(set(texts)) < len({cells_of(row) for row in rows}):
            # The first cell alone does not tell the rows apart.
            texts = [", ".join(cells_of(row)) for row in rows]
        return _name_by_id(texts, splits, Noted.IDS_OF_NO_STYLE) if texts else ([], [])
    begin_anew = _begin_anew(texts, splits)
    are_others = begin_anew and _have_other_labels(texts, splits, labels, default=style != "brackets")
    if are_others and style != "brackets":
        return _name_by_id(texts, splits, Noted.IDS_OF_SEVERAL_SPLITS)
    names, notes = _read_style(texts, style)
    if begin_anew:
        example = _shared(list(zip(splits, texts, strict=True)))[0]
        if are_others:
            names = [(_within(split, video), index) for split, (video, index) in zip(splits, names, strict=True)]
            notes.append(note(Noted.SHARED_IDS_APART, example=example, video=names[0][0]))
        else:
            notes.append(note(Noted.SHARED_IDS, example=example))
    if len(set(names)) < len(set(texts)):
        return _name_by_id(texts, splits, Noted.IDS_OF_ONE_NUMBER)
    videos = [video for video, _ in names]
    shared = _shared(_video_of_each(names, splits))
    alone = len(set(videos)) == 1 and len(set(texts)) >= MIN_SUSPICIOUS
    if shared and (style == "underscore" or (alone and style == "dollar")):
        return _name_by_id(texts, splits, Noted.IDS_OF_A_SHARED_VIDEO, video=shared[0])
    if alone and style == "underscore" and None in splits:
        return _name_by_id(texts, splits, Noted.IDS_OF_ONE_VIDEO, video=videos[0])
    return names, notes


def _read_style(texts: Sequence[str], style: str) -> tuple[list[Name], list[Note]]:
    first = style_of(style).first
    names = [parse_segment_id(text, style=style, first=0) for text in texts]
    if first == 0 or min(index for _, index in names) == 0:
        return names, [note(Noted.COUNTED_FROM_0, example=texts[0])] if first else []
    return [(video, index - first) for video, index in names], []


def _name_by_id(
    texts: Sequence[str], splits: Sequence[str | None], why: Noted, **details: str
) -> tuple[list[Name], list[Note]]:
    """Each id as a video of its own."""
    examples, within = ", ".join(map(repr, dict.fromkeys(texts[:3]))), ""
    if _begin_anew(texts, splits):
        texts = [_within(split, text) for split, text in zip(splits, texts, strict=True)]
        within = WITHIN_ITS_SPLIT
    counts = Counter(zip(splits, texts, strict=True))
    if 2 * sum(count for count in counts.values() if count > 1) <= len(texts):
        told = note(why, examples=examples, within=within, record=texts[0], **details)
        return [(text, 0) for text in texts], [told]
    seen: Counter[str] = Counter()
    names = []
    for text in texts:
        names.append((text, seen[text]))
        seen[text] += 1
    return names, [note(Noted.REPEATED_IDS, example=texts[0])]


def _begin_anew(texts: Sequence[str], splits: Sequence[str | None]) -> bool:
    """Whether most ids of some split stand in another one too: numbers and names that begin anew in each."""
    by_split: dict[str, set[str]] = {}
    for split, text in zip(splits, texts, strict=True):
        if split is not None:
            by_split.setdefault(split, set()).add(text)
    shared = set(_shared(list(zip(splits, texts, strict=True))))
    return any(2 * len(ids & shared) > len(ids) for ids in by_split.values())


def _within(split: str | None, name: str) -> str:
    return f"{split}_{name}" if split else name


def _have_other_labels(texts: Sequence[str], splits: Sequence[str | None], labels: Sequence, *, default: bool) -> bool:
    """Whether ids that splits share have other labels in each; `default` where no labels of such ids are known."""
    by_id: dict[str, dict[str, str]] = {}
    for text, split, label in zip(texts, splits, labels, strict=True):
        if split is not None and label is not None and not np.isnan(label).all():
            by_id.setdefault(text, {}).setdefault(split, str(np.ravel(label).tolist()))
    shared = [set(of_splits.values()) for of_splits in by_id.values() if len(of_splits) > 1]
    return sum(len(found) > 1 for found in shared) >= MIN_OTHER_LABELS * len(shared) if shared else default


def _video_of_each(names: Sequence[Name], splits: Sequence[Split]) -> list[tuple[Split, str]]:
    """Split and video of each segment, where it stands first: readers leave a second one of the same name out."""
    first: dict[Name, Split] = {}
    for name, split in zip(names, splits, strict=True):
        first.setdefault(name, split)
    return [(split, video) for (video, _), split in first.items()]


def _shared(pairs: Sequence[tuple[str | None, str]]) -> list[str]:
    """What stands in several known splits, sorted."""
    counts = Counter(video for split, video in set(pairs) if split is not None)
    return sorted(video for video, count in counts.items() if count > 1)


def _read_times(rows: Sequence) -> list[tuple[str, float, float]] | None:
    """`(video, start, end)` of each row, or `None` where the first cells are whole ids."""
    texts = [cells_of(row) for row in rows]
    if not texts or any(len(text) != 3 for text in texts):
        return None
    firsts = {text[0] for text in texts}
    if find_style(firsts, each=True) is not None and len(firsts) == len(set(texts)):
        return None
    try:
        timed = [(video, parse_number(start), parse_number(end)) for video, start, end in texts]
    except ValueError:
        return None
    return timed if np.isfinite([times for _, *times in timed]).all() else None


def _rank_in_time(timed: Sequence[tuple[str, float, float]]) -> list[Name]:
    ranks: dict[tuple[str, float, float], int] = {}
    counts: Counter[str] = Counter()
    for key in sorted(set(timed)):
        ranks[key] = counts[key[0]]
        counts[key[0]] += 1
    return [(key[0], ranks[key]) for key in timed]
