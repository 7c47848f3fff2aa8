"""What a made world is like: what people choose of it, and how they write it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmtrans.bounds import check_number
from mmtrans.synthetic.truth import PremiseTruth
from mmtrans.synthetic.world import AUDIO, VIDEO, Stream


@dataclass(frozen=True)
class Premise:
    """What a made world is like. The default is that of the embedded corpus.

    Args:
        affect: stream → share of the affect in the variance of the one channel in eight that follows it.
        disagree: share of the segments of each split whose label has the opposite sign of what the words say; voice
            and face follow the label.

    Raises:
        ValueError: an unknown stream, or a share out of range.
    """

    affect: Mapping[str, float] = field(default_factory=dict)
    disagree: float = 0.0

    def __post_init__(self):
        _check_shares("--affect", self.affect)
        check_number("--disagree", self.disagree, low=0, high=1)

    @property
    def streams(self) -> tuple[Stream, Stream]:
        """Audio and video."""
        audio, video = (
            dataclasses.replace(stream, affect_share=self.affect.get(stream.name, stream.affect_share))
            for stream in (AUDIO, VIDEO)
        )
        return audio, video

    @property
    def is_default(self) -> bool:
        """Whether the world is that of the embedded corpus."""
        return self.streams == (AUDIO, VIDEO) and not self.disagree

    def described(self) -> PremiseTruth:
        """What `ground_truth.json` says of it."""
        affect = {stream.name: stream.affect_share for stream in self.streams}
        return {"affect": affect, "disagree": self.disagree}


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


def _check_shares(flag: str, shares: Mapping[str, float]) -> None:
    known = (AUDIO.name, VIDEO.name)
    for name, share in shares.items():
        if name not in known:
            raise ValueError(
                f"{flag} names an unknown stream. Expected some of {list(known)}. "
                f"Received: {flag.removeprefix('--')}={name!r}. Correct the name."
            )
        check_number(f"{flag} {name}", share, low=0, high=1)
