"""What a user sees while a source is read: a bar on a terminal, with the time that is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmtrans.sources.corpus import Corpus
from mmtrans.system.console import Console
from tfrecords.schema import Segment


def with_progress(corpus: Corpus) -> Corpus:
    """Wraps a corpus so that a bar on stderr shows how many of its videos are read, where that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[segments]} segments", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("videos", markup=False),
        TimeRemainingColumn(),
    )

    def read() -> Iterator[Segment]:
        # Segments come in bursts: the speed is that of minutes.
        bar = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal, speed_estimate_period=600
        )
        with bar:
            task, videos = bar.add_task("", total=len(corpus.video_ids), segments=0), set()
            for number, segment in enumerate(corpus.read(), start=1):
                videos.add(segment.video_id)
                # A video is done when the next one begins.
                bar.update(task, completed=len(videos) - 1, segments=number)
                yield segment

    return replace(corpus, read=read)
