"""`mmtrans explore`."""

from __future__ import annotations

import argparse
from typing import Any

from mmtrans.system.console import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "One page to look at the segments of a split in a browser: predicted against true, errors, a list to sort and "
        "filter, and of each segment where the run looked, what each word adds, its translation and its neighbours. "
        "The page needs no network and no other file. Several runs are shown side by side."
    )
    parser.add_argument("run_dirs", nargs="+", metavar="RUN", help="run directory made by `mmtrans train`")
    parser.add_argument(
        "--split",
        choices=("train", "valid", "test"),
        default="valid",
        help="default: valid; test only of runs that `mmtrans evaluate` has scored on it",
    )
    parser.add_argument(
        "--data",
        metavar="RECORDS",
        help="the runs' records where they lie now, or others: of those, segments that a run was trained on stay out",
    )
    parser.add_argument(
        "--out", metavar="FILE.html", help="the page (default: explore-SPLIT.html, of one run in its directory)"
    )
    parser.add_argument(
        "--clips",
        metavar="CLIPS",
        help="the clips of the segments, as `mmtrans extract` takes them: the page links to them, and plays them",
    )
    parser.add_argument(
        "--corpus", metavar="CORPUS", help="what `mmtrans extract` made of CLIPS: tells when each segment begins"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes the page, and returns its path, its size and what is on it."""
    if arguments.corpus is not None and arguments.clips is None:
        raise ValueError(
            f"Times are those of clips. Expected --clips CLIPS with --corpus. "
            f"Received: corpus={arguments.corpus} alone. Name the clips."
        )
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.cli.media import Media
    from mmtrans.explore.write import place_of_page, write_page
    from mmtrans.runs.run import Run
    from mmtrans.training.train import make_deterministic

    place = place_of_page(arguments.run_dirs, arguments.split, arguments.out)
    media = Media.read(arguments.clips, arguments.corpus) if arguments.clips is not None else None
    find_clips = None if media is None else lambda ids: media.find(ids, place.parent)
    make_deterministic()
    runs = [Run.open(path) for path in arguments.run_dirs]
    page = write_page(runs, arguments.split, place, arguments.data, find_clips)
    size = place.stat().st_size
    say(f"Written: {place} ({size / 1e6:.1f} MB), {len(page.segments)} segments. Open it in a browser.")
    if media is not None:
        say(f"{len(page.media)} of {len(page.segments)} segments have a clip, which the page finds where it is now.")
    return {
        "written": str(place),
        "bytes": size,
        "segments": len(page.segments),
        "videos": page.videos,
        "split": page.split,
        "runs": [view.name for view in page.runs],
        "clips": len(page.media),
    }
