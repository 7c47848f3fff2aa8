"""`mmtrans inspect`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmtrans.cli.quiet import import_tensorflow
from mmtrans.system.console import say

if TYPE_CHECKING:
    from mmtrans.conversion.inspect import Description


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("records", metavar="RECORDS", help="directory made by `mmtrans convert`")
    parser.add_argument("--verify", action="store_true", help="check every checksum and every record")


def run(arguments: argparse.Namespace) -> Description:
    """Shows what the records hold; with `--verify`, fails on the first report of problems."""
    from mmtrans.cli.show import show_records
    from mmtrans.conversion.inspect import describe, verify
    from tfrecords.manifest import Manifest

    description = describe(arguments.records)
    show_records(description, Manifest.load(arguments.records).dropped)
    if arguments.verify:
        import_tensorflow()
        problems = verify(arguments.records)
        if problems:
            listed = "; ".join(problem.removesuffix(".") for problem in problems)
            raise ValueError(f"The records are damaged. Received: {listed}. Convert the source again.")
        say("Verified: every checksum and every record is in order.")
    return description
