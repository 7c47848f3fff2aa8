"""Scores segments of any source with a trained run or an exported SavedModel, one batch in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from mmtrans.evaluation.suitability import STEPS, check_names, check_text, other_rates
from mmtrans.inference.graph import open_sentiment
from mmtrans.inference.influence import READ_ANEW, Parts, influence_of
from mmtrans.inference.opening import is_export, open_export
from mmtrans.inference.signature import Read
from mmtrans.runs.environment import Columns, label_of, source_files, text_of
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from tfrecords.manifest import TextColumns
from tfrecords.precision import rounded
from tfrecords.schema import LabelScale, Segment

BATCH_SIZE = 32


class SegmentSource(Protocol):
    """What is scored: an opened corpus, see `mmtrans.sources.corpus.Corpus`, or anything else with these parts."""

    @property
    def format(self) -> str: ...

    @property
    def files(self) -> Sequence[Path]: ...

    @property
    def feature_names(self) -> Mapping[str, Sequence[str]]: ...

    @property
    def aligned(self) -> Mapping[str, bool]: ...

    @property
    def ids_are_videos(self) -> bool: ...

    @property
    def text(self) -> TextColumns | None: ...

    @property
    def dropped(self) -> Sequence[Any]: ...

    @property
    def trouble(self) -> list[str]: ...

    @property
    def read(self) -> Callable[[], Iterator[Segment]]: ...


@dataclass(frozen=True)
class Prediction:
    """What one segment got.

    Attributes:
        id: the segment's id, as records have it, or as the source has it where that is its video's.
        score: sentiment, on the scale of the run's label.
        polarity: `negative`, `neutral` or `positive`: under, exactly at, or over the label's neutral point.
        words: the words that were read; empty where the source has none.
        attention_weights: `(steps,)` float32, one a word where features are aligned to words; a single 1 for a run
            with `representation=final`.
        influence: `(steps,)` float32, the change of the score that is each step's; NaN for the only step of a segment.
            `None` where it was not asked for.
    """

    id: str
    score: float
    polarity: str
    words: tuple[str, ...]
    attention_weights: np.ndarray
    influence: np.ndarray | None = None


@dataclass(frozen=True)
class Scorer:
    """A sentiment model and what its segments must be like.

    Attributes:
        name: the path that the model was opened from, for messages.
        function: `(**features (batch, steps, dim), length (batch,))` → `{"score", "attention_weights"}`.
        modalities: modality → `dim`, `aligned` and perhaps `feature_names`, in the order of the recipe.
        max_steps: stream → longest stream that training read; the first steps count, as in conversion.
        label: the label's scale.
        steps_per_word: modality with steps at its own rate → its mean steps a word in training, where that is known.
        text: the encoder that gave the words their vectors in training, if one did.
        source_files: sha256 of the files that the training records were made of, where they are known.
        parts: of a model that holds its text encoder, `function` in two parts.
        extraction: `settings`, `packages` and `models` by which its clips were extracted, where it learned from clips.

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
        else:
            run = Run.open(path)
            check_finished(run)
            (function, parts), data = open_sentiment(run), run.data
            modalities = {name: data["modalities"][name] for name in run.recipe.inputs.modalities}
            files = source_files(data, run.records_path, run.manifest_hash)
            extraction = run.data.get("extraction")
        label, text = label_of(data), text_of(data)
        rates = data.get("steps_per_word", {})
        return cls(str(path), function, modalities, data["max_steps"], label, rates, text, files, parts, extraction)

    def score(self, features: Sequence[Mapping[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Scores of segments of any lengths: `(batch,)` and `(batch, steps)` float32.

        Args:
            features: one mapping a segment, modality → `(steps, dim)` float32, raw.

        Raises:
            ValueError: a score is no finite number.
        """
        lengths = [len(next(iter(arrays.values()))) for arrays in features]
        inputs = {
            name: np.zeros((len(features), max(lengths), info["dim"]), np.float32)
            for name, info in self.modalities.items()
        }
        for row, arrays in enumerate(features):
            for name, array in arrays.items():
                inputs[name][row, : len(array)] = array
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        outputs = self.function(**tensors, length=tf.constant(lengths, tf.int32))
        scores = outputs["score"].numpy()
        if not np.isfinite(scores).all():
            raise ValueError(
                f"The model gives scores that are no numbers. Expected finite ones. "
                f"Received: score={scores[~np.isfinite(scores)][0]} ({self.name}). Train it again."
            )
        return scores, outputs["attention_weights"].numpy()

    def influence(self, features: Mapping[str, np.ndarray], whole: float) -> np.ndarray:
        """The influence of each step of a segment, see `influence_of`. `features` are its own, `whole` its score."""
        if self.parts is None:
            return influence_of(self.score, features, whole)
        vectors = self.parts.vectors(features)
        rest = replace(
            self, function=self.parts.rest, modalities={"features": {"dim": vectors.shape[1], "aligned": True}}
        )
        return influence_of(rest.score, {"features": vectors}, whole)

    def polarity(self, score: float) -> str:
        """`negative`, `neutral` or `positive`, by the label's neutral point."""
        above = score - self.label.neutral
        if above > 0:
            return "positive"
        return "negative" if above < 0 else "neutral"


def predict(
    scorer: Scorer, corpus: SegmentSource, counts: Counter | None = None, *, influence: bool = False
) -> Iterator[Prediction]:
    """Scores the segments of a corpus in the order in which it yields them, labelled or not.

    Segments without the modalities that the model reads are passed over; long ones are cut, and values rounded, as in
    its records. Other frames a word than in training are told in the corpus's `trouble`, since few segments may be of
    people who speak so; without words nothing can be compared.

    Args:
        scorer: the model.
        corpus: an opened source.
        counts: receives the counts `predicted`, `cut` (segments), `cut words`, and `without <modality>`, complete at
            the end.
        influence: whether each segment is scored again without each of its steps, to tell their influence.

    Raises:
        ValueError: the source lacks a modality, has other columns, names of them or steps than in training, or gives no
            segment.

    Example:
        ```pycon
        >>> scored = list(api.predict(api.Scorer.open("run"), api.open_corpus("corpus")))
        >>> len(scored[0].words) == len(scored[0].attention_weights)
        True
        ```
    """
    counts = Counter() if counts is None else counts
    _check_corpus(scorer, corpus)
    lengths = Counter()
    chosen = _choose(scorer, corpus, counts, lengths)
    while batch := list(islice(chosen, BATCH_SIZE)):
        features = [features for _, features in batch]
        for (segment, arrays), score, weights in zip(batch, *scorer.score(features), strict=True):
            steps = len(next(iter(arrays.values())))
            words = segment.tokens[: scorer.max_steps.get("aligned")]
            name = segment.video_id if corpus.ids_are_videos else segment.id
            shares = scorer.influence(arrays, score) if influence else None
            yield Prediction(name, float(score), scorer.polarity(score), words, weights[:steps], shares)
    if not counts["predicted"]:
        raise _nothing(scorer, corpus, counts)
    if influence and scorer.parts is None and scorer.text is not None and scorer.text.pieces:
        corpus.trouble.append(READ_ANEW)
    corpus.trouble.extend(_compare_rates(scorer, lengths))


def _check_corpus(scorer: Scorer, corpus: SegmentSource) -> None:
    missing = [name for name in scorer.modalities if corpus.aligned and name not in corpus.aligned]
    if missing:
        raise _missing(scorer, corpus, missing)
    for name, info in scorer.modalities.items():
        aligned = corpus.aligned.get(name, True)
        if aligned != info["aligned"]:
            raise ValueError(
                f"The source has other steps than training had. Expected {name} with {STEPS[info['aligned']]}. "
                f"Received: {STEPS[aligned]} ({_place(corpus)}). Give a source like that of the training records."
            )
        check_names(name, info.get("feature_names"), corpus.feature_names.get(name), _place(corpus))
    if "text" in scorer.modalities:
        check_text(scorer.text, corpus.text, _place(corpus))


def _choose(
    scorer: Scorer, corpus: SegmentSource, counts: Counter, lengths_read: Counter
) -> Iterator[tuple[Segment, dict[str, np.ndarray]]]:
    """Segments and what of them is read; `lengths_read` counts `words`, and the steps of segments that have them."""
    for segment in corpus.read():
        missing = [name for name in scorer.modalities if name not in segment.features]
        counts.update(f"without {name}" for name in missing)
        if missing:
            continue
        features = {name: segment.features[name] for name in scorer.modalities}
        lengths = {name: len(array) for name, array in features.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"Streams to concatenate must have the same steps. Expected one step a word. "
                f"Received: {lengths} ({segment.id}). Check the source's alignment."
            )
        for name, array in features.items():
            dim = scorer.modalities[name]["dim"]
            if array.shape[1] != dim:
                raise ValueError(
                    f"The source does not fit the model. Expected {dim} columns of {name}. "
                    f"Received: dim={array.shape[1]} ({segment.id}). Give the features that the model was trained on."
                )
            stream = "aligned" if scorer.modalities[name]["aligned"] else name
            kept = array[: scorer.max_steps.get(stream)]
            is_half = scorer.modalities[name].get("dtype") == "float16"
            features[name] = rounded(kept, name, segment.id) if is_half else kept
        counts["cut"] += any(len(array) < lengths[name] for name, array in features.items())
        counts["predicted"] += 1
        if segment.tokens:
            counts["cut words"] += len(segment.tokens[scorer.max_steps.get("aligned", len(segment.tokens)) :])
            lengths_read["words"] += len(segment.tokens[: scorer.max_steps.get("aligned")])
            lengths_read.update({name: len(array) for name, array in features.items()})
        yield segment, features


def _compare_rates(scorer: Scorer, lengths: Counter) -> Iterator[str]:
    """Sentences on modalities that have another rate of steps than in training."""
    words = lengths["words"]
    found = {name: lengths[name] / words for name in scorer.modalities if words}
    for name in other_rates(found, scorer.steps_per_word):
        yield (
            f"The source has another rate of steps than training had: {found[name]:.3g} steps of {name} a word, not "
            f"about {scorer.steps_per_word[name]:.3g}. Give features of the same frame rate, unless the speech is so "
            f"fast or slow."
        )


def _nothing(scorer: Scorer, corpus: SegmentSource, counts: Counter) -> ValueError:
    missing = [name for name in scorer.modalities if counts[f"without {name}"]]
    if missing:
        return _missing(scorer, corpus, missing)
    reasons = Counter(dropped.reason for dropped in corpus.dropped).most_common(3)
    return ValueError(
        f"The source gives no segments. Expected at least one. Received: {len(corpus.dropped)} dropped, "
        f"reasons={reasons} ({_place(corpus)}). Check that words, features and segments are of the same videos."
    )


def _missing(scorer: Scorer, corpus: SegmentSource, missing: list[str]) -> ValueError:
    remedy = "Give word vectors with --glove FILE" if missing == ["text"] else "Give a source that has it"
    return ValueError(
        f"The source lacks what the model reads. Expected {' and '.join(scorer.modalities)} ({scorer.name}). "
        f"Received: no {' and no '.join(missing)} ({_place(corpus)}). {remedy}."
    )


def _place(corpus: SegmentSource) -> str:
    return str(corpus.files[0]) if corpus.files else corpus.format
