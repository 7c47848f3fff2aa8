"""What `ground_truth.json` holds: the best scores that the equations of the synthetic corpus allow."""

from __future__ import annotations

from typing import TypedDict


class Scores(TypedDict):
    """Acc-2 in both conventions (labels of 0 left out, or counted as positive), and MAE."""

    acc2_non0: float
    acc2_has0: float
    mae: float


class SentimentTruth(Scores):
    """What the best predictor from a source is expected to reach, and split → what it reaches.

    A split is left out where none of its segments that have the source has a label other than 0.
    """

    splits: dict[str, Scores]


class TranslationTruth(TypedDict):
    """The R² that the best translation is expected to reach, and split → the one that it reaches."""

    r2: float
    splits: dict[str, float]


class Autocorrelation(TypedDict):
    """At lag 1: of what the best translation leaves, as expected and on these steps, and of the features themselves."""

    residual_expected: float
    residual: float
    features: float


class MajorityScores(TypedDict):
    """Segments of a split, share of its own majority class in both conventions, and MAE of the train mean."""

    segments: int
    majority_acc2_non0: float
    majority_acc2_has0: float
    mean_mae: float


class PremiseTruth(TypedDict):
    """What the world is like, as `Premise` has it: `affect`, `affect_channels` and `missing` by stream."""

    affect: dict[str, float]
    affect_channels: dict[str, int]
    disagree: float
    polarity: float
    labelled: float
    missing: dict[str, float]


class PlantedTruth(TypedDict):
    """Numbers of segments that bear a label, and that have a stream."""

    labelled: int
    audio: int
    video: int


class _OfOtherWorlds(TypedDict, total=False):
    """What is added where the world is not that of the embedded corpus.

    `unions` is by modalities, such as `text+audio`, and `planted` by split.
    """

    unions: dict[str, SentimentTruth]
    premise: PremiseTruth
    planted: dict[str, PlantedTruth]


class GroundTruth(_OfOtherWorlds):
    """Everything; `translation` is by recipe, `autocorrelation` by stream, `baselines` by split."""

    text: SentimentTruth
    audio: SentimentTruth
    video: SentimentTruth
    translation: dict[str, TranslationTruth]
    autocorrelation: dict[str, Autocorrelation]
    baselines: dict[str, MajorityScores]
    equations: str


class DependencyTruth(TypedDict):
    """Everything of a world with a planted dependency.

    `text`, `audio` and `video` are read alone, of one segment; `readers` has `best`, `segment` and `additive`.
    """

    text: SentimentTruth
    audio: SentimentTruth
    video: SentimentTruth
    dependency: str
    readers: dict[str, SentimentTruth]
    baselines: dict[str, MajorityScores]
    equations: str
