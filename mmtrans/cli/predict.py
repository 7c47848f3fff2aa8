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
from typing import TYPE_CHECKING, Any

from mmtrans.cli.clip import Course, Times, check_plot, extracted, is_clips
from mmtrans.cli.source import add_source_arguments, corpus_from
from mmtrans.system.console import say, warn
from mmtrans.system.escape import for_json, for_terminal
from mmtrans.system.files import check_new_file, new_file

if TYPE_CHECKING:
    from mmtrans.inference.scorer import Scorer

HEADER = ("id", "score", "polarity", "words", "attention")

INFLUENCE = "influence"

#: Of the segments of clips, seconds in the recording.
TIMES = ("start", "end")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Sentiment of the segments of a source, labelled or not, in any format of `mmtrans convert`; of clips (video "
        "or sound files, a folder of such, clips.csv), for models that learned from clips or read words alone; or of "
        "text alone: --text, --text-file, or a CSV file with a column text, for models that read words alone. Rows "
        "have id (as records have it, v[2]; of no known style as the file has it), score, polarity, words, and the "
        "attention of each word; of clips start and end, too. A run directory is data. A SAVED_MODEL is a program: "
        "its files are compared with their checksums, and operations that `mmtrans export` does not write are refused; "
        "it may still compute without end, until Ctrl-C or SIGTERM: run none that comes from somebody whom you do not "
        "trust."
    )
    parser.add_argument(
        "model", metavar="RUN|SAVED_MODEL", help="directory made by `mmtrans train` or `mmtrans export`"
    )
    add_source_arguments(parser, required=False)
    parser.add_argument(
        "--text",
        action="append",
        type=str,
        metavar="TEXT",
        help="score this utterance in place of SOURCE, and show what each word adds; may be given several times",
    )
    parser.add_argument("--text-file", metavar="FILE|-", help="score each line of a text file, or of standard input")
    parser.add_argument(
        "--text-encoder",
        metavar="DIR|NAME",
        help="where the encoder of the model's words lies now (default: where it was in training)",
    )
    parser.add_argument(
        "--influence",
        action="store_true",
        help="tell of each word how much of the score goes when it is left out, its neighbours' vectors unchanged; "
        "scores each segment as often as it has words",
    )
    parser.add_argument(
        "--asr-model",
        metavar="DIR|NAME",
        help="of clips without words: what recognises them, see `mmtrans extract` (default: as in training)",
    )
    parser.add_argument(
        "--plot", metavar="FILE.png|.svg|.pdf", help="of clips: draw the scores of each recording over its time"
    )
    parser.add_argument(
        "--out",
        metavar="FILE.csv|FILE.jsonl",
        help="where the rows go (default: CSV on stdout). A file holds ids and words as they are: a spreadsheet takes "
        "cells that begin with =, +, - or @ for formulas unless you import them as text",
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Predicts, and returns how many segments were predicted, cut, and passed over for want of a modality or of words;
    of texts of the command line the predictions, too."""
    check_out(arguments.out)
    check_plot(arguments)
    text = text_from(arguments)
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.inference.scorer import Scorer

    scorer = Scorer.open(arguments.model)
    with extracted(arguments, scorer) if text is None and is_clips(arguments) else contextlib.nullcontext() as times:
        return _predict(arguments, scorer, text, times)


def _predict(
    arguments: argparse.Namespace, scorer: Scorer, text: tuple[list[Any], str] | None, times: Times | None
) -> dict[str, Any]:
    """Predicts what was given, and says what became of it."""
    from mmtrans.inference.predict import predict

    suffix = check_out(arguments.out)
    corpus = source_of(arguments, scorer) if text is None else spoken_by(arguments, scorer, *text)
    is_shown = arguments.text is not None and arguments.out is None
    influence = arguments.influence or is_shown
    counts, shown = Counter(predicted=0, cut=0), []
    predictions = predict(scorer, corpus, counts, influence=influence)
    course = Course(arguments.plot, times)
    with (
        contextlib.nullcontext(shown.append) if is_shown else rows_to(arguments.out, suffix, influence, times) as write
    ):
        for prediction in predictions:
            write(prediction)
            course.add(prediction)
    course.draw(scorer)
    if is_shown:
        from mmtrans.cli.scored import show_scored

        show_scored(shown, scorer.label)
    for note in (*corpus.notes, *corpus.trouble):
        # How ids are read, among others.
        warn(f"Note: {note}")
    words_cut = counts.pop("cut words", 0)
    report(counts, arguments.out)
    if text is None:
        return dict(counts)
    return {**counts, **report_text(corpus, words_cut), **({"predictions": list(map(to_json, shown))} if shown else {})}


def text_from(arguments: argparse.Namespace) -> tuple[list[Any], str] | None:
    """The utterances that the flags give, or a table, and where they are from; `None` for another source.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is not one of SOURCE, --text and --text-file; or the file cannot be read.
    """
    from mmtrans.sources.text.utterances import is_table_of_text, lines_of, numbered, read_lines, read_rows

    given = {"SOURCE": arguments.source, "--text": arguments.text, "--text-file": arguments.text_file}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            f"One thing is predicted at a time. Expected one of SOURCE, --text TEXT and --text-file FILE. "
            f"Received: {' and '.join(given) or 'none of them'}. Give one."
        )
    if arguments.text is not None:
        return numbered(arguments.text), "--text"
    if arguments.text_file == "-":
        return lines_of(read_stdin()), "standard input"
    if arguments.text_file is not None:
        return read_lines(arguments.text_file), arguments.text_file
    if not is_clips(arguments) and arguments.format == "auto" and is_table_of_text(Path(arguments.source)):
        return read_rows(Path(arguments.source)), arguments.source
    return None


def read_stdin() -> str:
    """Standard input, which must be UTF-8."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Standard input cannot be read: it is not UTF-8. Expected an utterance a line. "
            f"Received: byte {error.object[error.start]:#04x}. Save it as UTF-8."
        ) from error


