"""What a conversion says of its records as a whole: what they lack, and which videos the folds leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmtrans.sources.account import Note, Noted, list_some, note
from mmtrans.sources.corpus import Corpus
from tfrecords.manifest import Summary
from tfrecords.schema import MODALITIES


def unnamed_videos(corpus: Corpus, folds: Mapping[str, Sequence[str]], origin: str) -> Iterator[Note]:
    """A note on the videos that are in no fold, where there are any."""
    named = {video for videos in folds.values() for video in videos}
    others = sorted(set(corpus.video_ids) - named)
    if others:
        yield note(Noted.VIDEOS_IN_NO_FOLD, origin=origin, count=len(others), listed=list_some(others))


def absences(summary: Mapping[str, Summary], *, has_words: bool, takes_glove: bool) -> Iterator[Note]:
    """Notes on what no segment has, or none of a split: labels, words' vectors, a modality.

    Args:
        summary: split → what its segments are like.
        has_words: whether some segment has words.
        takes_glove: whether the words can be given vectors.
    """
    present = {
        split: {*of_split.rows, *(["labels"] if any(of_split.labels.values()) else [])}
        for split, of_split in summary.items()
    }
    somewhere = set().union(*present.values())
    if "labels" not in somewhere:
        yield note(Noted.NO_LABELS)
    if has_words and "text" not in somewhere:
        yield note(Noted.NO_VECTORS_YET if takes_glove else Noted.NO_VECTORS)
    lacking = [name for name in MODALITIES if name not in somewhere and not (has_words and name == "text")]
    if lacking:
        yield note(Noted.ABSENT, lacking=" or ".join(lacking))
    for split, names in present.items():
        others = [name for name in ("labels", *MODALITIES) if name in somewhere - names]
        if others:
            yield note(Noted.ABSENT_FROM_SPLIT, split=split, lacking=" or ".join(others))
