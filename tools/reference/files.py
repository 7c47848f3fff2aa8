"""The page of the files that commands write: keys are told by the docstrings of what holds them, or by `files_text`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping

from tools.reference import files_text as texts
from tools.reference.markdown import escaped, page, table
from tools.reference.python import docstring_of, tree_of

#: The first version, and of what a later one added: page section → file or key → that version.
FIRST = "0.1.0"
LATER: dict[str, dict[str, str]] = {}


def files_page() -> str:
    """The page as it has to be."""
    intro = (
        "All text is UTF-8. Files may gain keys in later versions; readers do without the keys that a file lacks. "
        f"*Since* is the first version that writes a key. Files of commits before {FIRST} may lack some. "
        "A name in capitals stands for what differs from file to file."
    )
    return page("# Files", intro, *_records(), *_run(), *_grid(), *_search(), *_export())


def _records() -> list[str]:
    manifest = "tfrecords.manifest"
    blocks = ["## Records", texts.RECORDS, "### manifest.json", _keys(manifest, "Manifest")]
    for title, name in {"modalities": "ModalityInfo", "splits: shards": "Shard", "summary": "Summary"}.items():
        blocks += [f"### {title}", _keys(manifest, name)]
    return [*blocks, "### text", _keys(manifest, "TextColumns")]


def _run() -> list[str]:
    environment, shapes = "mmtrans.runs.environment", "mmtrans.evaluation.shapes"
    translation = "mmtrans.evaluation.translation_quality"
    return [
        *("## A run", texts.RUN, _table("run", "file")),
        *("### environment.json", _keys(environment, "Environment")),
        *("### environment.json: data", _keys(environment, "DataDescription")),
        *("### segments.json", _table("segments", "key")),
        *("### phase.json", _table("phase", "key")),
        *("### phase.json, once the phase is trained", _keys("mmtrans.runs.phase_file", "Outcome")),
        *("### history.csv", _table("history", "column")),
        *("### predictions.csv", _table("predictions", "column")),
        *("### metrics.json: a split", texts.SPLIT, _table("metrics", "key")),
        *("Beside them stand:", _keys(shapes, "SentimentResult")),
        *("### metrics.json: translation", _keys(translation, "TranslationFigures")),
        *("### robustness.json: a split", _keys(shapes, "RobustnessResult")),
        *("### robustness.json: a curve", _keys(shapes, "CurveFigures")),
        *("### robustness.csv", _table("robustness", "column")),
    ]


def _grid() -> list[str]:
    description = "mmtrans.grid.description"
    return [
        *("## A grid", texts.GRID, _table("grid", "file")),
        *("### grid.json", _keys(description, "GridDescription")),
        *("### failures.json: a run", _keys(description, "Failure")),
        *("### report.csv", texts.KINDS, _table("report", "column")),
    ]


def _search() -> list[str]:
    results = "mmtrans.search.results"
    return [
        *("## A search", texts.SEARCH, _table("search", "file")),
        *("### search.json", _keys("mmtrans.search.plan", "SearchDescription")),
        *("### trials.csv", _table("trials", "column")),
        *("### trial.json", _keys(results, "Trial")),
        *("### trial.json: scores", _keys(results, "Score")),
    ]


def _export() -> list[str]:
    return [
        *("## An export", texts.EXPORT, _table("export", "file")),
        *("### signature.json", _keys("mmtrans.inference.signature", "ExportDescription")),
        *("### Inputs and outputs of its signatures", _rows("signature", "name", _meanings())),
    ]


def keys_of(text: str) -> dict[str, str]:
    """Key → what it is, of the attributes that a docstring tells; of two in one entry each gets its text."""
    entries = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", inspect.cleandoc(text), re.MULTILINE)
    found = re.findall(r"^    ([\w, ]+): (.*(?:\n     +.*)*)", entries[1] if entries else "", re.MULTILINE)
    return {name: " ".join(what.split()) for names, what in found for name in names.split(", ")}


def _keys(module: str, name: str) -> str:
    return _rows(name, "key", keys_of(docstring_of(module, name)))


def _table(section: str, what: str) -> str:
    return _rows(section, what, texts.TABLES[section])


def _rows(section: str, what: str, told: Mapping[str, str]) -> str:
    """A table of files or keys, with the version since which they are there."""
    since = LATER.get(section, {})
    rows = ([f"`{name}`", escaped(text), since.get(name, FIRST)] for name, text in told.items())
    return table([what, "what it is", "since"], rows)


def _meanings() -> dict[str, str]:
    """Input or output of an export → what it is, read without importing TensorFlow."""
    nodes = tree_of("mmtrans.inference.signature").body
    return next(ast.literal_eval(n.value) for n in nodes if isinstance(n, ast.Assign) and _names(n) == ["MEANINGS"])


def _names(node: ast.Assign) -> list[str]:
    return [ast.unparse(target) for target in node.targets]
