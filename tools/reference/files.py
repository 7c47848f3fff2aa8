"""The page of the files that commands write, whose keys are told by the docstrings of what holds them."""

from __future__ import annotations

import ast
import inspect
import re

from tools.reference.markdown import escaped, page, table
from tools.reference.python import docstring_of, tree_of

_RECORDS = """
`mmtrans convert` writes a directory of records. `manifest.json` tells what it holds. Beside it lie the shards:
TFRecords, whose SHA-256 stands in the manifest. Features are stored as they were cleaned, and not normalised.
"""

_RUN = """
`mmtrans train` writes a run, and `mmtrans evaluate` adds to it.

| file | what it holds |
| --- | --- |
| `config.yaml` | the [configuration](configuration.md) |
| `environment.json` | the records and their hash, what new data must be like, seed, versions, devices |
| `statistics.npz` | mean and standard deviation of each modality over train |
| `segments.json` | ids of the segments that it, and the run that it started from, were trained on |
| `history.csv` | a row for each phase and epoch: losses in training and on valid |
| `phases/N-KIND-RECIPE/` | a phase: `phase.json`, the best weights in `best/`, checkpoints while it is trained |
| `metrics.json` | split → metrics, their 95 % intervals (`…_low`, `…_high`), `baselines`, `collapsed`, `translation` |
| `predictions.csv` | a row for each segment of each split that was evaluated |
| `robustness.json`, `robustness.csv` | with `mmtrans evaluate --corrupt`: curves over corruption |
| `plots/`, `logs/` | pictures, and events of TensorBoard |
"""

_EXPORT = """
`mmtrans export` writes a model that plain TensorFlow runs.

| file | what it holds |
| --- | --- |
| `saved_model.pb`, `variables/` | the SavedModel |
| `keras/` | the same models as Keras' own files |
| `signature.json` | what it reads and writes, the label's scale, metrics, versions, the SHA-256 of the files |
| `model_card.md` | the same for people |

Its signatures have these inputs and outputs:
"""


def files_page() -> str:
    """The page as it has to be."""
    intro = "All text is UTF-8. Files may gain keys in later versions; readers do without the keys that a file lacks."
    manifest = "tfrecords.manifest"
    blocks = ["# Files", intro, "## Records", _RECORDS, "### manifest.json", _keys(manifest, "Manifest")]
    for title, name in {"modalities": "ModalityInfo", "splits: shards": "Shard", "summary": "Summary"}.items():
        blocks += [f"### {title}", _keys(manifest, name)]
    blocks += ["### text", _keys(manifest, "TextColumns"), "## A run", _RUN]
    blocks += ["### phase.json, once the phase is trained", _keys("mmtrans.runs.phase_file", "Outcome")]
    rows = ([f"`{name}`", escaped(text)] for name, text in _meanings().items())
    return page(*blocks, "## An export", _EXPORT, table(["name", "what it is"], rows))


def keys_of(text: str) -> dict[str, str]:
    """Key → what it is, of the attributes that a docstring tells; of two in one entry each gets its text."""
    entries = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", inspect.cleandoc(text), re.MULTILINE)
    found = re.findall(r"^    ([\w, ]+): (.*(?:\n     +.*)*)", entries[1] if entries else "", re.MULTILINE)
    return {name: " ".join(what.split()) for names, what in found for name in names.split(", ")}


def _keys(module: str, name: str) -> str:
    keys = keys_of(docstring_of(module, name))
    return table(["key", "what it is"], ([f"`{key}`", escaped(what)] for key, what in keys.items()))


def _meanings() -> dict[str, str]:
    """Input or output of an export → what it is, read without importing TensorFlow."""
    nodes = tree_of("mmtrans.inference.signature").body
    return next(ast.literal_eval(n.value) for n in nodes if isinstance(n, ast.Assign) and _names(n) == ["MEANINGS"])


def _names(node: ast.Assign) -> list[str]:
    return [ast.unparse(target) for target in node.targets]
