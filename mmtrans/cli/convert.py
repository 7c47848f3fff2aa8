"""`mmtrans convert`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmtrans.cli.engine import add_engine_flags, engine_options
from mmtrans.cli.parser import Parser, add_number
from mmtrans.cli.source import add_source_arguments, add_text_arguments, corpus_from
from mmtrans.system.console import say, warn

if TYPE_CHECKING:
    from mmtrans.conversion.inspect import Description


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    add_source_arguments(parser)
    add_text_arguments(parser)
    parser.add_argument("records", metavar="RECORDS", help="directory to make")
    parser.add_argument(
        "--max-steps", default="50", metavar="N[,MODALITY=N]", help="longest streams kept (default: 50)"
    )
    parser.add_argument("--folds", metavar="FILE", help="JSON or CSV file of videos by split")
    add_number(parser, "--seed", int, {"low": 0}, default=0, help="seed of random folds, where there are none")
    parser.add_argument("--overwrite", action="store_true", help="replace records that exist")
    add_engine_flags(parser, "parts of a .csd corpus")


def run(arguments: argparse.Namespace) -> Description:
    """Converts, shows the account, and returns it."""
    from mmtrans.cli.reading import with_progress
    from mmtrans.cli.show import show_records
    from mmtrans.conversion.convert import convert, parse_max_steps
    from mmtrans.conversion.inspect import describe
    from mmtrans.conversion.parts import way_to_prepare

    if arguments.workers is not None:
        warn("Note: --workers is now called --jobs.")
        arguments.jobs = arguments.jobs or arguments.workers
    options = engine_options(arguments)
    max_steps = parse_max_steps(arguments.max_steps)
    corpus = corpus_from(arguments)
    manifest = convert(
        corpus,
        arguments.records,
        max_steps=max_steps,
        folds_path=arguments.folds,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
        prepare=with_progress(way_to_prepare(corpus, options)),
    )
    for line in corpus.trouble:
        warn(f"Note: {line}")
    description = describe(arguments.records)
    show_records(description, manifest.dropped)
    if corpus.text is not None and corpus.text.layers:
        _show_cache(arguments.text_cache)
    return description


def _show_cache(folder: str | None) -> None:
    """Says how large the cache of vectors is by now, as nothing else bounds it."""
    from mmtrans.sources.text.encoding import cache_of

    cache = cache_of(folder)
    if cache is not None and cache.bytes:
        say(f"Vectors are kept for the next conversion: {cache.bytes / 1e6:.1f} MB. Remove {cache.path} at any time.")
