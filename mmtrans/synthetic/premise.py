"""What a made world is like: what people choose of it, and how they write it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from mmtrans.bounds import check_number
from mmtrans.synthetic.dependencies import DEPENDENCIES, PART_SHARE
from mmtrans.synthetic.truth import PremiseTruth
from mmtrans.synthetic.world import AUDIO, CHANNELS, VIDEO, Stream, choose_share
from tfrecords.schema import SPLITS

#: Whoever wants no labels at all has `unlabelled`; a stream that nobody has is no stream of the corpus.
LEAST_LABELLED, MOST_MISSING = 0.001, 0.99

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Premise:
    """What a made world is like. The default is that of the embedded corpus.

    Attributes:
        affect: stream → share of the affect in the variance of the channels that follow it.
        affect_channels: stream → number of its eight channels that follow the affect; unless given one, and seven
            follow the words' stems.
        disagree: share of the segments of each split whose label has the opposite sign of what the words say; voice
            and face follow the label.
        polarity: how far the polarity of a word moves its vector, where each of seven features of its stem moves it by
            1. The ceilings are the same, but few labels find less.
        labelled: share of the train segments that bear a label; those of valid and test all do.
        missing: stream → share of the segments of each split that lack it.
        dependency: one of `DEPENDENCIES`, by which the label hangs on the modalities; then nothing else is chosen.

    Raises:
        ValueError: an unknown stream or dependency, a number out of range, or a dependency with another choice.
    """

    affect: Mapping[str, float] = field(default_factory=dict)
    affect_channels: Mapping[str, int] = field(default_factory=dict)
    disagree: float = 0.0
    polarity: float = 1.0
    labelled: float = 1.0
    missing: Mapping[str, float] = field(default_factory=dict)
    dependency: str | None = None

    def __post_init__(self):
        _check_streams("--affect", self.affect, 0, 1)
        _check_streams("--affect-channels", self.affect_channels, 1, CHANNELS)
        check_number("--disagree", self.disagree, low=0, high=1)
        check_number("--polarity", self.polarity, low=0, high=1)
        check_number("--labelled", self.labelled, low=LEAST_LABELLED, high=1)
        _check_streams("--missing", self.missing, 0, MOST_MISSING)
        if self.dependency is not None:
            self._check_dependency(self.dependency)

    def _check_dependency(self, kind: str) -> None:
        if kind not in DEPENDENCIES:
            raise ValueError(
                f"--dependency is unknown. Expected one of {list(DEPENDENCIES)}. Received: dependency={kind!r}. "
                f"Correct the name."
            )
        default = Premise()
        chosen = [
            f"--{name.replace('_', '-')}"
            for name in (of.name for of in dataclasses.fields(self))
            if name != "dependency" and getattr(self, name) != getattr(default, name)
        ]
        if chosen:
            raise ValueError(
                f"A planted dependency has a world of its own. Expected --dependency without {', '.join(chosen)}. "
                f"Received: dependency={kind!r}. Leave one out."
            )

    @property
    def streams(self) -> tuple[Stream, Stream]:
        """Audio and video."""
        audio, video = (
            dataclasses.replace(
                stream,
                affect_share=self.affect.get(stream.name, self._share_of(stream)),
                affect_channels=self.affect_channels.get(stream.name, stream.affect_channels),
            )
            for stream in (AUDIO, VIDEO)
        )
        return audio, video

    def _share_of(self, stream: Stream) -> float:
        """The share where none is chosen."""
        return stream.affect_share if self.dependency is None else PART_SHARE

    @property
    def is_default(self) -> bool:
        """Whether the world is that of the embedded corpus."""
        others = self.disagree or self.polarity < 1 or self.labelled < 1 or self.has_missing
        return self.streams == (AUDIO, VIDEO) and not others

    @property
    def has_missing(self) -> bool:
        """Whether some segments lack a stream."""
        return any(self.missing.values())

    def described(self) -> PremiseTruth:
        """What `ground_truth.json` says of it."""
        return {
            "affect": {stream.name: stream.affect_share for stream in self.streams},
            "affect_channels": {stream.name: stream.affect_channels for stream in self.streams},
            "disagree": self.disagree,
            "polarity": self.polarity,
            "labelled": self.labelled,
            "missing": {stream.name: self.missing.get(stream.name, 0.0) for stream in self.streams},
        }


@dataclass(frozen=True)
class Planted:
    """Which segments bear a label, and which have a stream.

    Attributes:
        labelled: `(segments,)` bool.
        present: modality → `(segments,)` bool; all have text.
    """

    labelled: np.ndarray
    present: Mapping[str, np.ndarray]

    def have(self, names: Iterable[str]) -> np.ndarray:
        """`(segments,)` bool, those that have all of the named modalities."""
        return np.all([self.present[name] for name in names], axis=0)


def plant(rng: np.random.Generator, premise: Premise, fold: np.ndarray) -> Planted:
    """Choose the segments that lack a label or a stream; more of them include those of fewer.

    Args:
        rng: what to draw with.
        premise: the shares.
        fold: `(segments,)` int, index into `SPLITS`.
    """
    # Each choice has a generator of its own, so that none depends on another's share.
    of_label, *of_streams = rng.spawn(1 + len(premise.streams))
    present = {"text": np.ones(len(fold), dtype=bool)}
    for own, stream in zip(of_streams, premise.streams, strict=True):
        present[stream.name] = choose_share(own, 1.0 - premise.missing.get(stream.name, 0.0), fold, least=1)
    labelled = choose_share(of_label, premise.labelled, fold, least=1) | (fold != SPLITS.index("train"))
    return Planted(labelled, present)


def parse_streams(flag: str, text: str | None, kind: type[Number] = float) -> dict[str, Number]:
    """`"audio=.3,video=.1"` → `{"audio": 0.3, "video": 0.1}`; `None` → nothing.

    Args:
        flag: the flag that it was given to, for the message.
        text: what was given.
        kind: of the numbers, `float` or `int`.

    Raises:
        ValueError: a part that is no name and number, or a name given twice.
    """
    numbers: dict[str, Number] = {}
    for part in text.split(",") if text is not None else ():
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            if name in numbers or "_" in number or not number.isascii():
                raise ValueError(part)
            numbers[name] = kind(number)
        except ValueError:
            what, example = ("COUNT", "audio=4,video=2") if kind is int else ("SHARE", "audio=.3,video=.1")
            raise ValueError(
                f"{flag} is not understood. Expected audio={what}, video={what} or both, with a comma between them. "
                f"Received: {flag.removeprefix('--')}={text!r}. Write for example {flag} {example}."
            ) from None
    return numbers


def _check_streams(flag: str, numbers: Mapping[str, float], low: float, high: float) -> None:
    known = (AUDIO.name, VIDEO.name)
    for name, number in numbers.items():
        if name not in known:
            raise ValueError(
                f"{flag} names an unknown stream. Expected some of {list(known)}. "
                f"Received: {flag.removeprefix('--')}={name!r}. Correct the name."
            )
        check_number(f"{flag} {name}", number, low=low, high=high)
