"""Alignment of a transcript to 16 kHz sound by pocketsphinx, with the model of American English that it ships."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mmtrans.clips.words.timed import TimedWord, fill, spread, words_of

#: Longer sounds are not aligned at once.
MAX_SECONDS = 120.0

#: Frames a second of the aligner.
_FRAMES = 100

#: What it ships and reads, in its folder of models.
MODEL_FILES = (
    "en-us/cmudict-en-us.dict",
    *(
        f"en-us/en-us/{name}"
        for name in (
            "feat.params",
            "mdef",
            "means",
            "noisedict",
            "sendump",
            "transition_matrices",
            "variances",
        )
    ),
)

#: Beams that are tried one after the other: the aligner's own, which is the most exact, and a wide one.
_BEAMS = ({}, {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80})

#: A transcript of which less is in the dictionary is of another language.
_LEAST_KNOWN = 0.5


@dataclass(frozen=True)
class Alignment:
    """Words with times.

    Attributes:
        words: the words of the transcript.
        unknown: how many of them are not in the dictionary.
        is_aligned: whether the sound fits them; else all are spread over it.
    """

    words: list[TimedWord]
    unknown: int
    is_aligned: bool


def align(transcript: str, samples: np.ndarray) -> Alignment:
    """Finds the times of words in the sound where they are spoken.

    Words that are not in the dictionary are spread between their neighbours, and all of them over the sound where it
    does not fit.

    Args:
        transcript: what is said.
        samples: `(samples,)` of 16 kHz, at most `MAX_SECONDS` long.
    """
    words = words_of(transcript)
    parts = [_parts_of(word) for word in words]
    unknown = sum(not part for part in parts)
    seconds = len(samples) / (160 * _FRAMES)
    times = None
    if words and unknown <= (1 - _LEAST_KNOWN) * len(words):
        times = _times_of([part for of_word in parts for part in of_word], samples)
    if times is None:
        return Alignment(spread(words, 0.0, seconds), unknown, False)
    place, of_words = 0, []
    for of_word in parts:
        inner = times[place : place + len(of_word)]
        of_words.append((inner[0][0], inner[-1][1]) if inner else None)
        place += len(of_word)
    return Alignment(fill(words, of_words, seconds), unknown, True)


@cache
def _decoder(beams: int) -> Any:
    import pocketsphinx

    return pocketsphinx.Decoder(lm=None, loglevel="FATAL", **_BEAMS[beams])


def _parts_of(word: str) -> list[str]:
    """Words of the dictionary that a word of a transcript is made of; none where one of them is not in it."""
    plain = word.lower().replace("\u2019", "'")
    parts = [part for part in (part.strip("'") for part in re.split(r"[^\w']+", plain)) if part]
    known = [part for part in parts if _decoder(0).lookup_word(part) is not None]
    return parts if len(known) == len(parts) else []


def _times_of(parts: Sequence[str], samples: np.ndarray) -> list[tuple[float, float]] | None:
    """Start and end of each word of the dictionary, or `None` where they do not fit the sound."""
    sound = np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()
    for number in range(len(_BEAMS)):
        decoder = _decoder(number)
        decoder.set_align_text(" ".join(parts))
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()
        # Marks of silence and of the sound's ends stand between angles, other pronunciations have a number.
        found = [piece for piece in decoder.seg() or () if piece.word[0] not in "<["]
        if [re.sub(r"\(\d+\)$", "", piece.word) for piece in found] == list(parts):
            return [(piece.start_frame / _FRAMES, (piece.end_frame + 1) / _FRAMES) for piece in found]
    return None
