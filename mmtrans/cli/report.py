"""`mmtrans report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmtrans.system.console import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Report a grid, finished or not: the paper's numbers beside the measured ones, intervals and tests over "
        "videos and seeds, controls, plots. Writes one HTML page, and beside it the same as Markdown and CSV."
    )
    parser.add_argument("grid_dir", metavar="DIR", help="directory made by `mmtrans grid`")
    parser.add_argument("--out", metavar="FILE.html", help="the page (default: DIR/report.html)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes the report and returns its paths, its sentences and the errors."""
    if arguments.out is not None:
        _check_out(Path(arguments.out))
    from mmtrans.report.collect import collect
    from mmtrans.report.compare import compute
    from mmtrans.report.render import make_report, to_csv, to_html, to_markdown
    from mmtrans.system.files import check_new_file, write_atomically

    grid = collect(arguments.grid_dir)
    out = Path(arguments.out or grid.path / "report.html")
    paths = [out.with_suffix(suffix) for suffix in (".html", ".md", ".csv")]
    for path in paths:
        check_new_file(path, "--out")
    results = compute(grid)
    report = make_report(grid, results)
    for path, text in zip(paths, (to_html(report), to_markdown(report), to_csv(results)), strict=True):
        write_atomically(path, text)
    for sentence in report.summary:
        say(f"- {sentence}")
    say(f"Written: {', '.join(map(str, paths))}.")
    return {
        "written": [str(path) for path in paths],
        "summary": report.summary,
        "runs": grid.num_finished,
        "expected": grid.num_expected,
        "mae": {variant.title: row.figures["mae"].mean for variant, row in results.rows.items()},
    }


def _check_out(out: Path) -> None:
    """Refuses a file that cannot be written, before anything is computed."""
    if out.suffix != ".html":
        raise ValueError(
            f"The report is a page. Expected a file that ends in .html. Received: --out={out}. "
            "The Markdown and CSV files get the same name with .md and .csv."
        )
    if not out.parent.is_dir():
        raise FileNotFoundError(
            f"No such directory. Expected one for the report. Received: --out={out}. Make {out.parent} first."
        )
