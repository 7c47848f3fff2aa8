"""How clips are extracted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mmtrans.bounds import CLIP_SHIFT, FACE_FPS, SEGMENT_SECONDS, check_number
from mmtrans.clips.voice.columns import AUDIO_FEATURES, AudioColumns

#: What a step of a segment is: a word, or 10 ms.
STEPS = ("words", "frames")

#: Whether columns are relative to their median of a speaker.
NORMALISE = ("none", "speaker")


def model_name(given: str | Path) -> str:
    """A model as other processes find it: the whole path of a folder, or else a package's name."""
    return os.path.abspath(given) if os.path.isdir(given) else str(given)


@dataclass(frozen=True)
class ExtractSettings:
    """Settings of an extraction; a corpus is made with one set of them.

    Attributes:
        steps: `words` for the mean over each word, `frames` for each 10 ms.
        normalise: `speaker` for columns less their median of the speaker, divided by the median of what then is left.
        segment_seconds: the longest piece that a recording is cut into at its pauses.
        clip_shift: seconds added to the times of words that are given.
        face_fps: pictures a second in which the face is measured; 0 for none.
        expressions: whether faces have the seven expression scores, too.
        asr_model: a model that recognises the words of recordings without any; empty for none.
        audio_features: `voice` for our columns of a voice, `egemaps` for those that opensmile measures.

    Raises:
        ValueError: a setting is out of range.
    """

    steps: str = "words"
    normalise: str = "none"
    segment_seconds: float = 20.0
    clip_shift: float = 0.0
    face_fps: float = 10.0
    expressions: bool = False
    asr_model: str = ""
    audio_features: str = "voice"

    def __post_init__(self) -> None:
        choices = (("steps", STEPS), ("normalise", NORMALISE), ("audio_features", tuple(AUDIO_FEATURES)))
        for name, known in choices:
            if (given := getattr(self, name)) not in known:
                flag = name.replace("_", "-")
                raise ValueError(
                    f"Unknown choice of --{flag}. Expected one of {list(known)}. Received: {name}={given!r}. Name one."
                )
        check_number("--segment-seconds", self.segment_seconds, **SEGMENT_SECONDS)
        check_number("--clip-shift", self.clip_shift, **CLIP_SHIFT)
        check_number("--face-fps", self.face_fps, **FACE_FPS)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ExtractSettings:
        """The settings that a corpus tells of itself.

        Raises:
            ValueError: they are others than those that there are.
        """
        known = {field.name: type(field.default) for field in fields(cls)}
        is_known = settings.keys() <= known.keys()
        if not is_known or any(not isinstance(value, (known[name], int)) for name, value in settings.items()):
            raise ValueError(
                f"The settings of the clips are not understood. Expected {', '.join(known)}. "
                f"Received: {', '.join(sorted(settings))}. Extract them again, and train anew."
            )
        # Before faces were measured no setting told so.
        return cls(**{"face_fps": 0.0, **settings})

    @property
    def audio(self) -> AudioColumns:
        """The columns of audio."""
        return AUDIO_FEATURES[self.audio_features]

    def to_json(self) -> dict[str, object]:
        """The settings as JSON has them."""
        return asdict(self)
