"""The models and packages by which clips are measured: models are told by the sha256 of their files, packages by their
versions, as others give other numbers."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from mmtrans.clips.face.models import check_face_models, face_models
from mmtrans.clips.listing import Recording, may_have_picture
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.words import align, recognise
from mmtrans.clips.words.files import has_transcript, lacks_words
from tfrecords.manifest import file_sha256

ALIGNER, RECOGNISER = "aligner", "recogniser"


def models_for(recordings: Sequence[Recording], settings: ExtractSettings) -> dict[str, str]:
    """Name of each model that recordings are measured with → sha256 of its files; nothing of what is not installed.

    Raises:
        FileNotFoundError, ValueError: as of `mmtrans.clips.words.recognise.model_folder`.
    """
    found = {ALIGNER: _aligner()} if _needs_aligner(recordings) else {}
    if _needs_recogniser(recordings, settings):
        found[RECOGNISER] = _recogniser(settings.asr_model)
    if needs_face(recordings, settings):
        found |= face_models(expressions=settings.expressions)
    return {name: sha256 for name, sha256 in found.items() if sha256 is not None}


def _needs_aligner(recordings: Sequence[Recording]) -> bool:
    """Whether a transcript of one of them has to be aligned."""
    return any(has_transcript(each.path, [wanted.transcript for wanted in each.wanted]) for each in recordings)


def needs_face(recordings: Sequence[Recording], settings: ExtractSettings) -> bool:
    """Whether the face in one of them has to be measured."""
    return settings.face_fps > 0 and any(may_have_picture(each.path) for each in recordings)


def _needs_recogniser(recordings: Sequence[Recording], settings: ExtractSettings) -> bool:
    """Whether the words of one of them have to be recognised."""
    lacking = (lacks_words(each.path, [wanted.transcript for wanted in each.wanted]) for each in recordings)
    return bool(settings.asr_model) and any(lacking)


def check_models(learned: Mapping[str, str], found: Mapping[str, str], name: str) -> None:
    """Raises a ValueError where clips would be measured with another model than others, as those of training, were.

    Args:
        learned: name → sha256 of the models then; one that is not named there is not compared.
        found: the same of those here.
        name: whose models these are, for the message.
    """
    others = [each for each in found if learned.get(each, found[each]) != found[each]]
    if others:
        told = ", ".join(f"{each}={found[each][:12]} after {learned[each][:12]}" for each in others)
        raise ValueError(
            f"The clips would be measured with another model than those before. Expected files of the same sha256. "
            f"Received: {told} ({name}). Install what those were measured with, or begin anew."
        )


def versions_for(recordings: Sequence[Recording], settings: ExtractSettings) -> dict[str, str]:
    """Name of each package that decides what comes out of recordings → its version, of those that are installed."""
    names = ["av", "numpy", "scipy"]
    names += ["pocketsphinx"] if _needs_aligner(recordings) else []
    names += ["faster-whisper", "ctranslate2"] if _needs_recogniser(recordings, settings) else []
    names += ["ai-edge-litert", "pillow"] if needs_face(recordings, settings) else []
    names += ["opensmile"] if settings.audio_features == "egemaps" else []
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def check_packages(recordings: Sequence[Recording], settings: ExtractSettings) -> None:
    """Raises a ValueError where a package is not installed that recordings are measured with."""
    names = ["av", *(["pocketsphinx"] if _needs_aligner(recordings) else [])]
    is_recognised = _needs_recogniser(recordings, settings)
    names += ["faster_whisper"] if is_recognised else []
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"Packages that clips need are not installed. Expected {' and '.join(names)}. "
            f"Received: no {' and no '.join(missing)}. Install them with "
            f"`pip install 'mmtrans[clips{',asr' if is_recognised else ''}]'`."
        )
    if settings.audio_features == "egemaps" and importlib.util.find_spec("opensmile") is None:
        raise ValueError(
            "eGeMAPS is measured by opensmile, which is not installed. Expected opensmile 2.6, whose licence "
            "allows non-commercial purposes alone. Received: audio_features='egemaps', no opensmile. Install it with "
            "`pip install opensmile` if yours is one, or choose --audio-features voice."
        )
    if needs_face(recordings, settings):
        check_face_models(expressions=settings.expressions)


@cache
def _aligner() -> str | None:
    if importlib.util.find_spec("pocketsphinx") is None:
        return None
    import pocketsphinx

    return sha256_of(Path(pocketsphinx.get_model_path(name)) for name in align.MODEL_FILES)


@cache
def _recogniser(name: str) -> str:
    folder = recognise.model_folder(name)
    return sha256_of(folder / file for file in recognise.MODEL_FILES)


def sha256_of(files: Iterable[Path]) -> str:
    """One sha256 of several files, in their order."""
    return hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
