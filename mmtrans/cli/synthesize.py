"""`mmtrans synthesize`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmtrans.cli.following import program
from mmtrans.cli.parser import number_type
from mmtrans.system.console import say
from mmtrans.system.escape import for_shell

if TYPE_CHECKING:
    from mmtrans.synthetic.truth import DependencyTruth, GroundTruth


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
    parser.add_argument(
        "--affect",
        metavar="STREAM=X,…",
        help="share of the affect in the variance of those channels of audio, of video that follow it "
        "(default: audio=.043,video=.043)",
    )
    parser.add_argument(
        "--affect-channels",
        metavar="STREAM=N,…",
        help="number of the eight channels of audio, of video that follow the affect (default: audio=1,video=1)",
    )
    parser.add_argument(
        "--disagree",
        type=number_type(float),
        metavar="X",
        default=0.0,
        help="share of the segments whose words say the opposite of their label, which voice and face follow "
        "(default: 0)",
    )
    parser.add_argument(
        "--polarity",
        type=number_type(float),
        metavar="X",
        default=1.0,
        help="how far the polarity of a word moves its vector, where each of seven features of its stem moves it by 1 "
        "(default: 1)",
    )
    parser.add_argument(
        "--labelled",
        type=number_type(float),
        metavar="X",
        default=1.0,
        help="share of the train segments that bear a label; those of valid and test all do (default: 1)",
    )
    parser.add_argument(
        "--missing",
        metavar="STREAM=X,…",
        help="share of the segments of each split that lack audio, video (default: audio=0,video=0)",
    )
    parser.add_argument(
        "--dependency",
        metavar="KIND",
        help="a world of its own, whose label hangs on the modalities in one way: additive, sarcasm (the voice flips "
        "what the words say), long-range (an early word tells which late event of the voice counts) or neighbours "
        "(the words of the segment before)",
    )


def run(arguments: argparse.Namespace) -> GroundTruth | DependencyTruth:
    """Writes the corpus, shows the best scores that it allows, and returns its ground truth."""
    from mmtrans.synthetic.corpus import synthesize
    from mmtrans.synthetic.premise import parse_streams

    truth = synthesize(
        arguments.directory,
        videos=arguments.videos,
        seed=arguments.seed,
        unlabelled=arguments.unlabelled,
        affect=parse_streams("--affect", arguments.affect),
        affect_channels=parse_streams("--affect-channels", arguments.affect_channels, int),
        disagree=arguments.disagree,
        polarity=arguments.polarity,
        labelled=arguments.labelled,
        missing=parse_streams("--missing", arguments.missing),
        dependency=arguments.dependency,
    )
    say(f"Wrote a synthetic corpus of {arguments.videos} videos to {arguments.directory}.")
    _show(truth)
    say(f"Next: {program()} convert {for_shell(arguments.directory)} RECORDS")
    return truth


def _show(truth: GroundTruth | DependencyTruth) -> None:
    """Prints the best scores that the equations allow, given each source."""
    from rich.table import Table

    from mmtrans.cli.show import console, format_number

    table = Table(title="Best possible scores of sentiment", title_justify="left")
    for heading in ("source", "Acc-2 (≠0)", "Acc-2 (≥0)", "MAE"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    alone = {"text": truth["text"], "audio": truth["audio"], "video": truth["video"]}
    for source, best in {**alone, **truth.get("unions", {}), **truth.get("readers", {})}.items():
        table.add_row(source, *map(format_number, (best["acc2_non0"], best["acc2_has0"], best["mae"])))
    console().print(table)
