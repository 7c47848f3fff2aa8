"""What a user sees while a source is read: a bar on a terminal, with the time that is left."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmtrans.conversion.convert import Prepare
from mmtrans.conversion.prepare import Preparation, Prepared
from mmtrans.sources.corpus import Corpus
from mmtrans.system.console import Console


def with_progress(prepare: Prepare) -> Prepare:
    """Has a bar on stderr show how many of a corpus's videos are prepared, where that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[segments]} segments", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("videos", markup=False),
        TimeRemainingColumn(),
    )

    def shown(corpus: Corpus, preparation: Preparation, records_dir: Path) -> Generator[Prepared, None, None]:
        # Segments come in bursts: the speed is that of minutes.
        bar = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal, speed_estimate_period=600
        )
        with bar:
            task, videos = bar.add_task("", total=len(corpus.video_ids), segments=0), set()
            for number, segment in enumerate(prepare(corpus, preparation, records_dir), start=1):
                videos.add(segment.video_id)
                # A video is done when the next one begins.
                bar.update(task, completed=len(videos) - 1, segments=number)
                yield segment

    return shown
