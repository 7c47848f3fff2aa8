"""From clips to a corpus in our plain format, recording by recording: what is done is not done again."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mmtrans import __version__
from mmtrans.clips.account import LeftOut, add_counts
from mmtrans.clips.face.columns import units_of
from mmtrans.clips.lag import Lag, LagCurve
from mmtrans.clips.listing import Listing, list_clips
from mmtrans.clips.models import check_packages, models_for, versions_for
from mmtrans.clips.recordings import request_of
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.speakers import final_arrays
from mmtrans.clips.store import ARRAYS, ClipStore, Receipt
from mmtrans.clips.voice.columns import FRAME_SECONDS, RATE_HZ
from mmtrans.clips.work import measure
from mmtrans.engine.options import EngineOptions
from mmtrans.system import lease


class ExtractAccount(TypedDict):
    """What became of clips.

    `done_before` of the recordings were there already; `seconds` are those of sound that was decoded; `lag` tells how
    much later the sound is than words whose times were given.
    """

    recordings: int
    done_before: int
    segments: int
    words: int
    speakers: int
    seconds: float
    files_aside: int
    lag: Lag | None
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
    check_packages(listing.recordings, settings)
    with lease.held(corpus, "corpus"):
        store = ClipStore(Path(corpus))
        recordings = listing.recordings
        models = models_for(recordings, settings)
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
        account = _account(listing, store, receipts, len(recordings) - len(missing))
        if not account["segments"]:
            store.abandon()
            raise _nothing_left(account, Path(clips))
        lease.check_held()
        arrays = {name: final_arrays(store, receipts, name, settings) for name in modalities_of(receipts)}
        used = {"packages": versions_for(recordings, settings), "models": models}
        told = _settings_json(settings, used, account, modalities_of(receipts))
        store.write_corpus(receipts, arrays, told)
    segments = [segment for receipt in receipts for segment in receipt["segments"]]
    return Extraction(Path(corpus), account, {each["id"]: (each["start"], each["end"]) for each in segments})


def modalities_of(receipts: Sequence[Receipt]) -> list[str]:
    """The modalities that some segment has."""
    return [
        name for name in ARRAYS if any(name in each["steps"] for receipt in receipts for each in receipt["segments"])
    ]


def _account(listing: Listing, store: ClipStore, receipts: Sequence[Receipt], done_before: int) -> ExtractAccount:
    lag = LagCurve.empty()
    for receipt in receipts:
        lag.join(store.lag(receipt))
    segments = [segment for receipt in receipts for segment in receipt["segments"]]
    return {
        "recordings": len(receipts),
        "done_before": done_before,
        "segments": len(segments),
        "words": sum(len(segment["words"]) for segment in segments),
        "speakers": len({segment["speaker"] for segment in segments}),
        "seconds": round(sum(receipt["seconds"] for receipt in receipts), 3),
        "files_aside": listing.files_aside,
        "lag": lag.found(),
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


def _settings_json(
    settings: ExtractSettings,
    used: Mapping[str, Mapping[str, str]],
    account: ExtractAccount,
    modalities: Sequence[str],
) -> dict[str, object]:
    by_word = settings.steps == "words"
    seconds = {"audio": FRAME_SECONDS, "video": 1 / settings.face_fps if settings.face_fps else 0.0}
    units = {"audio": settings.audio.units, "video": units_of(expressions=settings.expressions)}
    if settings.normalise == "speaker":
        units = {name: dict.fromkeys(unit, "spreads from the speaker's median") for name, unit in units.items()}
    return {
        "columns": {name: list(units[name]) for name in modalities},
        "aligned": dict.fromkeys(modalities, by_word),
        "extraction": {
            "settings": settings.to_json(),
            "mmtrans": __version__,
            **used,
            "sound_hz": RATE_HZ,
            "frame_seconds": FRAME_SECONDS,
            "steps": {name: "a word" if by_word else f"{seconds[name]:g} s" for name in modalities},
            "units": {name: units[name] for name in modalities},
            "account": {name: value for name, value in account.items() if name != "done_before"},
        },
    }
