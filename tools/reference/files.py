"""The page of the files that commands write, whose keys are told by the docstrings of what holds them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping

from tools.reference.markdown import escaped, page, table
from tools.reference.python import docstring_of, tree_of

_RECORDS = """
`mmtrans convert` writes a directory of records. `manifest.json` tells what it holds. Beside it lie the shards:
TFRecords, whose SHA-256 stands in the manifest. Features are stored as they were cleaned, and not normalised.
"""

#: The first version, and of what a later one added: page section → file or key → that version.
FIRST = "0.1.0"
LATER: dict[str, dict[str, str]] = {}

_RUN = "`mmtrans train` writes a run, and `mmtrans evaluate` adds to it."

_RUN_FILES = {
    "config.yaml": "the [configuration](configuration.md)",
    "environment.json": "the records and their hash, what new data must be like, seed, versions, devices",
    "statistics.npz": "mean and standard deviation of each modality over train",
    "segments.json": "ids of the segments that it, and the run that it started from, were trained on",
    "history.csv": "a row for each phase and epoch: losses in training and on valid, and the learning rate",
    "phases/N-KIND-RECIPE/": "a phase: `phase.json`, the best weights in `best/`, checkpoints while it is trained",
    "metrics.json": "split → metrics, their 95 % intervals, and what is told beside them",
    "predictions.csv": "a row for each segment of each split that was evaluated: label and score on the label's scale",
    "robustness.json": "with `mmtrans evaluate --corrupt`: metrics over levels of corruption",
    "robustness.csv": "the same as a table",
    "plots/": "pictures",
    "logs/": "events of TensorBoard",
}

#: Metric → what it is, with its unit.
_METRICS = {
    "mae": "mean absolute error, in the label's unit",
    "pearson": "Pearson's r of scores and labels; `null` where one of them is constant",
    "acc2_has0": "share of segments whose sign is right, where neutral counts as positive",
    "acc2_non0": "the same without segments whose label is neutral",
    "f1_has0": "F1 of these signs, weighted by the true classes, where neutral counts as positive",
    "f1_non0": "the same without segments whose label is neutral",
    "acc5": "share of segments whose score, rounded to five classes, is the label's; for MOSI's scale alone",
    "acc7": "the same with seven classes",
    "binary_precision": "precision of the sign, weighted by the true classes, where neutral counts as positive",
    "binary_recall": "recall of the same",
    "binary_f1": "F1 of the same",
    "seven_precision": "precision of the seven classes, weighted by the true classes",
    "seven_recall": "recall of the same",
    "seven_f1": "F1 of the same",
    "extreme_recall": "share of the labels in classes -3 and 3 that are predicted in their own class",
}

_SPLIT = """
Each metric `NAME` has a 95 % interval over videos, `NAME_low` and `NAME_high`. An ensemble also has `members`, and
`members_mean`, the mean of their metrics. A run with `--pretrain` has `translation` and no metrics.
"""

_EXPORT = "`mmtrans export` writes a model that plain TensorFlow runs."

_EXPORT_FILES = {
    "saved_model.pb, variables/": "the SavedModel",
    "keras/": "the same models as Keras' own files",
    "signature.json": "what it reads and writes, the label's scale, metrics, versions, the SHA-256 of the files",
    "model_card.md": "the same for people",
}


def files_page() -> str:
    """The page as it has to be."""
    intro = (
        "All text is UTF-8. Files may gain keys in later versions; readers do without the keys that a file lacks. "
        f"*Since* is the first version that writes a key. Files of commits before {FIRST} may lack some."
    )
    manifest, shapes = "tfrecords.manifest", "mmtrans.evaluation.shapes"
    blocks = ["# Files", intro, "## Records", _RECORDS, "### manifest.json", _keys(manifest, "Manifest")]
    for title, name in {"modalities": "ModalityInfo", "splits: shards": "Shard", "summary": "Summary"}.items():
        blocks += [f"### {title}", _keys(manifest, name)]
    blocks += ["### text", _keys(manifest, "TextColumns"), "## A run", _RUN, _table("run", "file", _RUN_FILES)]
    blocks += ["### environment.json", _keys("mmtrans.runs.environment", "Environment")]
    blocks += ["### environment.json: data", _keys("mmtrans.runs.environment", "DataDescription")]
    blocks += ["### phase.json, once the phase is trained", _keys("mmtrans.runs.phase_file", "Outcome")]
    blocks += ["### metrics.json: a split", _SPLIT]
    blocks += [_table("metrics", "key", _METRICS), "Beside them stand:", _keys(shapes, "SentimentResult")]
    translation = _keys("mmtrans.evaluation.translation_quality", "TranslationFigures")
    blocks += ["### metrics.json: translation", translation, "## An export", _EXPORT]
    blocks += [_table("export", "file", _EXPORT_FILES), "### signature.json"]
    blocks += [_keys("mmtrans.inference.signature", "ExportDescription"), "### Inputs and outputs of its signatures"]
    return page(*blocks, _table("signature", "name", _meanings()))


def keys_of(text: str) -> dict[str, str]:
    """Key → what it is, of the attributes that a docstring tells; of two in one entry each gets its text."""
    entries = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", inspect.cleandoc(text), re.MULTILINE)
    found = re.findall(r"^    ([\w, ]+): (.*(?:\n     +.*)*)", entries[1] if entries else "", re.MULTILINE)
    return {name: " ".join(what.split()) for names, what in found for name in names.split(", ")}


def _keys(module: str, name: str) -> str:
    return _table(name, "key", keys_of(docstring_of(module, name)))


def _table(section: str, what: str, told: Mapping[str, str]) -> str:
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
