"""From a clip to scores: it is extracted for the moment, as the clips that a model learned from were, and scored."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmtrans.clips.extract import Extraction, extract
from mmtrans.clips.listing import list_clips
from mmtrans.clips.models import check_models, models_for, versions_for
from mmtrans.clips.settings import ExtractSettings, model_name
from mmtrans.inference.predict import Prediction, predict
from mmtrans.inference.scorer import Scorer
from mmtrans.runs.run import Run
from mmtrans.sources.labels import ANY_LABEL
from mmtrans.sources.open import open_corpus
from mmtrans.system.console import warn
from mmtrans.text import vectors_for


@dataclass(frozen=True, kw_only=True)
class ClipPrediction(Prediction):
    """What a segment of a clip got, which is spoken from `start` to `end`, in seconds of the recording.

    Example:
        ```pycon
        >>> (spoken,) = api.predict_clip("words", "loved.ogg", glove="glove.txt")
        >>> spoken.start, spoken.end
        (0.0, 6.08)
        ```
    """

    start: float
    end: float


def predict_clip(
    model: Run | Scorer | str | Path,
    clips: str | Path,
    *,
    asr_model: str | Path | None = None,
    text_encoder: str | Path | None = None,
    glove: str | Path | None = None,
    influence: bool = False,
) -> list[ClipPrediction]:
    """Scores what is said in clips with a run, or an exported model, that learned from clips or reads words alone.

    Args:
        model: a run, an opened model, or the directory of either.
        clips: a video or sound file, a folder of such, or a table of clips.
        asr_model: what recognises the words of clips without any, as of `mmtrans extract`; by default as in training.
        text_encoder: where the run's encoder of words lies now; where it was at conversion without it.
        glove: where the run's file of word vectors lies now; needed unless it is a large one that was read here.
        influence: whether each step's influence is told.

    Returns:
        a prediction for each segment, in the order of the clips.

    Raises:
        FileNotFoundError: there is no such model, clip, encoder or file.
        ValueError: the model reads what clips do not give, or learned from clips that were measured with another model
            file; or nothing is said in the clips.

    Example:
        ```pycon
        >>> (spoken,) = api.predict_clip("words", "loved.ogg", glove="glove.txt")
        >>> spoken.words[:4]
        ('I', 'really', 'loved', 'this')
        ```
    """
    scorer = model if isinstance(model, Scorer) else Scorer.open(model.path if isinstance(model, Run) else model)
    reads_text = "text" in scorer.modalities
    vectors = vectors_for(scorer, text_encoder=text_encoder, glove=glove) if reads_text else {}
    with extracted(scorer, clips, asr_model) as extraction:
        corpus = open_corpus(extraction.corpus, label=ANY_LABEL, **vectors)
        found = list(predict(scorer, corpus, influence=influence))
    spoken = []
    for each in found:
        start, end = extraction.times[each.id]
        spoken.append(ClipPrediction(**vars(each), start=start, end=end))
    return spoken


@contextlib.contextmanager
def extracted(scorer: Scorer, clips: str | Path, asr_model: str | Path | None = None) -> Iterator[Extraction]:
    """A context in which there is a corpus of clips, extracted as those that a model learned from were.

    Args:
        scorer: the model.
        clips: as of `predict_clip`.
        asr_model: as of `predict_clip`.

    Raises:
        ValueError: as `predict_clip`; or `extract` raises one.
    """
    settings = settings_of(scorer)
    if asr_model is not None:
        settings = replace(settings, asr_model=model_name(asr_model))
    extraction = scorer.extraction or {}
    recordings = list_clips(clips).recordings
    check_models(extraction.get("models", {}), models_for(recordings, settings), scorer.name)
    learned = extraction.get("packages", {})
    used = versions_for(recordings, settings)
    others = [f"{name} {learned[name]}" for name, version in used.items() if learned.get(name, version) != version]
    if others:
        warn(f"Note: The clips that the model learned from were measured with {', '.join(others)}.")
    with tempfile.TemporaryDirectory(prefix="mmtrans-") as folder:
        found = extract(clips, Path(folder) / "corpus", settings)
        for left in found.account["left_out"]:
            warn(f"Left out: {left['clip']}: {left['reason']}.")
        yield found


def settings_of(scorer: Scorer) -> ExtractSettings:
    """How clips are extracted for a model; measured is no more than it reads.

    Raises:
        ValueError: the model reads more than words, and learned from no clips, or from those of another version.
    """
    if scorer.extraction is not None:
        settings = ExtractSettings.of(scorer.extraction["settings"])
        if "video" not in scorer.modalities:
            settings = replace(settings, face_fps=0.0)
        return settings if "audio" in scorer.modalities else replace(settings, audio_features="voice")
    if set(scorer.modalities) != {"text"}:
        raise ValueError(
            f"The model has not learned from clips. Expected one whose corpus `mmtrans extract` made, or one that "
            f"reads words alone. Received: a model of other {' and '.join(scorer.modalities)} ({scorer.name}). "
            f"Train one on records of clips."
        )
    return ExtractSettings(face_fps=0.0)
