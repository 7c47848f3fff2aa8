"""What `ground_truth.json` holds of a world with a planted dependency: what readers reach who cannot see all of it.

Beside those of one modality of a segment there are: `best`, who reads all of a video; `segment`, who reads all three
modalities of one segment; and `additive`, who adds up what each modality of a segment tells by itself.

The ceiling of an additive reader is exact in its signs. Of `sarcasm`: change the signs of the words' part and of the
label, or of the voice's part and of the label, and the world is the same. The error is convex, so the mean over these
changes of a sum f(words) + g(voice) has no greater one, and that mean is zero. Of `long-range` the same holds for the
words' share of the sum, by changing the word's sign and all keys, so that the voice's is left: the mean of both values.
Of `additive` the sum is the affect itself, whose label is squashed: there its error is a bound that a sum of scores can
only come near.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from scipy.special import expit

from mmtrans.synthetic.ceilings import (
    MONTE_CARLO_SEGMENTS,
    evidence_of,
    expected_information,
    gls_weights,
)
from mmtrans.synthetic.dependencies import Drawn, draw_dependency, is_first, part_std
from mmtrans.synthetic.ground_truth import baselines, sentiment_truth
from mmtrans.synthetic.posterior import Evidence, Posterior, scores
from mmtrans.synthetic.truth import DependencyTruth, Scores
from mmtrans.synthetic.world import (
    CHANNELS,
    LABEL_NOISE_STD,
    Stream,
    World,
    draw_world,
    text_affect_variance,
)
from tfrecords.schema import MODALITIES, SPLITS

#: Segments of a video of the simulation.
_SEGMENTS = 20


def dependency_truth(
    kind: str,
    streams: tuple[Stream, ...],
    world: World,
    drawn: Drawn,
    tenths: np.ndarray,
    fold: np.ndarray,
    means: Mapping[str, np.ndarray],
) -> DependencyTruth:
    """What readers are expected to reach, and what they reach on these segments.

    Args:
        kind: one of `DEPENDENCIES`.
        streams: audio and video.
        world: what all segments share.
        drawn: words, labels, and what the streams say.
        tenths: `(steps,)` durations.
        fold: `(videos,)` index into `SPLITS`.
        means: stream name → `(steps, dim)` float64, means of the finite frames of each word.
    """
    text = drawn.text
    evidence = {}
    for stream in streams:
        values = means[stream.name] / world.scale[stream.name] - world.offset[stream.name]
        channel = values @ world.mixing[stream.name][:, -1] * CHANNELS / stream.dim
        weights = gls_weights(stream, tenths * stream.frames_per_tenth, text.num_words)
        evidence[stream.name] = evidence_of(stream, channel, weights, text.num_words)
    segment_fold = fold[text.video]
    by_segment = {split: segment_fold == index for index, split in enumerate(SPLITS)} | {"all": segment_fold >= 0}
    expected = expected_readers(kind, streams)
    found = {
        name: sentiment_truth(expected[name], posterior, text.label, by_segment)
        for name, posterior in readers(kind, drawn, evidence).items()
    }
    return {
        "text": found["text"],
        "audio": found["audio"],
        "video": found["video"],
        "dependency": kind,
        "readers": {name: found[name] for name in found if name not in MODALITIES},
        "baselines": baselines(text.label, np.ones(len(text.label), dtype=bool), by_segment),
        "equations": EQUATIONS[kind],
    }


@lru_cache
def expected_readers(kind: str, streams: tuple[Stream, ...]) -> Mapping[str, Scores]:
    """Reader → its scores over 100,000 fresh segments."""
    rng = np.random.default_rng(0)
    videos = np.full(MONTE_CARLO_SEGMENTS // _SEGMENTS, _SEGMENTS)
    drawn = draw_dependency(rng, kind, draw_world(rng), videos)
    evidence = {}
    for stream in streams:
        part = drawn.parts.get(stream.name, np.zeros(len(drawn.text.label)))
        information = expected_information(stream)[drawn.text.num_words - 1]
        noise = np.sqrt(information) * rng.standard_normal(len(part))
        evidence[stream.name] = Evidence(information, information * part + noise)
    return {name: scores(known, drawn.text.label) for name, known in readers(kind, drawn, evidence).items()}


def readers(kind: str, drawn: Drawn, evidence: Mapping[str, Evidence]) -> dict[str, Posterior]:
    """Reader → what it knows of the affects.

    Args:
        kind: one of `DEPENDENCIES`.
        drawn: words, and what the streams say.
        evidence: stream → what its eighth channel tells of its part.
    """
    count = len(drawn.text.label)
    # Its mean alone matters, as the affect is as likely above zero as below.
    nothing = Posterior(np.zeros((count, 1)), np.ones((count, 1)), np.ones((count, 1)))
    text = audio = video = additive = segment = nothing
    if kind == "additive":
        text, audio, video = (_sum(drawn, evidence, {name}) for name in MODALITIES)
        additive = segment = _sum(drawn, evidence, set(MODALITIES))
    elif kind == "sarcasm":
        segment = _flipped(drawn, evidence["audio"])
    elif drawn.values is not None:
        own = np.where(drawn.text.text_affect < 0, drawn.values[:, 0], drawn.values[:, 1])[:, None]
        audio = additive = _mixture(drawn.values, np.full(drawn.values.shape, 0.5))
        segment = _mixture(own, np.ones(own.shape))
    best = _before(drawn) if kind == "neighbours" else segment
    return {"text": text, "audio": audio, "video": video, "additive": additive, "segment": segment, "best": best}


def _sum(drawn: Drawn, evidence: Mapping[str, Evidence], read: set[str]) -> Posterior:
    """What is known of a sum of three parts of which some are read."""
    said, num_words = drawn.text.text_affect, drawn.text.num_words
    mean = said if "text" in read else np.zeros(len(said))
    variance = np.zeros(len(said)) if "text" in read else text_affect_variance(num_words)
    for name, found in evidence.items():
        left = 1.0 / (found.information * (name in read) + 1.0 / part_std() ** 2)
        mean, variance = mean + left * found.weighted * (name in read), variance + left
    std = np.sqrt(variance / 3.0 + LABEL_NOISE_STD**2)[:, None]
    return Posterior(mean[:, None] / np.sqrt(3.0), std, np.ones(std.shape))


def _flipped(drawn: Drawn, voice: Evidence) -> Posterior:
    """What is known of the words' affect times a sign that the voice says."""
    positive = expit(2.0 * part_std() * voice.weighted)
    said = drawn.text.text_affect
    return _mixture(np.stack([said, -said], axis=1), np.stack([positive, 1.0 - positive], axis=1))


