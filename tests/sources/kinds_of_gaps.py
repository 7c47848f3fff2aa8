"""Kinds of gaps: segments that lack a modality, however their file says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.sources.format_files import truth
from tests.sources.kinds import AUDIO, PICKLES, WRITE, Kinds, Row, pickled

#: Labels of the segments without audio, the first of each split.
LACKING = (-3.0, 2.5, -0.5)

EMPTY = np.zeros((0, 5), np.float32)


def _lack_audio(corpus, segments) -> None:
    assert corpus.dropped == []
    assert len(segments) == 7
    assert {s.label for s in segments.values() if "audio" not in s.features} == set(LACKING)
    assert all("text" in segment.features for segment in segments.values())
    counts = ("audio: segments without it", "audio: segments where it is all zero, taken as without it")
    assert sum(corpus.cleaning[count] for count in counts) == len(LACKING)


def _of_rows(format: str, nothing: object) -> Row:
    def change(parts: dict) -> None:
        parts[AUDIO[format]] = [nothing, *parts[AUDIO[format]][1:]]

    return Row(pickled(format, change), check=_lack_audio)


def _of_segments(format: str, change: Callable[[dict], object]) -> Row:
    """The common corpus, whose segments' arrays undergo `change` where there shall be no audio."""

    def write(folder: Path) -> Path:
        segments = truth()
        for segment in segments:
            if segment.label in LACKING:
                change(segment.raw)
        return WRITE[format](folder, segments)

    return Row(write, check=_lack_audio)


def _sequences(folder: Path) -> Path:
    WRITE["csd"](folder)
    with h5py.File(folder / "audio.csd", "r+") as file:
        for segment in (segment for segment in truth() if segment.label in LACKING):
            entry = file[f"COVAREP/data/{segment.id}"]
            for name, values in (("features", EMPTY), ("intervals", np.zeros((0, 2)))):
                del entry[name]
                entry[name] = values
    return folder


KINDS: Kinds = {
    "segments without a modality": {
        **{format: _of_rows(format, None) for format in PICKLES},
        "misa": _of_segments("misa", lambda raw: raw.update(audio=None)),
        "csd": _of_segments("csd", lambda raw: raw.pop("audio")),
        "neutral": _of_segments("neutral", lambda raw: raw.pop("audio")),
        "mfn": _of_segments("mfn", lambda raw: raw.pop("audio")),
    },
    "segments whose modality is empty": {
        **{format: _of_rows(format, EMPTY) for format in PICKLES},
        "misa": _of_segments("misa", lambda raw: raw.update(audio=EMPTY)),
        "csd": Row(_sequences, check=_lack_audio),
        "neutral": _of_segments("neutral", lambda raw: raw.update(audio=EMPTY)),
        "mfn": "HDF5 holds one array for all.",
    },
}
