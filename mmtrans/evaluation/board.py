"""What TensorBoard shows of an evaluated run: joint representations, configuration with metrics, plots."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.predictions import Predictions
from mmtrans.evaluation.shapes import SentimentResult
from mmtrans.evaluation.together import finish, write_together
from mmtrans.runs.run import Run
from mmtrans.runs.status import read_outcome
from mmtrans.system.console import warn
from mmtrans.system.escape import for_terminal

#: Segments of a split that the projector gets: it is sluggish with many more.
MAX_POINTS = 1000

#: Tensor of the projector → what its rows are. A baseline has no `joint`: there is nothing but its features.
REPRESENTATIONS = {
    "joint": "output of the translation's encoder, mean over the steps; learned without labels unless tuned with them",
    "sentiment": "the regressor's pooled vector, which the score is linear in; learned from labels",
}

#: Columns of the metadata; the projector shows the first one beside a point.
HEADER = ("words", "label", "score", "split", "id")

_METADATA = "metadata.tsv"


def write_projector(place: Path, points: Mapping[str, Predictions]) -> None:
    """Puts splits into the embedding projector, in place of what was there of them: `logs/projector` of a directory.

    Args:
        place: the directory.
        points: split → its scored segments; of more than `MAX_POINTS` evenly spread ones are kept.
    """
    directory = place / "logs" / "projector"
    if not any(directory.glob("events*")):
        # The projector looks only where there are events.
        with tf.summary.create_file_writer(str(directory)).as_default():
            lines = [f"**{name}**: {text}" for name, text in REPRESENTATIONS.items()]
            tf.summary.text("representations", "\n\n".join(lines), step=0)
    finish(directory)
    kept = {split: _spread(len(found.ids)) for split, found in points.items()}
    rows = [
        (" ".join(found.words[i].split()), f"{found.labels[i]:.6g}", f"{found.scores[i]:.4g}", split, found.ids[i])
        for split, found in points.items()
        for i in kept[split]
    ]
    vectors_of = next(iter(points.values())).vectors
    names = [name for name in REPRESENTATIONS if name in vectors_of]
    tables: dict[str, Iterable[Iterable[str]]] = {_METADATA: [[for_terminal(cell) for cell in row] for row in rows]}
    for name in names:
        vectors = np.concatenate([found.vectors[name][kept[split]] for split, found in points.items()])
        tables[f"{name}.tsv"] = np.char.mod("%.5g", vectors)
    old = _other_points(directory, list(tables), points)
    old[_METADATA].insert(0, "\t".join(HEADER))
    texts = {file: "\n".join([*old[file], *map("\t".join, rows)]) + "\n" for file, rows in tables.items()}
    write_together(directory, {**texts, "projector_config.pbtxt": _projector_config(names)})


def _other_points(directory: Path, files: Sequence[str], splits: Container[str]) -> dict[str, list[str]]:
    """File → the lines of it that are of other splits; of none where the files do not go together."""
    metadata = _lines(directory / _METADATA)[1:]
    lines = {file: metadata if file == _METADATA else _lines(directory / file) for file in files}
    cells = [line.split("\t") for line in metadata]
    if any(len(row) != len(HEADER) for row in cells) or len(set(map(len, lines.values()))) > 1:
        warn(f"the projector's files did not go together, and are begun anew ({directory}).")
        return {file: [] for file in files}
    stays = [row[HEADER.index("split")] not in splits for row in cells]
    return {file: list(itertools.compress(found, stays)) for file, found in lines.items()}


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).astype(np.int64))


def _lines(path: Path) -> list[str]:
    # Ids and words may hold what Python calls the end of a line, and TensorBoard does not.
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []


def _projector_config(names: Sequence[str]) -> str:
    """Text of the projector's protocol buffer, which needs no import of its plugin."""
    return "".join(
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n  metadata_path: "metadata.tsv"\n}}\n'
        for name in names
    )


def _trial_of(run: Run, name: str | None) -> str:
    """What the table of configurations calls a run: its name, and what tells it from others of that name."""
    name, digest = name or run.path.resolve().name, run.config.digest(run.manifest_hash)
    return for_terminal(name if name.endswith(digest) else f"{name} {digest}")


def write_evaluation(place: Path, run: Run, split: str, result: SentimentResult, name: str | None = None) -> None:
    """Writes the metrics of a split, the configuration and the split's plots, at the last epoch trained.

    Args:
        place: the directory, which gets `logs/evaluation`; the plots of this split are drawn in it.
        run: the run.
        split: the split that was evaluated.
        result: the split's object in metrics.json.
        name: what the run is called in the table of configurations; its directory's name by default.
    """
    from tensorboard.plugins.hparams import api as hparams

    directory, suffix = place / "logs" / "evaluation", f".{split}"
    epochs = sum(read_outcome(run, phase).epoch for phase in run.phases)
    old = sorted(directory.glob(f"events.out.tfevents.*{suffix}"))
    writer = tf.summary.create_file_writer(str(directory), filename_suffix=suffix)
    with writer.as_default(step=epochs):
        hparams.hparams(run.config.to_dict(), trial_id=_trial_of(run, name))
        for metric in METRICS:
            if result[metric] is not None:
                tf.summary.scalar(f"{split}/{metric}", result[metric])
        for kind in ("predictions", "confusion"):
            path = place / "plots" / f"{kind}-{split}.png"
            if path.is_file():
                tf.summary.image(f"{kind}/{split}", tf.io.decode_png(path.read_bytes(), channels=3)[None])
    writer.close()
    # After the new ones are there: an evaluation replaces the one before.
    for path in old:
        path.unlink()
