"""The embedded default of `mmtrans-train`: the synthetic corpus, `T->A`, its test split, and what it all means."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from rich.table import Table

from mmtrans.cli.embedded import embedded_corpus_dir
from mmtrans.cli.following import program
from mmtrans.cli.show import console, format_number, show_metrics
from mmtrans.conversion.convert import convert
from mmtrans.evaluation.evaluate import evaluate_sentiment
from mmtrans.evaluation.shapes import SentimentResult
from mmtrans.evaluation.suitability import open_records
from mmtrans.runs.run import Run
from mmtrans.sources.open import open_corpus
from mmtrans.synthetic.corpus import synthesize
from mmtrans.system.console import say
from mmtrans.system.escape import for_shell
from mmtrans.system.lease import held
from tfrecords.stored import read_json


class Best(TypedDict):
    """What the best predictor of sentiment reaches."""

    acc2_has0: float
    acc2_non0: float


class TextCeilings(TypedDict):
    """Split → what is best for text."""

    splits: dict[str, Best]


class Translations(TypedDict):
    """Split → the best R² of a translation."""

    splits: dict[str, float]


class Truth(TypedDict):
    """What is read of `ground_truth.json`."""

    text: TextCeilings
    translation: dict[str, Translations]


def embedded_records() -> Path:
    """Directory of the embedded corpus' records; made on first use."""
    corpus, records = embedded_corpus_dir() / "corpus", embedded_corpus_dir() / "records"
    if (records / "manifest.json").is_file() and (corpus / "ground_truth.json").is_file():
        return records
    with held(embedded_corpus_dir()):
        if not (corpus / "ground_truth.json").is_file():
            say(f"Making the synthetic corpus in {corpus} …")
            synthesize(corpus)
        if not (records / "manifest.json").is_file():
            say(f"Converting it into {records} …")
            convert(open_corpus(corpus), records)
    return records


def explain(run: Run, out: str | None = None) -> SentimentResult:
    """Evaluates the embedded run on test, into `out` or its own directory; prints every number beside its ceiling."""
    records = open_records(run)
    result = evaluate_sentiment(run, records, "test", out)
    remedy = f"Delete {embedded_corpus_dir()}, and give the same command again."
    truth = read_json(embedded_corpus_dir() / "corpus" / "ground_truth.json", Truth, remedy)
    show_metrics(result, f"{run.recipe} on the test split of the synthetic corpus")
    ceilings = Table(title="How far from the planted ceilings (best possible on this test split)", title_justify="left")
    for heading in ("", "measured", "ceiling", "share of ceiling"):
        ceilings.add_column(heading, justify="left" if heading == "" else "right")
    best, best_r2 = truth["text"]["splits"]["test"], truth["translation"]["T->A"]["splits"]["test"]
    translation = result.get("translation")
    rows = {
        "R² of text → audio, free-running": (translation["r2"] if translation else None, best_r2),
        "Acc-2 (≠0) of sentiment": (result["acc2_non0"], best["acc2_non0"]),
        "Acc-2 (≥0) of sentiment": (result["acc2_has0"], best["acc2_has0"]),
    }
    for name, (measured, ceiling) in rows.items():
        share = "-" if measured is None else f"{measured / ceiling:.0%}"
        ceilings.add_row(name, format_number(measured), format_number(ceiling), share)
    console().print(ceilings)
    lines = (
        "What happened: a seq2seq with attention learned to translate words into acoustics; then its encoder was",
        "frozen, and a regressor learned sentiment from the encoder's output. The corpus is synthetic: its equations",
        "are known, so the best possible numbers are too. They say that the method works here, not on real speech.",
        f"Where things are: {run.path} (metrics.json, predictions.csv, plots/, logs/), {records.directory}.",
        f"Try next: {program('tensorboard')} --logdir {for_shell(run.path / 'logs')}",
        f"          {program('mmtrans-train')} --data {for_shell(records.directory)} --recipe T",
        f"          {program()} convert YOUR_MOSI_FOLDER records",
        f"          {program('mmtrans-train')} --data records --recipe 'T->A'",
    )
    for line in lines:
        say(line)
    return result
