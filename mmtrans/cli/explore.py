"""`mmtrans explore`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmtrans.system.console import say
from mmtrans.system.files import check_new_file


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


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes the page, and returns its path, its size and what is on it."""
    out = _place(arguments)
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.evaluation.suitability import open_records
    from mmtrans.explore.gather import gather
    from mmtrans.explore.render import plotting_library, to_html
    from mmtrans.runs.run import Run
    from mmtrans.system.files import write_atomically
    from mmtrans.training.train import make_deterministic

    make_deterministic()
    # Before minutes of work: a package may be missing.
    library = plotting_library()
    runs = [Run.open(path) for path in arguments.run_dirs]
    records = open_records(runs[0], arguments.data, tuple({"train", arguments.split}))
    page = gather(runs, records, arguments.split)
    text = to_html(page, library)
    write_atomically(out, text)
    size = len(text.encode("utf-8"))
    say(f"Written: {out} ({size / 1e6:.1f} MB), {len(page.segments)} segments. Open it in a browser.")
    return {
        "written": str(out),
        "bytes": size,
        "segments": len(page.segments),
        "videos": page.videos,
        "split": page.split,
        "runs": [view.name for view in page.runs],
    }


def _place(arguments: argparse.Namespace) -> Path:
    """Where the page goes; refuses what cannot be written, before anything is computed."""
    name = f"explore-{arguments.split}.html"
    beside = Path(arguments.run_dirs[0]) if len(arguments.run_dirs) == 1 else Path()
    out = Path(arguments.out or beside / name)
    if out.suffix != ".html":
        raise ValueError(
            f"The explorer is a page. Expected a file that ends in .html. Received: --out={out}. Rename it."
        )
    if arguments.out is not None:
        check_new_file(out, "--out")
    return out
