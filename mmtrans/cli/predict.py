"""`mmtrans predict`."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmtrans.cli.source import add_source_arguments, corpus_from
from mmtrans.system.console import say, warn
from mmtrans.system.escape import for_json, for_terminal
from mmtrans.system.files import check_new_file, new_file

HEADER = ("id", "score", "polarity", "words", "attention")

INFLUENCE = "influence"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Sentiment of the segments of a source, labelled or not, in any format of `mmtrans convert`. Rows have "
        "id (as records have it, v[2]; of no known style as the file has it), score, polarity, words, and the "
        "attention of each word. A run directory is data. A SAVED_MODEL is a "
        "program: its files are compared with their checksums, and operations that `mmtrans export` does not write are "
        "refused; it may still compute without end, until Ctrl-C or SIGTERM: run none that comes from somebody whom "
        "you do not trust."
    )
    parser.add_argument(
        "model", metavar="RUN|SAVED_MODEL", help="directory made by `mmtrans train` or `mmtrans export`"
    )
    add_source_arguments(parser)
    parser.add_argument(
        "--influence",
        action="store_true",
        help="tell of each word how much of the score goes when it is left out, its neighbours' vectors unchanged; "
        "scores each segment as often as it has words",
    )
    parser.add_argument(
        "--out",
        metavar="FILE.csv|FILE.jsonl",
        help="where the rows go (default: CSV on stdout). A file holds ids and words as they are: a spreadsheet takes "
        "cells that begin with =, +, - or @ for formulas unless you import them as text",
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Predicts, and returns how many segments were predicted, cut, and passed over for want of a modality."""
    suffix = check_out(arguments.out)
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.inference.predict import Scorer, predict

    scorer = Scorer.open(arguments.model)
    corpus = corpus_from(arguments, labelled=False)
    counts = Counter(predicted=0, cut=0)
    with rows_to(arguments.out, suffix, arguments.influence) as write:
        for prediction in predict(scorer, corpus, counts, influence=arguments.influence):
            write(prediction)
    for note in corpus.notes:
        # How ids are read, among others.
        warn(f"Note: {note}")
    report(counts, arguments.out)
    return dict(counts)


def check_out(out: str | None) -> str:
    """The kind of rows, `.csv` or `.jsonl`; a ValueError for another file name, and where no file can be put."""
    suffix = ".csv" if out is None else Path(out).suffix
    if suffix not in (".csv", ".jsonl"):
        raise ValueError(f"The rows have two forms. Expected FILE.csv or FILE.jsonl. Received: out={out}. Rename it.")
    if out is not None:
        check_new_file(out, "--out")
    return suffix


@contextlib.contextmanager
def rows_to(out: str | None, suffix: str, influence: bool = False) -> Iterator[Callable]:
    """Yields what writes one prediction; a file appears whole or not at all."""
    if out is None:
        yield writer_of(sys.stdout, suffix, influence, for_terminal)
        return
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        yield writer_of(file, suffix, influence)


def writer_of(file, suffix: str, influence: bool = False, shown: Callable[[str], str] = str) -> Callable:
    """`write(prediction)` for an open text file: CSV after a header, words and weights parted by spaces, or JSON.

    Args:
        file: written to.
        suffix: `.csv` or `.jsonl`.
        influence: whether rows of CSV have a column of influences, which predictions then tell.
        shown: what a cell of CSV becomes. A file is for programs, and keeps ids and words as they are; JSON has escapes
            of its own.
    """
    if suffix == ".jsonl":
        return lambda prediction: file.write(for_json(json.dumps(to_json(prediction), ensure_ascii=False)) + "\n")
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*HEADER, INFLUENCE] if influence else HEADER)

    def write(prediction) -> None:
        words = shown(" ".join(prediction.words))
        row = [shown(prediction.id), f"{prediction.score:.8g}", prediction.polarity, words]
        columns = [prediction.attention_weights, prediction.influence] if influence else [prediction.attention_weights]
        rows.writerow([*row, *(" ".join(f"{value:.6g}" for value in column) for column in columns)])

    return write


def to_json(prediction) -> dict[str, Any]:
    """What one JSON line says."""
    weights = [round(float(weight), 7) for weight in prediction.attention_weights]
    told = {
        "id": prediction.id,
        "score": prediction.score,
        "polarity": prediction.polarity,
        "words": list(prediction.words),
        "attention": weights,
    }
    if prediction.influence is None:
        return told
    return {**told, INFLUENCE: [None if value != value else round(value, 7) for value in prediction.influence.tolist()]}


def report(counts: Counter, out: str | None) -> None:
    """Says on stderr what was cut or passed over, and where the rows are."""
    for what, number in sorted(counts.items()):
        if what.startswith("without "):
            warn(f"{number} segments are passed over: {what}.")
    if counts["cut"]:
        warn(f"{counts['cut']} segments are cut to the steps that training read.")
    if out is not None:
        say(f"Wrote {counts['predicted']} segments to {out}.")
