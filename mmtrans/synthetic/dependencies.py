"""Worlds whose label hangs on the modalities in one planted way, which tell what a fusion can find.

additive: `affect = (words + voice + face) / sqrt(3) + noise`; each says its part, of the same variance.
sarcasm: `affect = sign * words + noise`; the voice says the sign, and both are equally likely.
long-range: one word of the first third is positive or negative, all others are neutral. In the last third the voice has
two events, one with the key of a positive word and one with that of a negative; each has a value, and both values are
equally likely. `affect = value of the event with the word's key + noise`.
neighbours: `affect = words of the segment before + noise`. What a video's first segment is about, nothing says.

Words, labels and noise are those of any synthetic corpus, but moods are of segments alone, so that else segments of a
video are independent. A voice and a face follow their part in the eighth channel. Events stand in the last two channels
of the voice, which have no other noise than that of frames, so that a reader is sure of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mmtrans.synthetic import world as equations
from mmtrans.synthetic.channels import draw_channels
from mmtrans.synthetic.world import AUDIO, POLARITIES, POLARITY_GAIN, VIDEO, Stream, Text, World

#: Share of a part in the variance of the channel that follows it.
PART_SHARE = 0.5

#: Lengths of segments with a long-range dependency, in words; and the factor of lengths before they are clipped.
LEAST_WORDS, MOST_WORDS, LONGER = 12, 40, 2

#: Affect that an event's value stands for, and how far an event's key and value are from zero in their channels.
VALUE, HEIGHT = 0.8, 2.0


@dataclass(frozen=True)
class Drawn:
    """Segments of a world with a planted dependency.

    Attributes:
        text: words and labels. What the words say, `text_affect`, is for `long-range` the key of the word that counts.
        parts: stream → `(segments,)` what its eighth channel follows; nothing of a stream that is left out.
        values: `(segments, 2)`, for `long-range` the values of the events with key -1 and with key 1.
    """

    text: Text
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: np.ndarray | None = None

    def channels(self, rng: np.random.Generator, world: World, stream: Stream) -> np.ndarray:
        """Draw the `(steps, 8)` channels of a stream."""
        nothing = np.zeros(len(self.text.label))
        followed = replace(self.text, text_affect=nothing, affect=self.parts.get(stream.name, nothing))
        channels = draw_channels(rng, world, followed, stream)
        if self.values is not None and stream.name == AUDIO.name:
            channels[:, -2:] = self._events(rng, self.values)
        return channels

    def _events(self, rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
        """`(steps, 2)` keys and values: zero but at two steps of the last third of each segment."""
        events = np.zeros((len(self.text.word), 2))
        for stop, count, own in zip(self.text.first + self.text.num_words, self.text.num_words, values, strict=True):
            steps = stop - 1 - rng.choice(count // 3, size=2, replace=False)
            events[steps] = np.stack([[-1.0, 1.0], np.sign(own)], axis=1)
        return HEIGHT * events


def part_std() -> float:
    """Standard deviation of a part that a voice or a face says: that of the affect of other worlds."""
    return float(np.sqrt(equations.affect_variance(equations.mean_words())))


def draw_dependency(rng: np.random.Generator, kind: str, world: World, segments_per_video: np.ndarray) -> Drawn:
    """Draw words, labels, and what streams say.

    Args:
        rng: what to draw with.
        kind: one of `DEPENDENCIES`.
        world: vocabulary.
        segments_per_video: `(videos,)` int.
    """
    video = np.repeat(np.arange(len(segments_per_video)), segments_per_video)
    num_words, polarity = (_one_loaded_word if kind == "long-range" else _moody_words)(rng, len(video))
    stem = rng.choice(equations.STEMS, size=len(polarity), p=world.stem_probabilities)
    first = np.cumsum(num_words) - num_words
    said = POLARITY_GAIN * np.add.reduceat(POLARITIES[polarity], first) / num_words
    blank = np.zeros(len(video))
    text = Text(video, num_words, stem * len(POLARITIES) + polarity, said, affect=blank, label=blank)
    meant, drawn = DEPENDENCIES[kind](rng, text)
    affect = meant + equations.LABEL_NOISE_STD * rng.standard_normal(len(video))
    return replace(drawn, text=replace(drawn.text, affect=affect, label=equations.round_labels(rng, affect)))


def _moody_words(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of words, `(segments,)`, and polarities by their index, `(steps,)`, which follow a segment's mood."""
    num_words = equations.draw_lengths(rng, count)
    mood = np.hypot(equations.VIDEO_MOOD_STD, equations.SEGMENT_MOOD_STD) * rng.standard_normal(count)
    cumulative = np.cumsum(equations.polarity_probabilities(mood), axis=1)[:, :-1]
    draws = rng.random(num_words.sum())
    return num_words, (draws[:, None] > np.repeat(cumulative, num_words, axis=0)).sum(axis=1)


def _one_loaded_word(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of segments that are long, and neutral but for one word of the first third."""
    num_words = np.clip(LONGER * equations.draw_lengths(rng, count), LEAST_WORDS, MOST_WORDS)
    polarity = np.full(num_words.sum(), len(POLARITIES) // 2)
    first = np.cumsum(num_words) - num_words
    polarity[first + rng.integers(num_words // 3)] = rng.choice([0, len(POLARITIES) - 1], size=count)
    return num_words, polarity


def _add(rng: np.random.Generator, text: Text) -> tuple[np.ndarray, Drawn]:
    voice, face = part_std() * rng.standard_normal((2, len(text.label)))
    return (text.text_affect + voice + face) / np.sqrt(3.0), Drawn(text, {AUDIO.name: voice, VIDEO.name: face})


def _flip(rng: np.random.Generator, text: Text) -> tuple[np.ndarray, Drawn]:
    sign = rng.choice([-1.0, 1.0], size=len(text.label))
    return sign * text.text_affect, Drawn(text, {AUDIO.name: part_std() * sign})


def _look_up(rng: np.random.Generator, text: Text) -> tuple[np.ndarray, Drawn]:
    key = np.sign(text.text_affect)
    values = VALUE * rng.choice([-1.0, 1.0], size=(len(key), 2))
    return np.where(key < 0, values[:, 0], values[:, 1]), Drawn(replace(text, text_affect=key), values=values)


def _look_back(rng: np.random.Generator, text: Text) -> tuple[np.ndarray, Drawn]:
    unsaid = part_std() * rng.standard_normal(len(text.label))
    return np.where(is_first(text), unsaid, np.roll(text.text_affect, 1)), Drawn(text)


def is_first(text: Text) -> np.ndarray:
    """`(segments,)` bool, the first segment of each video."""
    return np.diff(text.video, prepend=-1) > 0


#: Kind → draws the affect without its noise, `(segments,)`, and what the streams say.
DEPENDENCIES: Mapping[str, Callable[[np.random.Generator, Text], tuple[np.ndarray, Drawn]]] = {
    "additive": _add,
    "sarcasm": _flip,
    "long-range": _look_up,
    "neighbours": _look_back,
}
