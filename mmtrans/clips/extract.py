"""From clips to a corpus in our plain format, recording by recording: what is done is not done again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from mmtrans import __version__
from mmtrans.clips.account import LeftOut, add_counts
from mmtrans.clips.listing import Listing, list_clips
from mmtrans.clips.models import check_packages, models_for
from mmtrans.clips.recordings import request_of
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.steps import normalised, statistics_of
from mmtrans.clips.store import ClipStore, Receipt
from mmtrans.clips.voice.columns import COLUMNS, FRAME_SECONDS, RATE_HZ, UNITS
from mmtrans.clips.work import measure
from mmtrans.engine.options import EngineOptions
from mmtrans.system import lease

#: So many steps of a speaker tell the median, taken evenly from all.
_MAX_STEPS_OF_SPEAKER = 100_000

#: Of fewer steps the median says little of a speaker.
MIN_STEPS_OF_SPEAKER = 20

#: Packages that decide what comes out.
_PACKAGES = ("av", "numpy", "scipy", "pocketsphinx")


class ExtractAccount(TypedDict):
    """What became of clips.

    `done_before` of the recordings were there already; `seconds` are those of sound that was decoded.
    """

    recordings: int
    done_before: int
    segments: int
    words: int
    speakers: int
    seconds: float
    files_aside: int
    counts: dict[str, float]
    left_out: list[LeftOut]


@dataclass(frozen=True)
class Extraction:
    """A corpus that was made: where it is, the account, and when each segment begins and ends, by its id."""

    corpus: Path
    account: ExtractAccount
    times: Mapping[str, tuple[float, float]]


def extract(
    clips: str | Path,
    corpus: str | Path,
    settings: ExtractSettings | None = None,
    *,
    options: EngineOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Extraction:
    """Measures clips, and writes a corpus that `mmtrans convert` reads.

    Stopped or killed, the same call goes on after the last recording that is whole.

    Args:
        clips: a video or sound file, a folder of such, or a table of clips.
        corpus: the directory to make.
        settings: how clips are extracted.
        options: where recordings are measured; in this process by default. What comes out is the same.
        progress: is called with the number of recordings that are done, and of all that are not done yet.

    Raises:
        FileNotFoundError: there is nothing at `clips`.
        ValueError: a package is missing, the table cannot be read, the directory holds something else or was begun with
            other settings, or nothing is left.
    """
    settings = settings or ExtractSettings()
    progress = progress or (lambda done, total: None)
    listing = list_clips(clips)
    check_packages(listing.recordings)
    with lease.held(corpus, "corpus"):
        store = ClipStore(Path(corpus))
        recordings = listing.recordings
        models = models_for(recordings)
        store.begin(settings.to_json(), models)
        store.forget_others(recording.name for recording in recordings)
        found = {recording.name: store.receipt(recording.name, request_of(recording)) for recording in recordings}
        missing = [recording for recording in recordings if found[recording.name] is None]
        if missing:
            store.forget_corpus()
            measured = measure(missing, store, settings, options or EngineOptions(), progress)
            with contextlib.closing(measured):
                found.update((receipt["recording"], receipt) for receipt in measured)
        receipts = [receipt for recording in recordings if (receipt := found[recording.name]) is not None]
        account = _account(listing, receipts, len(recordings) - len(missing))
        if not account["segments"]:
            store.abandon()
            raise _nothing_left(account, Path(clips))
        lease.check_held()
        told = _settings_json(settings, models, account)
        store.write_corpus(receipts, _final_arrays(store, receipts, settings), told)
    segments = [segment for receipt in receipts for segment in receipt["segments"]]
    return Extraction(Path(corpus), account, {each["id"]: (each["start"], each["end"]) for each in segments})


def versions() -> dict[str, str]:
    """Versions of the packages that decide what comes out, of those that are installed."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES if importlib.util.find_spec(name)}


def _account(listing: Listing, receipts: Sequence[Receipt], done_before: int) -> ExtractAccount:
    segments = [segment for receipt in receipts for segment in receipt["segments"]]
    return {
        "recordings": len(receipts),
        "done_before": done_before,
        "segments": len(segments),
        "words": sum(len(segment["words"]) for segment in segments),
        "speakers": len({segment["speaker"] for segment in segments}),
        "seconds": round(sum(receipt["seconds"] for receipt in receipts), 3),
        "files_aside": listing.files_aside,
        "counts": add_counts([receipt["counts"] for receipt in receipts]),
        "left_out": listing.account.left_out() + [left for receipt in receipts for left in receipt["left_out"]],
    }


def _nothing_left(account: ExtractAccount, clips: Path) -> ValueError:
    reasons = Counter(left["reason"] for left in account["left_out"])
    told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
    words = any(left["reason"] == "no word is spoken in it" for left in account["left_out"])
    remedy = "Give transcripts or words with times, or --steps frames" if words else "Give others"
    return ValueError(
        f"Of the clips no segment is left. Expected sound in which somebody speaks. Received: {told} ({clips}). "
        f"{remedy}."
    )


def _final_arrays(
    store: ClipStore, receipts: Sequence[Receipt], settings: ExtractSettings
) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of all segments, relative to their speakers where that is wanted."""
    statistics = _statistics(store, receipts) if settings.normalise == "speaker" else {}
    for receipt in receipts:
        for segment, array in store.arrays(receipt):
            known = statistics.get(segment["speaker"])
            yield segment["id"], array if known is None else normalised(array, *known)


def _statistics(store: ClipStore, receipts: Sequence[Receipt]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Median and spread of each speaker; those of all where a speaker has few steps."""
    totals: Counter[str] = Counter()
    for receipt in receipts:
        for segment in receipt["segments"]:
            totals[segment["speaker"]] += segment["steps"]
    few = [speaker for speaker, total in totals.items() if total < MIN_STEPS_OF_SPEAKER]
    found = {
        speaker: statistics_of(_sample(store, receipts, {speaker}, totals)) for speaker in totals.keys() - set(few)
    }
    if few:
        of_all = statistics_of(_sample(store, receipts, set(totals), totals))
        found.update(dict.fromkeys(few, of_all))
    return found


def _sample(store: ClipStore, receipts: Sequence[Receipt], speakers: set[str], totals: Mapping[str, int]) -> np.ndarray:
    """Steps `(steps, columns)` of some speakers, taken evenly where they are many."""
    every = -(-sum(totals[speaker] for speaker in speakers) // _MAX_STEPS_OF_SPEAKER)
    theirs = [receipt for receipt in receipts if any(segment["speaker"] in speakers for segment in receipt["segments"])]
    pairs = (pair for receipt in theirs for pair in store.arrays(receipt))
    return np.concatenate([array[::every] for segment, array in pairs if segment["speaker"] in speakers])


def _settings_json(settings: ExtractSettings, models: Mapping[str, str], account: ExtractAccount) -> dict[str, object]:
    unit = UNITS if settings.normalise == "none" else dict.fromkeys(COLUMNS, "spreads from the speaker's median")
    return {
        "columns": {"audio": list(COLUMNS)},
        "aligned": {"audio": settings.steps == "words"},
        "extraction": {
            "settings": settings.to_json(),
            "mmtrans": __version__,
            "packages": versions(),
            "models": dict(models),
            "sound_hz": RATE_HZ,
            "frame_seconds": FRAME_SECONDS,
            "steps": {"audio": "a word" if settings.steps == "words" else f"{FRAME_SECONDS:g} s"},
            "units": {"audio": unit},
            "account": {name: value for name, value in account.items() if name != "done_before"},
        },
    }
