"""`mmtrans export`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmtrans.cli.following import program
from mmtrans.system.console import say
from mmtrans.system.escape import for_shell

if TYPE_CHECKING:
    from mmtrans.inference.signature import ExportDescription


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Write a SavedModel that plain TensorFlow runs, without mmtrans: raw features in, sentiment, representation "
        "and translation out; beside it signature.json, model_card.md and keras/."
    )
    parser.add_argument("run_dir", metavar="RUN", help="run directory made by `mmtrans train`")
    parser.add_argument("directory", metavar="DIR", help="directory to make")
    parser.add_argument("--overwrite", action="store_true", help="replace an export that exists")


def run(arguments: argparse.Namespace) -> ExportDescription:
    """Exports, and returns the content of signature.json."""
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    from mmtrans.inference.export import export
    from mmtrans.runs.run import Run

    tf.get_logger().setLevel("WARNING")
    description = export(Run.open(arguments.run_dir), arguments.directory, arguments.overwrite)
    say(f"Wrote {arguments.directory}. Signatures: {', '.join(description['signatures'])}.")
    following = f"{program()} predict {for_shell(arguments.directory)} SOURCE"
    say(f"Next: {following}, or read {arguments.directory}/model_card.md")
    return description
