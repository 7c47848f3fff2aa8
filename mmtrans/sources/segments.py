"""Rules that readers share: the order of segments, ids that occur twice, and modalities that a segment lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from mmtrans.sources.account import Account, Cleaned, DropReason
from mmtrans.sources.cleaning import clean, to_float32
from tfrecords.schema import Segment

Row = TypeVar("Row")


def grouped(rows: Iterable[Row], video_of: Callable[[Row], str]) -> Iterator[Row]:
    """The rows of one video after the other, in the order in which the videos first occur."""
    by_video: dict[str, list[Row]] = {}
    for row in rows:
        by_video.setdefault(video_of(row), []).append(row)
    for of_video in by_video.values():
        yield from of_video


def segments_of(
    rows: Iterable[Row], id_of: Callable[[Row], str], make: Callable[[Row], Segment | None], account: Account
) -> Iterator[Segment]:
    """The segments of rows; once there is one with an id, a second one is left out.

    Args:
        rows: the rows, in the order of reading.
        id_of: a function that tells the id of a row's segment.
        make: a function that gives a row's segment, or drops it and gives `None`.
        account: the account that counts dropped duplicates.
    """
    given: set[str] = set()
    for row in rows:
        id = id_of(row)
        if id in given:
            account.drop(id, DropReason.DUPLICATE)
            continue
        segment = make(row)
        if segment is not None:
            given.add(id)
            yield segment


def usable(
    arrays: Mapping[str, np.ndarray], modalities: Iterable[str], account: Account, *, odd: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """A segment's features as float32, without cells that are not finite, and without modalities of zeros only.

    Args:
        arrays: modality → `(steps, dim)` numbers, of those that the segment has with the usual columns.
        modalities: the modalities of the source, in the order of the result; what the segment lacks is counted.
        account: the account that counts everything that is treated or lacking.
        odd: modalities that the segment has with other columns than most.
    """
    features = {}
    for modality in modalities:
        if modality not in arrays:
            is_odd = modality in odd
            account.count(Cleaned.SEGMENTS_OF_OTHER_COLUMNS if is_odd else Cleaned.SEGMENTS_WITHOUT, modality)
            continue
        stored, rounded = to_float32(arrays[modality])
        array, counts = clean(stored)
        account.count_all(modality, counts + rounded)
        if array.any():
            features[modality] = array
        else:
            account.count(Cleaned.SEGMENTS_OF_ZEROS, modality)
    return features
