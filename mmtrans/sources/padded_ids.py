"""Names of the segments in files of padded arrays: ids of one style, video and times, or none at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mmtrans.sources.ids import detect_style, parse_segment_id

Ids = Sequence | np.ndarray | None

_FROM_ONE = re.compile(r"(.+?)(?:_|\$_\$)([0-9]+)", re.DOTALL)


def name_segments(
    ids: Mapping[str, Ids], sizes: Mapping[str, int]
) -> tuple[dict[str, list[tuple[str, int]]], list[str]]:
    """Video id and 0-based index of every segment of a source.

    Ids of a known style are read as `mmtrans.sources.ids` says. Files that count from 0 in a style that counts from 1
    (they have an index 0) are read so, which is noted. Of rows `(video, start, end)` without an index, as in MOSEI's,
    the index is the rank in time within the video. Without ids each segment is a video of its own, `<split>_<row>`.

    Args:
        ids: split → the file's ids, or `None` where it has none.
        sizes: split → number of segments; as many as ids, where there are ids.

    Returns:
        split → `(video id, index)` for each segment, and notes for the user.

    Raises:
        ValueError: the ids are of no known style, or not text.
    """
    lacking = [split for split in sizes if ids[split] is None]
    if lacking:
        names = {split: [(f"{split}_{row}", 0) for row in range(size)] for split, size in sizes.items()}
        return names, [
            f"There are no segment ids ({', '.join(lacking)}): every segment counts as a video of its own, "
            f"so intervals by video are intervals by segment."
        ]
    rows = [row for split in sizes for row in ids[split]]
    if not rows:
        return {split: [] for split in sizes}, []
    timed = _read_times(rows)
    if timed is not None:
        named, notes = _rank_in_time(timed), ["The ids have no index: it is the rank in time within the video."]
    else:
        named, notes = _read_names(rows)
    places = np.cumsum([0, *sizes.values()])
    return {split: named[places[k] : places[k + 1]] for k, split in enumerate(sizes)}, notes


def split_folds(names: Mapping[str, Sequence[tuple[str, int]]]) -> tuple[dict[str, list[str]] | None, list[str]]:
    """The folds by video that the files' splits make.

    Args:
        names: split → `(video id, index)`.

    Returns:
        split → video ids, or `None` where a video stands in several splits; and notes for the user.
    """
    folds = {split: list(dict.fromkeys(video for video, _ in named)) for split, named in names.items()}
    counts = Counter(video for videos in folds.values() for video in videos)
    shared = sorted(video for video, count in counts.items() if count > 1)
    if not shared:
        return folds, []
    return None, [
        f"{len(shared)} of {len(counts)} videos have segments in several splits ({', '.join(shared[:3])}): the file's "
        f"splits would leak, and folds are taken from elsewhere. Name folds of videos with --folds FILE."
    ]


def _read_times(rows: Sequence) -> list[tuple[str, float, float]] | None:
    """`(video, start, end)` of each row, or `None` where the first cells are whole ids."""
    if any(not isinstance(row, (list, tuple, np.ndarray)) or len(np.shape(row)) != 1 or len(row) != 3 for row in rows):
        return None
    texts = [[_text(cell) for cell in row] for row in rows]
    firsts = Counter(text[0] for text in texts)
    whole = all(_FROM_ONE.fullmatch(first) or re.fullmatch(r".+\[[0-9]+\]", first) for first in firsts)
    if whole and len(firsts) == len({tuple(text) for text in texts}):
        return None
    try:
        return [(video, float(start), float(end)) for video, start, end in texts]
    except ValueError:
        return None


def _text(cell: object) -> str:
    return cell.decode("latin1") if isinstance(cell, bytes) else str(cell)


def _rank_in_time(timed: Sequence[tuple[str, float, float]]) -> list[tuple[str, int]]:
    ranks: dict[tuple[str, float, float], int] = {}
    counts: Counter[str] = Counter()
    for key in sorted(set(timed)):
        ranks[key] = counts[key[0]]
        counts[key[0]] += 1
    return [(key[0], ranks[key]) for key in timed]


def _read_names(rows: Sequence) -> tuple[list[tuple[str, int]], list[str]]:
    style = detect_style(rows)
    texts = [_text(np.ravel(row)[0]) if isinstance(row, (list, tuple, np.ndarray)) else _text(row) for row in rows]
    separator = {"underscore": "_", "dollar": "$_$"}.get(style)
    if separator is None or not any(int(text.rpartition(separator)[2]) == 0 for text in texts):
        return [parse_segment_id(row, style=style) for row in rows], []
    parts = [text.rpartition(separator) for text in texts]
    note = f"The ids (like {texts[0]!r}) count from 0 in a style that counts from 1 elsewhere: they are read from 0."
    return [(video, int(index)) for video, _, index in parts], [note]
