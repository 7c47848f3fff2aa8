"""A sentiment model at work on segments in memory: of a trained run, or an exported SavedModel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmtrans.data.videos import numbers_of
from mmtrans.inference.graph import open_sentiment
from mmtrans.inference.influence import BATCH_SIZE, Parts, influence_of
from mmtrans.inference.opening import is_export, open_export
from mmtrans.inference.signature import Read, reads_apart
from mmtrans.runs.environment import Columns, label_of, source_files, text_of
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from tfrecords.manifest import TextColumns
from tfrecords.schema import LabelScale, segment_id


@dataclass(frozen=True)
class Scorer:
    """A sentiment model and what its segments must be like.

    Attributes:
        name: the path that the model was opened from, for messages.
        function: `(**features (batch, steps, dim), length (batch,))` → `{"score", "attention_weights"}`; where it reads
            whole videos also of `video_number` and `segment_number` `(batch,)`. Where it reads modalities apart,
            length is `(batch, modalities)`.
        modalities: modality → `dim`, `aligned` and perhaps `feature_names`, in the order of the recipe.
        max_steps: stream → longest stream that training read; the first steps count, as in conversion.
        label: the label's scale.
        steps_per_word: modality with steps at its own rate → its mean steps a word in training, where that is known.
        text: the encoder that gave the words their vectors in training, if one did.
        source_files: sha256 of the files that the training records were made of, where they are known.
        parts: of a model that holds its text encoder, `function` in two parts.
        extraction: `settings`, `packages` and `models` by which its clips were extracted, where it learned from clips.
        reads_videos: whether a score depends on the other segments of a video.

    Example:
        ```pycon
        >>> scorer = api.Scorer.open("run")
        >>> scores, attention_weights = scorer.score([{"text": np.zeros([6, 300])}])
        >>> scores.shape
        (1,)
        ```
    """

    name: str
    function: Callable
    modalities: Mapping[str, Read | Columns]
    max_steps: Mapping[str, int]
    label: LabelScale
    steps_per_word: Mapping[str, float] = field(default_factory=dict)
    text: TextColumns | None = None
    source_files: frozenset[str] | None = None
    parts: Parts | None = None
    extraction: Mapping[str, Mapping[str, Any]] | None = None
    reads_videos: bool = False

    @classmethod
    def open(cls, path: str | Path) -> Scorer:
        """Opens a run directory, or a directory made by `mmtrans export`. The latter is a program, whose files and
        operations are checked before it is loaded; run none that comes from somebody whom you do not trust.

        Raises:
            FileNotFoundError: there is neither a run nor an export.
            ValueError: the run is not finished; or the export is damaged, or holds what no export does.
        """
        path = Path(path)
        if is_export(path):
            signature, function, parts = open_export(path)
            modalities, data = signature["reads"], signature
            files = frozenset(signature["files"]) if "files" in signature else None
            extraction = signature.get("extraction")
            reads_videos = signature.get("reads_videos", False)
        else:
            run = Run.open(path)
            check_finished(run)
            (function, parts), data = open_sentiment(run), run.data
            modalities = {name: data["modalities"][name] for name in run.recipe.inputs.modalities}
            files = source_files(data, run.records_path, run.manifest_hash)
            extraction = run.data.get("extraction")
            reads_videos = run.recipe.inputs.reads_videos
        label, text = label_of(data), text_of(data)
        rates = data.get("steps_per_word", {})
        shaped = (modalities, data["max_steps"], label, rates, text)
        return cls(str(path), function, *shaped, files, parts, extraction, reads_videos)

    @property
    def reads_apart(self) -> bool:
        """Whether each modality is read at its own steps."""
        return reads_apart(self.modalities)

    def score(
        self, features: Sequence[Mapping[str, np.ndarray]], ids: Sequence[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of segments of any lengths: `(batch,)` and `(batch, steps)` float32.

        Args:
            features: one mapping a segment, modality → `(steps, dim)` float32, raw.
            ids: one a segment, such as `video[3]`, for a model that reads whole videos: segments of one video are each
                other's neighbours, in the order of their numbers. Without ids none has any.

        Raises:
            ValueError: a score is no finite number.
        """
        lengths = np.array([[len(arrays[name]) for name in self.modalities] for arrays in features], np.int32)
        inputs = {
            name: np.zeros((len(features), lengths.max(), info["dim"]), np.float32)
            for name, info in self.modalities.items()
        }
        for row, arrays in enumerate(features):
            for name, array in arrays.items():
                inputs[name][row, : len(array)] = array
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        numbers = _numbers(ids, len(features)) if self.reads_videos else {}
        length = tf.constant(lengths if self.reads_apart else lengths[:, 0])
        outputs = self.function(**tensors, length=length, **numbers)
        scores = outputs["score"].numpy()
        if not np.isfinite(scores).all():
            raise ValueError(
                f"The model gives scores that are no numbers. Expected finite ones. "
                f"Received: score={scores[~np.isfinite(scores)][0]} ({self.name}). Train it again."
            )
        return scores, outputs["attention_weights"].numpy()

    def influence(self, features: Mapping[str, np.ndarray], whole: float) -> np.ndarray:
        """The influence of each step of a segment, see `influence_of`. `features` are its own, `whole` its score. To a
        model that reads whole videos it is the only one of its video."""
        return next(self.influences([features], [whole]))

    def influences(self, features: Sequence[Mapping[str, np.ndarray]], wholes: Iterable[float]) -> Iterator[np.ndarray]:
        """The influence of each step of each segment of a video on the segment's score, while the others stay whole.

        Args:
            features: what `score` reads of the video's segments, in their order.
            wholes: their scores.
        """
        scorer, read = self, list(features)
        if self.parts is not None:
            read = [{"features": self.parts.vectors(each)} for each in features]
            columns: Read = {"dim": read[0]["features"].shape[1], "aligned": True}
            scorer = replace(self, function=self.parts.rest, modalities={"features": columns})
        size = max(1, BATCH_SIZE // len(read))
        for place, (own, whole) in enumerate(zip(read, wholes, strict=True)):
            score = partial(scorer._score_within, read[:place], read[place + 1 :])
            yield influence_of(score, own, whole, size)

    def _score_within(
        self, before: list, after: list, features: Sequence[Mapping[str, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of segments, each in a video of its own between copies of the same others."""
        size, place = len(before) + 1 + len(after), len(before)
        rows = [each for own in features for each in (*before, own, *after)]
        ids = [segment_id(str(row // size), row % size) for row in range(len(rows))]
        scores, weights = self.score(rows, ids)
        return scores[place::size], weights[place::size]

    def polarity(self, score: float) -> str:
        """`negative`, `neutral` or `positive`, by the label's neutral point."""
        above = score - self.label.neutral
        if above > 0:
            return "positive"
        return "negative" if above < 0 else "neutral"


def _numbers(ids: Sequence[str] | None, count: int) -> dict[str, tf.Tensor]:
    """The numbers of segments, see `numbers_of`; of segments without ids each is a video."""
    if ids is not None:
        return numbers_of(tf.constant(list(ids)))
    return {"video_number": tf.range(count, dtype=tf.int64), "segment_number": tf.zeros([count], tf.int64)}
