"""The arrays of a corpus, relative to the median of each speaker where that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.steps import normalised, normalised_voice, statistics_of, statistics_of_voice
from mmtrans.clips.store import ClipStore, Receipt

#: So many steps of a speaker tell the median, taken evenly from all.
_MAX_STEPS_OF_SPEAKER = 100_000

#: Of fewer steps the median says little of a speaker.
MIN_STEPS_OF_SPEAKER = 20


def final_arrays(
    store: ClipStore, receipts: Sequence[Receipt], modality: str, settings: ExtractSettings
) -> Iterator[tuple[str, np.ndarray]]:
    """Id and array of all segments that have a modality, relative to their speakers where that is wanted."""
    by_speaker = settings.normalise == "speaker"
    relative = partial(normalised_voice, columns=settings.audio) if modality == "audio" else normalised
    statistics = _statistics(store, receipts, modality, settings) if by_speaker else {}
    for receipt in receipts:
        for segment, array in store.arrays(receipt, modality):
            known = statistics.get(segment["speaker"])
            yield segment["id"], array if known is None else relative(array, *known)


def _statistics(
    store: ClipStore, receipts: Sequence[Receipt], modality: str, settings: ExtractSettings
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Median and spread of each speaker; those of all where a speaker has few steps."""
    totals: Counter[str] = Counter()
    for receipt in receipts:
        for segment in receipt["segments"]:
            totals[segment["speaker"]] += segment["steps"].get(modality, 0)
    totals = +totals
    found_of = partial(statistics_of_voice, columns=settings.audio) if modality == "audio" else statistics_of
    few = [speaker for speaker, total in totals.items() if total < MIN_STEPS_OF_SPEAKER]
    found = {
        speaker: found_of(_sample(store, receipts, modality, {speaker}, totals)) for speaker in totals.keys() - set(few)
    }
    if few:
        of_all = found_of(_sample(store, receipts, modality, set(totals), totals))
        found.update(dict.fromkeys(few, of_all))
    return found


def _sample(
    store: ClipStore, receipts: Sequence[Receipt], modality: str, speakers: set[str], totals: Mapping[str, int]
) -> np.ndarray:
    """Steps `(steps, columns)` of some speakers, taken evenly where they are many."""
    every = -(-sum(totals[speaker] for speaker in speakers) // _MAX_STEPS_OF_SPEAKER)
    theirs = [receipt for receipt in receipts if any(segment["speaker"] in speakers for segment in receipt["segments"])]
    pairs = (pair for receipt in theirs for pair in store.arrays(receipt, modality))
    return np.concatenate([array[::every] for segment, array in pairs if segment["speaker"] in speakers])