def _before(drawn: Drawn) -> Posterior:
    """What is known by who has heard the words of the segment before."""
    unheard = is_first(drawn.text)
    mean = np.where(unheard, 0.0, np.roll(drawn.text.text_affect, 1))[:, None]
    std = np.where(unheard, np.hypot(part_std(), LABEL_NOISE_STD), LABEL_NOISE_STD)[:, None]
    return Posterior(mean, std, np.ones(mean.shape))


def _mixture(means: np.ndarray, weights: np.ndarray) -> Posterior:
    return Posterior(means, np.full(means.shape, LABEL_NOISE_STD), weights)


_LABEL = f"noise: N(0, {LABEL_NOISE_STD}^2); label = 3 tanh(affect), rounded to fifths, a few to halves."

#: Kind → what the affect is, for people.
EQUATIONS = {
    "additive": f"affect = (words + voice + face) / sqrt(3) + noise; {_LABEL}",
    "sarcasm": f"affect = sign * words + noise; the voice says the sign; {_LABEL}",
    "long-range": (
        "affect = value of that of two late events of the voice whose key is the sign of the one early word that is "
        f"not neutral, + noise; {_LABEL}"
    ),
    "neighbours": f"affect = words of the segment before + noise; of a first segment nothing is said; {_LABEL}",
}
