"""`mmtrans synthesize`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmtrans.cli.following import program
from mmtrans.cli.parser import number_type
from mmtrans.system.console import say
from mmtrans.system.escape import for_shell

if TYPE_CHECKING:
    from mmtrans.synthetic.truth import GroundTruth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("directory", metavar="DIR", help="directory to make")
    whole = {"type": number_type(int), "metavar": "N"}
    parser.add_argument("--videos", **whole, default=40, help="number of videos (default: 40)")
    parser.add_argument("--seed", **whole, default=0, help="seed of the corpus (default: 0)")
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="no labels, and other videos than those of the labelled corpus of the same seed, for `train --pretrain`",
    )


def run(arguments: argparse.Namespace) -> GroundTruth:
    """Writes the corpus and returns its ground truth."""
    from mmtrans.synthetic.corpus import synthesize

    truth = synthesize(
        arguments.directory, videos=arguments.videos, seed=arguments.seed, unlabelled=arguments.unlabelled
    )
    say(f"Wrote a synthetic corpus of {arguments.videos} videos to {arguments.directory}.")
    say(f"Next: {program()} convert {for_shell(arguments.directory)} RECORDS")
    return truth
