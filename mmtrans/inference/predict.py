"""Scores segments of any source with a trained run or an exported SavedModel, one batch in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmtrans.data.videos import video_rows
from mmtrans.evaluation.suitability import STEPS, check_names, check_text, other_rates
from mmtrans.inference.influence import READ_ANEW
from mmtrans.inference.scorer import Scorer
from tfrecords.manifest import TextColumns
from tfrecords.precision import rounded
from tfrecords.schema import Segment

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


def predict(
    scorer: Scorer, corpus: SegmentSource, counts: Counter | None = None, *, influence: bool = False
) -> Iterator[Prediction]:
    """Scores the segments of a corpus in the order in which it yields them, labelled or not.

    Segments without the modalities that the model reads are passed over; long ones are cut, and values rounded, as in
    its records. Other frames a word than in training are told in the corpus's `trouble`, since few segments may be of
    people who speak so; without words nothing can be compared. For a model that reads whole videos the corpus is read
    to its end first, and held in memory.

    Args:
        scorer: the model.
        corpus: an opened source.
        counts: receives the counts `predicted`, `cut` (segments), `cut words`, and `without <modality>`, complete at
            the end.
        influence: whether each segment is scored again without each of its steps, to tell their influence.

    Raises:
        ValueError: the source lacks a modality, has other columns, names of them or steps than in training, or gives no
            segment; or influence is asked for of a model that reads each modality at its own steps.

    Example:
        ```pycon
        >>> scored = list(api.predict(api.Scorer.open("run"), api.open_corpus("corpus")))
        >>> len(scored[0].words) == len(scored[0].attention_weights)
        True
        ```
    """
    counts = Counter() if counts is None else counts
    if influence and scorer.reads_apart:
        raise ValueError(
            f"A step has no influence where each modality has steps of its own. Expected modalities that are aligned "
            f"to words. Received: {_told_steps(scorer)} ({scorer.name}). Ask for the scores alone."
        )
    _check_corpus(scorer, corpus)
    return _predictions(scorer, corpus, counts, influence)


def _predictions(scorer: Scorer, corpus: SegmentSource, counts: Counter, influence: bool) -> Iterator[Prediction]:
    lengths = Counter()
    chosen = _choose(scorer, corpus, counts, lengths)
    score = _score_videos if scorer.reads_videos else _score
    for segment, value, weights, shares in score(scorer, chosen, influence):
        words = segment.tokens[: scorer.max_steps.get("aligned")]
        name = segment.video_id if corpus.ids_are_videos else segment.id
        yield Prediction(name, value, scorer.polarity(value), words, weights, shares)
    if not counts["predicted"]:
        raise _nothing(scorer, corpus, counts)
    if influence and scorer.parts is None and scorer.text is not None and scorer.text.pieces:
        corpus.trouble.append(READ_ANEW)
    corpus.trouble.extend(_compare_rates(scorer, lengths))


#: A segment and what is read of it.
_Chosen = tuple[Segment, dict[str, np.ndarray]]

#: A segment, its score, its attention weights, and the influence of its steps.
_Scored = tuple[Segment, float, np.ndarray, np.ndarray | None]


def _score(scorer: Scorer, chosen: Iterator[_Chosen], influence: bool) -> Iterator[_Scored]:
    """Scores segments as they come, some at a time."""
    while batch := list(islice(chosen, BATCH_SIZE)):
        scored = scorer.score([arrays for _, arrays in batch])
        for (segment, arrays), score, weights in zip(batch, *scored, strict=True):
            steps = max(map(len, arrays.values()))
            yield segment, float(score), weights[:steps], scorer.influence(arrays, score) if influence else None


def _score_videos(scorer: Scorer, chosen: Iterator[_Chosen], influence: bool) -> Iterator[_Scored]:
    """Scores segments with their neighbours, video by video, and gives them in the order in which they came."""
    found: dict[int, _Scored] = {}
    held = list(chosen)
    ids = [segment.id for segment, _ in held]
    for rows in video_rows(ids).values():
        features = [held[row][1] for row in rows]
        scores, weights = scorer.score(features, [ids[row] for row in rows])
        shares = scorer.influences(features, scores) if influence else repeat(None)
        for row, score, own_weights, share in zip(rows, scores, weights, shares, strict=False):
            segment, arrays = held[row]
            found[row] = (segment, float(score), own_weights[: max(map(len, arrays.values()))], share)
    yield from (found[row] for row in range(len(held)))


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


def _choose(scorer: Scorer, corpus: SegmentSource, counts: Counter, lengths_read: Counter) -> Iterator[_Chosen]:
    """Segments and what of them is read; `lengths_read` counts `words`, and the steps of segments that have them."""
    modalities = scorer.modalities
    together = [name for name in modalities if modalities[name]["aligned"] or not scorer.reads_apart]
    for segment in corpus.read():
        missing = [name for name in scorer.modalities if name not in segment.features]
        counts.update(f"without {name}" for name in missing)
        if missing:
            continue
        features = {name: segment.features[name] for name in scorer.modalities}
        lengths = {name: len(array) for name, array in features.items()}
        if len({lengths[name] for name in together}) > 1:
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


def _told_steps(scorer: Scorer) -> str:
    return ", ".join(f"{name} with {STEPS[info['aligned']]}" for name, info in scorer.modalities.items())


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
