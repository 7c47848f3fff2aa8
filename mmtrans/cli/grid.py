"""`mmtrans grid`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtrans.cli.engine import add_engine_flags, engine_options
from mmtrans.cli.following import program
from mmtrans.cli.idle import check_idle, find_idle, note
from mmtrans.cli.parser import Parser, add_config_flags, add_number, add_text_encoder, config_from, number_type
from mmtrans.config import Config
from mmtrans.config.effect import changed
from mmtrans.grid.description import read_description
from mmtrans.grid.variants import OWN, Variant, config_of, read_variants, rows_of
from mmtrans.system.console import warn
from mmtrans.system.escape import for_shell

if TYPE_CHECKING:
    from mmtrans.grid.complete import Completed


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
        help="paper (its 26 rows), paper-extra, or a file with one recipe per line (default: paper)",
    )
    add_number(parser, "--seeds", int, {"low": 1, "most": 10_000}, default=5, help="seeds 0 to N-1 (default: 5)")
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
    parser.add_argument(
        "--variants",
        metavar="FILE.yaml",
        help="also run each recipe with some fields of the configuration changed; a line of the file is e.g. "
        "small: {units: 32}",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")


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

    records = dataclasses.replace(Records.open(arguments.data), text_encoder=arguments.text_encoder or "")
    grid = plan_grid(
        Path(arguments.out),
        records,
        config,
        variants,
        recipes=recipes,
        seeds=tuple(range(arguments.seeds)),
        controls=arguments.controls,
        label_fractions=tuple(share for share in fractions if share < 1),
    )
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
