"""Clips as a source of `mmtrans predict`: extracted for the moment, as the clips that the model learned from were."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmtrans.system.console import warn

if TYPE_CHECKING:
    from mmtrans.clips.settings import ExtractSettings
    from mmtrans.inference.predict import Scorer

#: Id of a segment → when it begins and ends in its recording, in seconds.
Times = Mapping[str, tuple[float, float]]


def is_clips(arguments: argparse.Namespace) -> bool:
    """Whether SOURCE is clips: a video or sound file, a folder of such, or a `clips.csv`."""
    if arguments.source is None or arguments.format != "auto":
        return False
    from mmtrans.clips.listing import holds_clips

    return holds_clips(Path(arguments.source))


@contextlib.contextmanager
def extracted(arguments: argparse.Namespace, scorer: Scorer) -> Iterator[Times]:
    """A context in which SOURCE is a corpus that is made of its clips, and removed at the end.

    Yields:
        when each segment begins and ends.

    Raises:
        ValueError: the model reads more than words, and learned from no clips; or `extract` raises one.
    """
    from mmtrans.clips.extract import extract, versions

    settings = _settings_of(scorer)
    learned = (scorer.extraction or {}).get("packages", {})
    others = [
        f"{name} {learned[name]}" for name, version in versions().items() if learned.get(name, version) != version
    ]
    if others:
        warn(f"Note: The clips that the model learned from were measured with {', '.join(others)}.")
    with tempfile.TemporaryDirectory(prefix="mmtrans-") as folder:
        extraction = extract(arguments.source, Path(folder) / "corpus", settings)
        for left in extraction.account["left_out"]:
            warn(f"Left out: {left['clip']}: {left['reason']}.")
        arguments.source = str(extraction.corpus)
        yield extraction.times


def _settings_of(scorer: Scorer) -> ExtractSettings:
    """How clips are extracted for a model."""
    from mmtrans.clips.settings import ExtractSettings

    if scorer.extraction is not None:
        return ExtractSettings.of(scorer.extraction["settings"])
    if set(scorer.modalities) != {"text"}:
        raise ValueError(
            f"The model has not learned from clips. Expected one whose corpus `mmtrans extract` made, or one that "
            f"reads words alone. Received: a model of other {' and '.join(scorer.modalities)} ({scorer.name}). "
            f"Train one on records of clips."
        )
    return ExtractSettings()
