"""`mmtrans convert`."""

from __future__ import annotations

import argparse
import dataclasses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="file or folder of a corpus")
    parser.add_argument("records", metavar="RECORDS", help="directory to make")
    # Spelled out: a look at the readers' own list would import numpy, and --help answers at once.
    parser.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="source format: auto (by content, the default), csd (CMU-MultimodalSDK), misa (also MAG), mult, mmsa "
        "(also Self-MM), multibench, lmf, mfn (also TFN, MCTN), or neutral (.npz and segments.csv)",
    )
    parser.add_argument(
        "--max-steps", default="50", metavar="N[,MODALITY=N]", help="longest streams kept (default: 50)"
    )
    parser.add_argument("--glove", metavar="FILE", help="GloVe text file, for words without vectors")
    parser.add_argument("--folds", metavar="FILE", help="JSON or CSV file of videos by split")
    parser.add_argument("--label", metavar="NAME", help="label column, where there are several")
    parser.add_argument("--label-shift", type=float, default=0.0, metavar="SECONDS", help="moves the label intervals")
    parser.add_argument(
        "--compat", metavar="NAME", help="sdk or sdk-no-impute: align a .csd corpus as the official SDK"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that read a .csd corpus")
    parser.add_argument("--select", metavar="NAME", help="keep a published subset of columns: mctn")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of random folds, where there are none")
    parser.add_argument("--overwrite", action="store_true", help="replace records that exist")


def run(arguments: argparse.Namespace) -> dict:
    """Converts, shows the account, and returns it."""
    from mmtrans.cli.show import show_records
    from mmtrans.data.convert import convert, parse_max_steps
    from mmtrans.data.inspect import describe
    from mmtrans.sources import open_corpus

    max_steps = parse_max_steps(arguments.max_steps)
    corpus = open_corpus(
        arguments.source,
        format=arguments.format,
        glove=arguments.glove,
        label=arguments.label,
        label_shift=arguments.label_shift,
        select=arguments.select,
        compat=arguments.compat,
        workers=arguments.workers,
    )
    manifest = convert(
        corpus,
        arguments.records,
        max_steps=max_steps,
        folds_path=arguments.folds,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
    )
    description = describe(arguments.records)
    show_records(description, [dataclasses.asdict(dropped) for dropped in manifest.dropped])
    return description
