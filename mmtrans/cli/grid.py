"""`mmtrans grid`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtrans.bounds import MOST_WHOLE, check_number
from mmtrans.cli.engine import add_engine_flags, engine_options
from mmtrans.cli.following import program
from mmtrans.cli.idle import check_idle, find_idle, note
from mmtrans.cli.parser import Parser, add_config_flags, add_text_encoder, config_from, number_type
from mmtrans.config import Config
from mmtrans.config.effect import changed
from mmtrans.grid.description import read_description
from mmtrans.grid.variants import OWN, Variant, config_of, read_variants, rows_of
from mmtrans.system.console import say, warn
from mmtrans.system.escape import for_shell

if TYPE_CHECKING:
    from mmtrans.grid.complete import Completed
    from mmtrans.grid.forecast import Forecast


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Train and evaluate rows of recipes with several seeds each. Phases that rows share are trained once. The same "
        "command goes on where it was stopped, tries again what failed, or prints the result; more recipes, seeds, "
        "controls, variants and label fractions may be added to a grid. Every run in DIR/runs is a run directory as of "
        "`mmtrans train`. Recipe, seed, untrained, label fraction and pretrain of a --config file are not used."
    )
    parser.add_argument("--data", metavar="RECORDS", required=True, help="directory made by `mmtrans convert`")
    parser.add_argument("--out", metavar="DIR", required=True, help="the grid's directory")
    parser.add_argument(
        "--recipes",
        metavar="LIST",
        default="paper",
        help="paper (its 26 rows), paper-extra, rivals, rivals-unaligned, recipes such as 'T,T->A', or a file with one "
        "per line (default: paper)",
    )
    seeds = {"action": _Seeds, "default": tuple(range(5)), "metavar": "N|LIST"}
    parser.add_argument("--seeds", **seeds, help="seeds 0 to N-1, or a list such as 0,3 (default: 5)")
    add_engine_flags(parser, "trainings")
    add_config_flags(parser, without=OWN)
    add_text_encoder(parser)
    parser.add_argument(
        "--controls",
        action="store_true",
        help="also run each translation untrained, and the features that it reads without a translation",
    )
    parser.add_argument(
        "--label-fractions",
        type=_fractions,
        default=(),
        metavar="X,X",
        help="also run everything with these shares of the train labels, e.g. 0.1,0.25,0.5",
    )
    parser.add_rare(
        parser,
        "--steps-of-all",
        action="store_true",
        help="train rows with fewer labels for as many steps as the same row with all of them took to its best valid "
        "loss, and keep the last weights; then no valid label stops them",
    )
    parser.add_argument(
        "--variants",
        metavar="FILE.yaml",
        help="also run each recipe with some fields of the configuration changed; a line of the file is e.g. "
        "small: {units: 32}",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say how many trainings are left, in which order and how long, and stop"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")


class _Seeds(argparse.Action):
    """Stores seeds: as many as a number says, or those of a list."""

    def __call__(self, parser, namespace, values: Any, option_string=None):
        try:
            numbers = [int(number_type(int)(part)) for part in values.rstrip(",").split(",")]
        except ValueError as error:
            raise argparse.ArgumentError(
                self, f"expected a number or a list such as 0,3, received {values!r}"
            ) from error
        if "," not in values:
            check_number("--seeds", numbers[0], low=1, most=10_000)
            numbers = list(range(numbers[0]))
        for seed in numbers:
            check_number("--seeds", seed, low=0, most=MOST_WHOLE)
        namespace.seeds = tuple(dict.fromkeys(numbers))


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Completes the grid, shows its rows, and returns them with the failures."""
    from mmtrans.cli.quiet import import_for_tasks
    from mmtrans.grid.recipes import read_recipes

    options = engine_options(arguments)
    config = dataclasses.replace(config_from(arguments), **OWN)
    fractions = [
        dataclasses.replace(config, label_fraction=share).plan.label_fraction for share in arguments.label_fractions
    ]
    recipes = read_recipes(arguments.recipes)
    variants = read_variants(arguments.variants, config) if arguments.variants is not None else {}
    planned = rows_of(recipes, arguments.controls, (), variants, config)
    for line in _notes(arguments, config, {row: config_of(row, variants, config) for row in planned}, variants):
        warn(line)
    import_for_tasks(options)
    from mmtrans.data.records import Records
    from mmtrans.grid.complete import complete_grid, plan_grid
    from mmtrans.grid.forecast import forecast

    records = dataclasses.replace(Records.open(arguments.data), text_encoder=arguments.text_encoder or "")
    grid = plan_grid(
        Path(arguments.out),
        records,
        config,
        variants,
        recipes=recipes,
        seeds=arguments.seeds,
        controls=arguments.controls,
        label_fractions=tuple(share for share in fractions if share < 1),
        steps_of_all=arguments.steps_of_all,
    )
    if arguments.dry_run:
        return _tell(forecast(grid, records), options.jobs)
    done = complete_grid(grid, records, options, arguments.quiet)
    _show(done)
    return {"split": done.grid.metric_split, "rows": done.rows, "failures": done.failures}


def _notes(
    arguments: argparse.Namespace,
    common: Config,
    rows: Mapping[Variant, Config],
    variants: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Notes on fields that have no effect in any row, or in no row of the variant that names them.

    Raises a ValueError as `check_idle` does.
    """
    before = read_description(Path(arguments.out))
    notes = check_idle(arguments, common, list(rows.values()), lambda: before["config"] if before else {})
    for name, fields in variants.items():
        configs = [config for row, config in rows.items() if row.name == name]
        if configs and (reasons := find_idle(fields.keys() & changed(configs[0]).keys(), configs)):
            notes.append(note(reasons, configs[0], f" of the variant {name}"))
    return notes


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(number_type(float), text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected shares such as 0.1,0.25, received {text!r}") from error


def _tell(found: Forecast, jobs: int) -> dict[str, Any]:
    """Prints what is left to do, and returns it."""
    titles = [task.title for task in found.tasks]
    width = len(str(len(titles)))
    for number, title in enumerate(titles, 1):
        say(f"{number:>{width}}. {title}")
    say(f"{len(titles)} of {found.total} trainings are left.")
    minutes = None if found.seconds is None else found.seconds / 60 / jobs
    if minutes is None:
        say("How long they take is told once a training of this grid is done.")
    else:
        limit = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
        say(f"At most {limit}, as fast as those that are done, in {jobs} at a time; patience may end them earlier.")
    return {"left": titles, "trainings": found.total, "minutes": minutes}


def _show(done: Completed) -> None:
    """Prints the table of a grid, and what failed."""
    from rich.table import Table

    from mmtrans.cli.show import console, format_number, heading_of

    out, metrics, grid = console(), ("mae", "acc2_non0", "f1_non0"), done.grid
    table = Table(title=f"{grid.metric_split} split of {grid.records_path}, means over seeds", title_justify="left")
    table.add_column("recipe", no_wrap=True)
    for heading in ("seeds", *map(heading_of, metrics), "collapsed"):
        table.add_column(heading, justify="right")
    for variant, row in zip(grid.rows(), done.rows, strict=True):
        figures = [format_number(row[name]) for name in metrics]
        table.add_row(variant.title, str(row["seeds"]), *figures, str(row["collapsed"]))
    out.print(table)
    for name, failure in done.failures.items():
        out.print(f"Failed: {name}: {failure['reason']} See {grid.path}/{failure['log']}.", soft_wrap=True)
    if done.failures:
        out.print("The same command tries again what failed.")
    out.print(f"Grid: {grid.path}. Next: {program()} report {for_shell(grid.path)}", soft_wrap=True)
