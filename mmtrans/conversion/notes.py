"""What a conversion says of its records as a whole: what they lack, and which videos the folds leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmtrans.sources.corpus import Corpus
from tfrecords.manifest import Summary
from tfrecords.schema import MODALITIES


def unnamed_videos(corpus: Corpus, folds: Mapping[str, Sequence[str]], origin: str) -> Iterator[str]:
    """A sentence on the videos that are in no fold, where there are any."""
    named = {video for videos in folds.values() for video in videos}
    others = sorted(set(corpus.video_ids) - named)
    if others:
        listed = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        yield f"Videos in no fold ({origin}), which are left out: {len(others)} ({listed})."


def absences(summary: Mapping[str, Summary], *, has_words: bool, takes_glove: bool) -> Iterator[str]:
    """Sentences on what no segment has, or none of a split: labels, words' vectors, a modality.

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
        yield "No segment has a label: only translations can be trained on these records."
    if has_words and "text" not in somewhere:
        remedy = "Give word vectors with --glove FILE." if takes_glove else "Recipes cannot read T."
        yield f"The words have no vectors, so that there is no text modality. {remedy}"
    lacking = [name for name in MODALITIES if name not in somewhere and not (has_words and name == "text")]
    if lacking:
        yield f"No segment has {' or '.join(lacking)}."
    for split, names in present.items():
        others = [name for name in ("labels", *MODALITIES) if name in somewhere - names]
        if others:
            yield f"No segment of {split} has {' or '.join(others)}."
