"""`mmtrans report`."""

from __future__ import annotations

import argparse
from typing import Any

from mmtrans.system.console import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Report a grid, finished or not: what was measured, beside the paper's numbers where the corpus is the same, "
        "intervals and tests over videos and seeds, controls, plots. Writes one HTML page, and beside it the same as "
        "Markdown, LaTeX tables and CSV."
    )
    parser.add_argument("grid_dir", metavar="DIR", help="directory made by `mmtrans grid`")
    parser.add_argument("--out", metavar="FILE.html", help="the page (default: DIR/report.html)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Writes the report and returns its paths, its sentences and the errors."""
    from mmtrans.report.write import write_report

    written = write_report(arguments.grid_dir, arguments.out)
    for sentence in written.summary:
        say(f"- {sentence}")
    say(f"Written: {', '.join(map(str, written.paths))}.")
    return {
        "written": [str(path) for path in written.paths],
        "summary": written.summary,
        "runs": written.finished,
        "expected": written.expected,
        "mae": written.mae,
    }
