"""What a made world is like: what people choose of it, and how they write it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mmtrans.bounds import check_number
from mmtrans.synthetic.dependencies import DEPENDENCIES, PART_SHARE
from mmtrans.synthetic.truth import PremiseTruth
from mmtrans.synthetic.world import AUDIO, VIDEO, Stream, choose_share
from tfrecords.schema import SPLITS

#: Whoever wants no labels at all has `unlabelled`; a stream that nobody has is no stream of the corpus.
LEAST_LABELLED, MOST_MISSING = 0.001, 0.99


@dataclass(frozen=True)
class Premise:
    """What a made world is like. The default is that of the embedded corpus.

    Args:
        affect: stream → share of the affect in the variance of the one channel in eight that follows it.
        disagree: share of the segments of each split whose label has the opposite sign of what the words say; voice
            and face follow the label.
        labelled: share of the train segments that bear a label; those of valid and test all do.
        missing: stream → share of the segments of each split that lack it.
        dependency: one of `DEPENDENCIES`, by which the label hangs on the modalities; then nothing else is chosen.

    Raises:
        ValueError: an unknown stream or dependency, a share out of range, or a dependency with another choice.
    """

    affect: Mapping[str, float] = field(default_factory=dict)
    disagree: float = 0.0
    labelled: float = 1.0
    missing: Mapping[str, float] = field(default_factory=dict)
    dependency: str | None = None

    def __post_init__(self):
        _check_shares("--affect", self.affect, 1)
        check_number("--disagree", self.disagree, low=0, high=1)
        check_number("--labelled", self.labelled, low=LEAST_LABELLED, high=1)
        _check_shares("--missing", self.missing, MOST_MISSING)
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
            dataclasses.replace(stream, affect_share=self.affect.get(stream.name, self._share_of(stream)))
            for stream in (AUDIO, VIDEO)
        )
        return audio, video

    def _share_of(self, stream: Stream) -> float:
        """The share where none is chosen."""
        return stream.affect_share if self.dependency is None else PART_SHARE

    @property
    def is_default(self) -> bool:
        """Whether the world is that of the embedded corpus."""
        others = self.disagree or self.labelled < 1 or self.has_missing
        return self.streams == (AUDIO, VIDEO) and not others

    @property
    def has_missing(self) -> bool:
        """Whether some segments lack a stream."""
        return any(self.missing.values())

    def described(self) -> PremiseTruth:
        """What `ground_truth.json` says of it."""
        affect = {stream.name: stream.affect_share for stream in self.streams}
        missing = {stream.name: self.missing.get(stream.name, 0.0) for stream in self.streams}
        return {"affect": affect, "disagree": self.disagree, "labelled": self.labelled, "missing": missing}


@dataclass(frozen=True)
class Planted:
    """Which segments bear a label, and which have a stream.

    Args:
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


def parse_shares(flag: str, text: str | None) -> dict[str, float]:
    """`"audio=.3,video=.1"` → `{"audio": 0.3, "video": 0.1}`; `None` → nothing.

    Raises:
        ValueError: a part that is no name and number, or a name given twice.
    """
    shares: dict[str, float] = {}
    for part in text.split(",") if text is not None else ():
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            if name in shares or "_" in number or not number.isascii():
                raise ValueError(part)
            shares[name] = float(number)
        except ValueError:
            raise ValueError(
                f"{flag} is not understood. Expected audio=SHARE, video=SHARE or both, with a comma between them. "
                f"Received: {flag.removeprefix('--')}={text!r}. Write for example {flag} audio=.3,video=.1."
            ) from None
    return shares


def _check_shares(flag: str, shares: Mapping[str, float], most: float) -> None:
    known = (AUDIO.name, VIDEO.name)
    for name, share in shares.items():
        if name not in known:
            raise ValueError(
                f"{flag} names an unknown stream. Expected some of {list(known)}. "
                f"Received: {flag.removeprefix('--')}={name!r}. Correct the name."
            )
        check_number(f"{flag} {name}", share, low=0, high=most)
