"""`mmtrans synthesize`."""

from __future__ import annotations

import argparse

from mmtrans.console import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("directory", metavar="DIR", help="directory to make")
    parser.add_argument("--videos", type=int, default=40, metavar="N", help="number of videos (default: 40)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the corpus (default: 0)")
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="no labels, and other videos than those of the labelled corpus of the same seed, for `train --pretrain`",
    )


def run(arguments: argparse.Namespace) -> dict:
    """Writes the corpus and returns its ground truth."""
    from mmtrans.sources.synthetic import synthesize

    truth = synthesize(
        arguments.directory, videos=arguments.videos, seed=arguments.seed, unlabelled=arguments.unlabelled
    )
    say(f"Wrote a synthetic corpus of {arguments.videos} videos to {arguments.directory}.")
    say(f"Next: mmtrans convert {arguments.directory} RECORDS")
    return truth
