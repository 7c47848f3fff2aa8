"""`mmtrans inspect`."""

from __future__ import annotations

import argparse
from typing import Any

from mmtrans.cli.quiet import import_tensorflow
from mmtrans.system.console import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("records", metavar="RECORDS", help="directory made by `mmtrans convert`")
    parser.add_argument("--verify", action="store_true", help="check every checksum and every record")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Shows what the records hold; with `--verify`, fails on the first report of problems."""
    from mmtrans.cli.show import show_records
    from mmtrans.conversion.inspect import describe, verify
    from tfrecords.manifest import Manifest

    description = describe(arguments.records)
    dropped = [vars(item) for item in Manifest.load(arguments.records).dropped]
    show_records(description, dropped)
    if arguments.verify:
        import_tensorflow()
        problems = verify(arguments.records)
        if problems:
            listed = "; ".join(problem.removesuffix(".") for problem in problems)
            raise ValueError(f"The records are damaged. Received: {listed}. Convert the source again.")
        say("Verified: every checksum and every record is in order.")
    return description
