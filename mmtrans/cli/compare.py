"""`mmtrans compare`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mmtrans.system.console import say

if TYPE_CHECKING:
    from mmtrans.report.pair import Pair, Side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Hold two runs against each other: what differs in their configurations, and the differences of their metrics, "
        "segment by segment, with 95 % intervals and tests over videos. Of more than two runs those that differ in "
        "nothing but their seed are one side, and seeds are drawn too. Both must have been evaluated on the split."
    )
    parser.add_argument("run_dirs", nargs="+", metavar="RUN", help="run directory made by `mmtrans train`; two or more")
    parser.add_argument(
        "--split", choices=("train", "valid", "test"), help="default: test where all were evaluated on it, else valid"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Shows the comparison, and returns it."""
    if len(arguments.run_dirs) < 2:
        raise ValueError(f"One run alone. Expected two. Received: run={arguments.run_dirs[0]}. Name another one.")
    from mmtrans.report.pair import compare_sides, sides_of

    a, b = sides_of(arguments.run_dirs)
    pair = compare_sides(a, b, arguments.split)
    _show(a, b, pair)
    named = {"a": [str(run.path) for run in a.runs], "b": [str(run.path) for run in b.runs]}
    return {**named, **asdict(pair), "metrics": {line.name: _without_name(asdict(line)) for line in pair.metrics}}


def _without_name(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "name"}


def _show(a: Side, b: Side, pair: Pair) -> None:
    from rich.table import Table

    from mmtrans.cli.show import console, format_number, heading_of
    from mmtrans.evaluation.uncertainty.bootstrap import MIN_VIDEOS

    out = console()
    for letter, side in (("A", a), ("B", b)):
        out.print(f"{letter}: {side.title} ({', '.join(str(run.path) for run in side.runs)})", soft_wrap=True)
    if pair.fields or pair.grounds:
        fields = Table(title="What differs", title_justify="left")
        for heading in ("", "A", "B"):
            fields.add_column(heading, overflow="fold")
        for name, values in {**pair.fields, **pair.grounds}.items():
            fields.add_row(name, *(str(value)[:60] for value in values))
        out.print(fields)
    else:
        out.print("Nothing differs in configuration, records and versions.")
    table = Table(title=f"{pair.split} split, A less B on the segments that both scored", title_justify="left")
    for heading in ("", "A", "B", "A - B", "95 % interval", "p"):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    for line in pair.metrics:
        mean = None if line.a is None or line.b is None else line.a - line.b
        low, high, p = (None,) * 3 if line.difference is None else _ends(line.difference)
        interval = "-" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
        shown = "-" if mean is None else f"{mean:+.3f}"
        table.add_row(
            heading_of(line.name), format_number(line.a), format_number(line.b), shown, interval, format_number(p)
        )
    out.print(table)
    out.print(f"{pair.segments} segments of {pair.videos} videos.")
    if pair.videos < MIN_VIDEOS:
        say(f"Note: no intervals and no tests under {MIN_VIDEOS} videos.")
        return
    has_seeds = max(len(a.runs), len(b.runs)) > 1
    drawn = "videos and seeds" if has_seeds else "videos; with one seed each, other seeds could give other numbers"
    say(f"Note: intervals and tests resample {drawn}. Of r and F1, which are no means over segments, there are none.")


def _ends(difference) -> tuple[float | None, float | None, float | None]:
    return difference.low, difference.high, difference.p_value
