"""Clips as a source of `mmtrans predict`: when their segments are spoken, and the plot of their course."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmtrans.system.console import warn
from mmtrans.system.files import check_new_file

if TYPE_CHECKING:
    from mmtrans.inference.predict import Prediction
    from mmtrans.inference.scorer import Scorer

#: Id of a segment → when it begins and ends in its recording, in seconds.
Times = Mapping[str, tuple[float, float]]

_IMAGES = (".png", ".svg", ".pdf")


def is_clips(arguments: argparse.Namespace) -> bool:
    """Whether SOURCE is clips: a video or sound file, a folder of such, or a `clips.csv`."""
    if arguments.source is None or arguments.format != "auto":
        return False
    from mmtrans.clips.listing import holds_clips

    return holds_clips(Path(arguments.source))


def check_plot(arguments: argparse.Namespace) -> None:
    """Raises a ValueError where --plot names no image, or what is scored has no times."""
    if arguments.plot is None:
        return
    if Path(arguments.plot).suffix not in _IMAGES:
        raise ValueError(
            f"The plot is an image. Expected --plot FILE.png, FILE.svg or FILE.pdf. Received: plot={arguments.plot}. "
            f"Rename it."
        )
    if not is_clips(arguments):
        raise ValueError(
            f"Only of clips is it known when each segment is spoken. Expected a video or sound file, a folder of such, "
            f"or clips.csv, for --plot. Received: source={arguments.source}. Leave --plot out."
        )
    check_new_file(arguments.plot, "--plot")


@contextlib.contextmanager
def extracted(arguments: argparse.Namespace, scorer: Scorer) -> Iterator[Times]:
    """A context in which SOURCE is a corpus that is made of its clips, and removed at the end.

    Yields:
        when each segment begins and ends.

    Raises:
        ValueError: as of `mmtrans.clip.extracted`.
    """
    from mmtrans import clip

    with clip.extracted(scorer, arguments.source, arguments.asr_model) as extraction:
        arguments.source = str(extraction.corpus)
        yield extraction.times


class Course:
    """Gathers what is predicted of clips, and draws it over their time.

    Args:
        path: the image; `None` where none is wanted.
        times: when each segment is spoken.
    """

    def __init__(self, path: str | None, times: Times | None) -> None:
        self._path, self._times = path, times or {}
        self._recordings: dict[str, list[tuple[float, float, float]]] = {}

    def add(self, prediction: Prediction) -> None:
        """Takes what a segment got."""
        if self._path is not None:
            from tfrecords.schema import video_of

            segment = (*self._times[prediction.id], prediction.score)
            self._recordings.setdefault(video_of(prediction.id), []).append(segment)

    def draw(self, scorer: Scorer) -> None:
        """Writes the image, where one is wanted."""
        if self._path is None:
            return
        from mmtrans.inference.course import MOST_RECORDINGS, plot_course

        segments = {name: sorted(each) for name, each in self._recordings.items()}
        plot_course(Path(self._path), segments, scorer.label)
        if len(segments) > MOST_RECORDINGS:
            warn(f"Note: The plot has the first {MOST_RECORDINGS} of {len(segments)} recordings.")
