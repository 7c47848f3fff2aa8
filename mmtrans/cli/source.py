"""The flags of every command that reads a source: what it is, and how its words, labels and columns are taken."""

from __future__ import annotations

import argparse

from mmtrans.bounds import LABEL_SHIFT
from mmtrans.cli.parser import add_number


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds SOURCE and its flags."""
    parser.add_argument("source", metavar="SOURCE", help="file or folder of a corpus")
    # Spelled out: a look at the readers' own list would import numpy, and --help answers at once.
    parser.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="source format: auto (by content, the default), csd (CMU-MultimodalSDK), misa (also MAG), mult, mmsa "
        "(also Self-MM), multibench, lmf, mfn (also TFN, MCTN), or neutral (.npz and segments.csv)",
    )
    parser.add_argument("--glove", metavar="FILE", help="GloVe text file, for words without vectors")
    parser.add_argument("--label", metavar="NAME", help="label column, where there are several")
    parser.add_argument(
        "--label-range",
        metavar="LOW,HIGH[,NEUTRAL]",
        help="the label's scale, as in 1,5 or -3,3 (default: told by the labels of train and valid); NEUTRAL parts "
        "negative from positive (default: 0, or the middle where 0 is not inside)",
    )
    shift = {"default": 0.0, "metavar": "SECONDS", "help": "moves the label intervals"}
    add_number(parser, "--label-shift", float, LABEL_SHIFT, **shift)
    parser.add_argument(
        "--compat", metavar="NAME", help="sdk or sdk-no-impute: align a .csd corpus as the official SDK"
    )
    parser.add_argument("--select", metavar="NAME", help="keep a published subset of columns: mctn")
    add_number(parser, "--workers", int, {"low": 1}, default=1, help="processes that read a .csd corpus")


def corpus_from(arguments: argparse.Namespace, *, labelled: bool = True):
    """The `Corpus` that the flags name; raises as `mmtrans.sources.open.open_corpus`.

    Args:
        arguments: the parsed arguments.
        labelled: whether labels are read. Otherwise nobody has to say which of several columns is the label.
    """
    from mmtrans.sources.labels import ANY_LABEL, parse_label_range
    from mmtrans.sources.open import open_corpus

    names = ("format", "glove", "label", "label_shift", "select", "compat", "workers")
    options = {name: getattr(arguments, name) for name in names}
    if not labelled and arguments.label is None:
        options["label"] = ANY_LABEL
    if arguments.label_range is not None:
        options["label_range"] = parse_label_range(arguments.label_range)
    return open_corpus(arguments.source, **options)
