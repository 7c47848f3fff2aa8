"""What TensorBoard shows of an evaluated run: joint representations, configuration with metrics, plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.predictions import Predictions
from mmtrans.files import write_atomically
from mmtrans.training.run import Run

#: Segments of a split that the projector gets: it is sluggish with many more.
MAX_POINTS = 1000

#: Tensor of the projector → what its rows are. A baseline has no `joint`: there is nothing but its features.
REPRESENTATIONS = {
    "joint": "output of the translation's encoder, mean over the steps; learned without labels unless tuned with them",
    "sentiment": "the regressor's pooled vector, which the score is linear in; learned from labels",
}

#: Columns of the metadata; the projector shows the first one beside a point.
HEADER = ("words", "label", "score", "split", "id")


def write_projector(run: Run, points: Mapping[str, Predictions]) -> None:
    """Puts splits into the embedding projector, in place of what was there of them: `RUN/logs/projector`.

    Args:
        run: the run.
        points: split → its scored segments; of more than `MAX_POINTS` evenly spread ones are kept.
    """
    directory = run.path / "logs" / "projector"
    if not directory.is_dir():
        # The projector looks only where there are events.
        with tf.summary.create_file_writer(str(directory)).as_default():
            lines = [f"**{name}**: {text}" for name, text in REPRESENTATIONS.items()]
            tf.summary.text("representations", "\n\n".join(lines), step=0)
    kept = {split: _spread(len(found.ids)) for split, found in points.items()}
    rows = [
        (" ".join(found.words[i].split()), f"{found.labels[i]:.6g}", f"{found.scores[i]:.4g}", split, found.ids[i])
        for split, found in points.items()
        for i in kept[split]
    ]
    vectors_of = next(iter(points.values())).vectors
    names = [name for name in REPRESENTATIONS if name in vectors_of]
    metadata = _lines(directory / "metadata.tsv")[1:]
    stays = [line.split("\t")[HEADER.index("split")] not in points for line in metadata]
    new = {"metadata.tsv": rows}
    for name in names:
        vectors = np.concatenate([found.vectors[name][kept[split]] for split, found in points.items()])
        new[f"{name}.tsv"] = np.char.mod("%.5g", vectors)
    for file, table in new.items():
        old = metadata if file == "metadata.tsv" else _lines(directory / file)
        lines = [line for line, stay in zip(old, stays, strict=True) if stay]
        header = ["\t".join(HEADER)] if file == "metadata.tsv" else []
        write_atomically(directory / file, "\n".join([*header, *lines, *map("\t".join, table)]) + "\n")
    write_atomically(directory / "projector_config.pbtxt", _projector_config(names))


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).astype(np.int64))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _projector_config(names: Sequence[str]) -> str:
    """Text of the projector's protocol buffer, which needs no import of its plugin."""
    return "".join(
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n  metadata_path: "metadata.tsv"\n}}\n'
        for name in names
    )


def write_evaluation(run: Run, split: str, result: Mapping, epochs: int) -> None:
    """Writes the metrics of a split, the configuration and the split's plots to `RUN/logs/evaluation`.

    Args:
        run: the run, whose plots of this split are drawn.
        split: which was evaluated.
        result: its object in metrics.json.
        epochs: that were trained, the step at which all of it is shown.
    """
    from tensorboard.plugins.hparams import api as hparams

    directory, suffix = run.path / "logs" / "evaluation", f".{split}"
    old = sorted(directory.glob(f"events.out.tfevents.*{suffix}"))
    writer = tf.summary.create_file_writer(str(directory), filename_suffix=suffix)
    with writer.as_default(step=epochs):
        # Grouped by a hash of them: directories of several runs may have one name.
        hparams.hparams(run.config.to_dict())
        for name in METRICS:
            if result[name] is not None:
                tf.summary.scalar(f"{split}/{name}", result[name])
        for kind in ("predictions", "confusion"):
            path = run.path / "plots" / f"{kind}-{split}.png"
            if path.is_file():
                tf.summary.image(f"{kind}/{split}", tf.io.decode_png(path.read_bytes(), channels=3)[None])
    writer.close()
    # After the new ones are there: an evaluation replaces the one before.
    for path in old:
        path.unlink()
