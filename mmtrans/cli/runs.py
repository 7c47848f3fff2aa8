"""`mmtrans runs`."""

from __future__ import annotations

import argparse
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mmtrans.system.console import say, warn

if TYPE_CHECKING:
    from rich.table import Table

    from mmtrans.report.listing import ListedRun

#: Metrics of the table; the CSV file has all.
_METRICS = ("mae", "pearson", "acc2_has0")

#: Columns of a terminal from which on there is room for all of them.
_WIDE = 110

#: Digits of a manifest's hash that name records in the table.
_HASH = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "A table of the runs in a directory, at any depth, so of grids and searches too: recipe, what differs from the "
        "default, records, epochs and what ended them, metrics of test, or of valid before an evaluation, with 95 % "
        "intervals, and state: finished, training, interrupted; collapsed where the predictions are (almost) constant."
    )
    parser.add_argument("dir", metavar="DIR", nargs="?", default="runs", help="where the runs are (default: runs)")
    parser.add_argument(
        "--sort",
        metavar="COLUMN",
        default="run",
        help="run, recipe, seed, epochs, state or a metric such as mae, the best first (default: run)",
    )
    parser.add_argument("--csv", metavar="FILE", help="write the table with all metrics there too; - is stdout")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Shows the table, and returns its rows."""
    from mmtrans.report.listing import SORTS, cells_of, find_runs, read_listed, sort_key

    if arguments.sort not in SORTS:
        raise ValueError(
            f"No such column. Expected one of {', '.join(SORTS)}. Received: --sort={arguments.sort}. Choose one of "
            f"these."
        )
    if arguments.csv not in (None, "-"):
        from mmtrans.system.files import check_new_file

        check_new_file(arguments.csv, "--csv")
    found, damaged = [], {}
    for path in find_runs(arguments.dir):
        try:
            found.append(read_listed(path))
        except ValueError as error:
            damaged[str(path)] = str(error)
    found.sort(key=sort_key(arguments.sort))
    rows = [cells_of(each) for each in found]
    if arguments.csv != "-":
        _show(found, arguments.dir)
    if arguments.csv is not None and rows:
        _write(arguments.csv, rows)
    for path, reason in damaged.items():
        warn(f"Left out: {path}: {reason}")
    return {"runs": rows, "damaged": damaged}


def _show(runs: list[ListedRun], directory: str) -> None:
    """Prints the table, and beneath it what all runs share and the records that they are of."""
    from mmtrans.cli.show import console
    from mmtrans.report.listing import common_differences, differences_text
    from mmtrans.runs.corpus import corpus_text

    out = console()
    if not runs:
        out.print(f"No runs in {directory}. `mmtrans train` makes one.", soft_wrap=True)
        return
    common = common_differences(runs)
    out.print(_table(runs, Path(directory), common, out.width < _WIDE))
    if common:
        out.print(f"All runs: {differences_text(common)}.", soft_wrap=True)
    for manifest_hash, each in {each.manifest_hash: each for each in runs}.items():
        out.print(f"Records {manifest_hash[:_HASH]}: {each.records}; {corpus_text(each.corpus)}.", soft_wrap=True)


def _table(runs: list[ListedRun], directory: Path, common: Container[str], is_narrow: bool) -> Table:
    """The runs as a table; where there is little room with the first metric alone, and without its interval."""
    from rich.table import Table

    from mmtrans.cli.show import heading_of
    from mmtrans.report.listing import differences_text

    table = Table(title=f"Runs in {directory}", title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("run", "recipe"):
        table.add_column(heading, no_wrap=not is_narrow, overflow="fold")
    table.add_column("seed", justify="right")
    table.add_column("differs", overflow="fold", min_width=8)
    for heading in ("records", "epochs", "split"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "epochs")
    metrics = _METRICS[:1] if is_narrow else _METRICS
    for name in metrics:
        table.add_column(heading_of(name), justify="right", no_wrap=True)
    table.add_column("state")
    for each in runs:
        table.add_row(
            str(each.path.relative_to(directory)),
            each.config.plan.recipe,
            str(each.config.plan.seed),
            differences_text(each.differences, common),
            each.manifest_hash[:_HASH],
            each.ending,
            each.split or "-",
            *(_metric(each, name, has_interval=not is_narrow and name == _METRICS[0]) for name in metrics),
            each.standing,
        )
    return table


def _metric(run: ListedRun, name: str, has_interval: bool) -> str:
    from mmtrans.cli.show import format_number

    figures = cast("dict[str, Any]", run.metrics or {})
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    is_shown = has_interval and low is not None and high is not None
    return f"{format_number(figures.get(name))}{f' [{low:.2f}, {high:.2f}]' if is_shown else ''}"


def _write(path: str, rows: list[dict[str, object]]) -> None:
    """Writes rows as CSV to a file, or to stdout."""
    from mmtrans.evaluation.results import csv_text
    from mmtrans.system.files import write_atomically

    names = list(dict.fromkeys(name for row in rows for name in row))
    text = csv_text([names, *([_cell(row.get(name)) for name in names] for row in rows)])
    if path == "-":
        for line in text.splitlines():
            say(line)
        return
    write_atomically(Path(path), text)
    say(f"Written: {path}.")


def _cell(value: object) -> object:
    return "" if value is None else value
