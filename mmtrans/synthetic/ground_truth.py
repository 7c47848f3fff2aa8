"""What `ground_truth.json` holds: scores of the best predictors, as expected and on the segments that were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from mmtrans.synthetic import world as world_equations
from mmtrans.synthetic.ceilings import (
    evidence_of,
    expected_scores,
    expected_translation,
    gls_weights,
    lag_one,
    r2,
)
from mmtrans.synthetic.channels import affect_channel, expected_channels
from mmtrans.synthetic.posterior import Evidence, Posterior, posterior_of, scores
from mmtrans.synthetic.premise import Planted, Premise
from mmtrans.synthetic.truth import (
    Autocorrelation,
    GroundTruth,
    MajorityScores,
    PlantedTruth,
    Scores,
    SentimentTruth,
    TranslationTruth,
)
from mmtrans.synthetic.world import AR_COEFFICIENT, CHANNELS, ECHO, Stream, Text, World
from tfrecords.schema import MODALITIES, SPLITS

PROSE = f"""
Word = (stem, polarity), independent of each other; vector = linear map of both + noise.
affect = {world_equations.POLARITY_GAIN} * mean polarity of the words + N(0, {world_equations.LABEL_NOISE_STD}^2);
label = 3 tanh(affect), rounded to fifths, a few to halves. Audio and video, word by word: seven channels
sqrt(text share) * (stem[t] + {ECHO} stem[t-1]) / sqrt(1 + {ECHO}^2) + AR(1), one channel gain * affect + AR(1),
AR coefficient {AR_COEFFICIENT}; a tight frame mixes them into the columns; a frame = its word's value + white noise.
The first figures are expectations over fresh segments, `splits` what the best predictors reach on these segments.
acc2_non0 leaves labels of 0 out, acc2_has0 counts them as positive. r2: columns standardised by train, against the
train mean, word means over the frames that are finite in every column.
"""
OPPOSITE = "In a share (premise.disagree) of the segments the words' part of the affect has the opposite sign."

#: Modalities that can be read together.
UNIONS = tuple(names for count in (2, 3) for names in combinations(MODALITIES, count))


def ground_truth(
    premise: Premise,
    world: World,
    text: Text,
    tenths: np.ndarray,
    fold: np.ndarray,
    means: Mapping[str, np.ndarray],
    planted: Planted,
) -> GroundTruth:
    """What the best predictors are expected to reach, and what they reach on these segments.

    Args:
        premise: what the world is like.
        world: what all segments share.
        text: words and labels.
        tenths: `(steps,)` durations.
        fold: `(videos,)` index into `SPLITS`.
        means: stream name → `(steps, dim)` float64, means of the finite frames of each word.
        planted: which segments have a label, and which a stream. Scores of a source are of those that have it.

    Returns:
        All that the file holds; `unions`, `premise` and `planted` only where the world is not that of the embedded
        corpus.
    """
    segment_fold = fold[text.video]
    by_segment = {split: segment_fold == index for index, split in enumerate(SPLITS)} | {"all": segment_fold >= 0}
    evidence: dict[str, Evidence] = {}
    translation: dict[str, TranslationTruth] = {}
    autocorrelation: dict[str, Autocorrelation] = {}
    for stream, recipe in zip(premise.streams, ("T->A", "T->V"), strict=True):
        mixing, offset, scale = (table[stream.name] for table in (world.mixing, world.offset, world.scale))
        target = means[stream.name]
        channel = (target / scale - offset) @ affect_channel(stream, mixing) * CHANNELS / stream.dim
        weights = gls_weights(stream, tenths * stream.frames_per_tenth, text.num_words)
        evidence[stream.name] = evidence_of(stream, channel, weights, text.num_words)
        best = (expected_channels(world, text, stream) @ mixing.T + offset) * scale
        here = {split: chosen & planted.present[stream.name] for split, chosen in by_segment.items()}
        translation[recipe], autocorrelation[stream.name] = _of_stream(stream, text, target, best, here)

    def of_label(*names: str) -> SentimentTruth:
        here = {split: chosen & planted.have(names) for split, chosen in by_segment.items()}
        return _of_label(premise, names, text, evidence, here)

    truth: GroundTruth = {
        "text": of_label("text"),
        "audio": of_label("audio"),
        "video": of_label("video"),
        "translation": translation,
        "autocorrelation": autocorrelation,
        "baselines": baselines(text.label, planted.labelled, by_segment),
        "equations": " ".join([*PROSE.split(), *([OPPOSITE] if premise.disagree else [])]),
    }
    if not premise.is_default:
        truth["unions"] = {"+".join(names): of_label(*names) for names in UNIONS}
        truth["premise"] = premise.described()
        truth["planted"] = {split: _counts(planted, chosen) for split, chosen in by_segment.items()}
    return truth


def _of_stream(
    stream: Stream, text: Text, target: np.ndarray, best: np.ndarray, by_segment: Mapping[str, np.ndarray]
) -> tuple[TranslationTruth, Autocorrelation]:
    """What the best translation into a stream, `best`, reaches, and how what it leaves hangs together in time."""
    by_step = {split: np.repeat(chosen, text.num_words) for split, chosen in by_segment.items()}
    here, spoken = by_step["all"], text.num_words[by_segment["all"]]
    expected_r2, expected_lag = expected_translation(stream, text.disagree)
    splits = {split: _short(r2(target, best, by_step["train"], chosen)) for split, chosen in by_step.items()}
    return {"r2": _short(expected_r2), "splits": splits}, {
        "residual_expected": _short(expected_lag),
        "residual": _short(lag_one((target - best)[here], spoken)),
        "features": _short(lag_one(target[here], spoken)),
    }


def _of_label(
    premise: Premise,
    names: tuple[str, ...],
    text: Text,
    evidence: Mapping[str, Evidence],
    by_segment: Mapping[str, np.ndarray],
) -> SentimentTruth:
    """Expected scores of the best predictor that reads the named modalities, and those on each split."""
    said = text.text_affect if "text" in names else None
    posterior = posterior_of(
        said, [evidence[name] for name in names if name in evidence], text.num_words, text.disagree
    )
    streams = tuple(stream for stream in premise.streams if stream.name in names)
    return sentiment_truth(
        expected_scores(streams, "text" in names, premise.disagree), posterior, text.label, by_segment
    )


def sentiment_truth(
    expected: Scores, posterior: Posterior, label: np.ndarray, by_segment: Mapping[str, np.ndarray]
) -> SentimentTruth:
    """Expected scores of a reader, and those on each split.

    Args:
        expected: its expected scores.
        posterior: what it knows of the affect of each segment.
        label: `(segments,)`.
        by_segment: split → `(segments,)` bool.
    """
    splits = {
        split: _short_scores(scores(posterior.of(chosen), label[chosen]))
        for split, chosen in by_segment.items()
        if label[chosen].any()  # else there is no sign to be told
    }
    return {**_short_scores(expected), "splits": splits}


def _counts(planted: Planted, chosen: np.ndarray) -> PlantedTruth:
    """Numbers of the chosen segments that have something."""
    audio, video = (int(planted.present[name][chosen].sum()) for name in ("audio", "video"))
    return {"labelled": int(planted.labelled[chosen].sum()), "audio": audio, "video": video}


def baselines(
    label: np.ndarray, labelled: np.ndarray, by_segment: Mapping[str, np.ndarray]
) -> dict[str, MajorityScores]:
    """Share of each split's own majority class, and MAE of the mean of the train labels that are told, or of all where
    none is."""
    told = by_segment["train"] & labelled
    mean = label[told if told.any() else by_segment["train"]].mean()
    return {
        split: {
            "segments": int(chosen.sum()),
            "majority_acc2_non0": _share(label[chosen & (label != 0)] > 0),
            "majority_acc2_has0": _share(label[chosen] >= 0),
            "mean_mae": _short(np.abs(label[chosen] - mean).mean()),
        }
        for split, chosen in by_segment.items()
    }


def _short_scores(found: Scores) -> Scores:
    return {
        "acc2_non0": _short(found["acc2_non0"]),
        "acc2_has0": _short(found["acc2_has0"]),
        "mae": _short(found["mae"]),
    }


def _share(positive: np.ndarray) -> float:
    return _short(max(positive.mean(), 1.0 - positive.mean()))


def _short(value: float) -> float:
    return round(float(value), 4)