def source_of(arguments: argparse.Namespace, scorer):
    """The corpus at SOURCE; where an encoder gave the model's words their vectors, it gives these theirs."""
    if arguments.workers is not None:
        warn("Note: --workers changes nothing: one process reads what is scored.")
    if scorer.text is None or "text" not in scorer.modalities:
        return corpus_from(arguments, labelled=False)
    from mmtrans.text import vectors_for

    vectors = vectors_for(scorer, text_encoder=arguments.text_encoder, glove=arguments.glove)
    return corpus_from(arguments, labelled=False, vectors=vectors)


def spoken_by(arguments: argparse.Namespace, scorer, utterances: list[Any], origin: str):
    """The corpus of utterances, with the vectors that the model reads."""
    from mmtrans.text import open_text

    return open_text(scorer, utterances, origin, text_encoder=arguments.text_encoder, glove=arguments.glove)


def check_out(out: str | None) -> str:
    """The kind of rows, `.csv` or `.jsonl`; a ValueError for another file name, and where no file can be put."""
    suffix = ".csv" if out is None else Path(out).suffix
    if suffix not in (".csv", ".jsonl"):
        raise ValueError(f"The rows have two forms. Expected FILE.csv or FILE.jsonl. Received: out={out}. Rename it.")
    if out is not None:
        check_new_file(out, "--out")
    return suffix


@contextlib.contextmanager
def rows_to(out: str | None, suffix: str, influence: bool = False, times: Times | None = None) -> Iterator[Callable]:
    """Yields what writes one prediction; a file appears whole or not at all."""
    if out is None:
        yield writer_of(sys.stdout, suffix, influence, for_terminal, times)
        return
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        yield writer_of(file, suffix, influence, times=times)


def writer_of(
    file, suffix: str, influence: bool = False, shown: Callable[[str], str] = str, times: Times | None = None
) -> Callable:
    """`write(prediction)` for an open text file: CSV after a header, words and weights parted by spaces, or JSON.

    Args:
        file: written to.
        suffix: `.csv` or `.jsonl`.
        influence: whether rows of CSV have a column of influences, which predictions then tell.
        shown: what a cell of CSV becomes. A file is for programs, and keeps ids and words as they are; JSON has escapes
            of its own.
        times: when the segments of clips begin and end, for columns of their own.
    """
    more = (*([INFLUENCE] if influence else []), *(TIMES if times is not None else []))
    if suffix == ".jsonl":
        return lambda prediction: file.write(
            for_json(json.dumps(to_json(prediction, times), ensure_ascii=False)) + "\n"
        )
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*HEADER, *more])

    def write(prediction) -> None:
        words = shown(" ".join(prediction.words))
        row = [shown(prediction.id), f"{prediction.score:.8g}", prediction.polarity, words]
        columns = [prediction.attention_weights, prediction.influence] if influence else [prediction.attention_weights]
        cells = [" ".join(f"{value:.6g}" for value in column) for column in columns]
        rows.writerow([*row, *cells, *(f"{time:g}" for time in (times or {}).get(prediction.id, ()))])

    return write


def to_json(prediction, times: Times | None = None) -> dict[str, Any]:
    """What one JSON line says."""
    weights = [round(float(weight), 7) for weight in prediction.attention_weights]
    told = {
        "id": prediction.id,
        "score": prediction.score,
        "polarity": prediction.polarity,
        "words": list(prediction.words),
        "attention": weights,
    }
    if times is not None:
        told.update(zip(TIMES, times[prediction.id], strict=True))
    if prediction.influence is None:
        return told
    return {**told, INFLUENCE: [None if value != value else round(value, 7) for value in prediction.influence.tolist()]}


def report_text(corpus, words_cut: int) -> dict[str, int]:
    """Says on stderr what of texts was not read, and returns the counts."""
    without = len(corpus.dropped)
    if without:
        first = ", ".join(dropped.id for dropped in corpus.dropped[:5])
        warn(f"{without} texts have no words and get no score: {first}{', …' if without > 5 else ''}.")
    if words_cut:
        warn(f"{words_cut} words lie beyond the steps that training read.")
    for what, number in corpus.cleaning.items():
        warn(f"{what}: {number}.")
    return {"without_words": without, "words_cut": words_cut}


def report(counts: Counter, out: str | None) -> None:
    """Says on stderr what was cut or passed over, and where the rows are."""
    for what, number in sorted(counts.items()):
        if what.startswith("without "):
            warn(f"{number} segments are passed over: {what}.")
    if counts["cut"]:
        warn(f"{counts['cut']} segments are cut to the steps that training read.")
    if out is not None:
        say(f"Wrote {counts['predicted']} segments to {out}.")
