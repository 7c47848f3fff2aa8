"""Flags of the commands whose tasks may be done by other processes: `--jobs`, `--scheduler` and `--resources`."""

from __future__ import annotations

import argparse

from mmtrans.cli.parser import Parser, add_number, number_type
from mmtrans.engine.options import MOST_JOBS, SCHEDULER, EngineOptions


def add_engine_flags(parser: Parser, what: str) -> None:
    """Adds the flags.

    Args:
        parser: a command's parser.
        what: what the tasks are, in the plural.
    """
    add_number(
        parser,
        "--jobs",
        int,
        {"low": 1, "most": MOST_JOBS},
        help=f"{what} at a time, in processes (default: 1)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help=f"or on a dask cluster, see docs/cluster.md (default: {SCHEDULER})",
    )
    parser.add_argument(
        "--resources",
        type=_resources,
        default={},
        metavar="NAME=X,…",
        help="what each takes of a cluster's worker: GPU=1",
    )


def engine_options(arguments: argparse.Namespace) -> EngineOptions:
    """Where tasks are done, by the flags and the environment; raises as `EngineOptions` does."""
    return EngineOptions.chosen(arguments.jobs, arguments.scheduler, arguments.resources)


def _resources(text: str) -> dict[str, float]:
    amounts = {}
    for part in text.split(","):
        name, equals, amount = part.partition("=")
        try:
            amounts[name.strip()] = number_type(float)(amount)
        except ValueError:
            equals = ""
        if not equals or not name.strip() or not 0 < amounts[name.strip()] < float("inf"):
            raise argparse.ArgumentTypeError(f"expected NAME=X,NAME=X as of GPU=1, received {text!r}")
    return amounts
