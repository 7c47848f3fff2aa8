"""Evaluates a run on one split: predictions, metrics, translation quality, plots, TensorBoard's pages."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from mmtrans.data.records import Records, corruption_named
from mmtrans.evaluation.board import MAX_POINTS, write_evaluation, write_projector
from mmtrans.evaluation.predictions import Predictions, make_scorer, predict
from mmtrans.evaluation.split_metrics import evaluate_predictions
from mmtrans.evaluation.translation import evaluate_translation
from mmtrans.files import write_atomically
from mmtrans.recipe import Translation
from mmtrans.training.run import Run
from mmtrans.training.status import check_finished, read_status
from tfrecords.schema import LabelScale

#: Seed of everything random in an evaluation: resampled videos, permuted sources.
SEED = 0


def evaluate(run: Run, records: Records, split: str) -> dict:
    """Evaluates a trained run, and writes `metrics.json`, `predictions.csv`, the plots and TensorBoard's pages.

    Args:
        run: a run whose phases are finished.
        records: opened with this split and train (whose labels make the baselines).
        split: `train`, `valid` or `test`.

    Returns:
        the split's object in metrics.json; of a pre-trained run it holds `translation` alone, and nothing but
        `metrics.json` is written.

    Raises:
        ValueError: the run is not finished, the records do not fit it, hold no labelled segment of this split or are
            corrupt.
    """
    check_finished(run)
    check_records(run, records)
    if run.config.pretrain:
        with corruption_named(records):
            result = {"translation": evaluate_translation(run, records, split)}
        save_metrics(run.path, split, result)
        return result
    with corruption_named(records):
        scorer = make_scorer(run)
        predictions = predict(run, records, split, scorer)
        beside = {}
        if split == "valid" and records.count("train", run.recipe.inputs.modalities, labelled=True):
            # What training evaluates is valid: segments that it learned from stand beside them in the projector.
            beside["train"] = predict(run, records, "train", scorer, MAX_POINTS)
        translation = evaluate_translation(run, records, split) if isinstance(run.recipe, Translation) else None
    scale = records.manifest.label
    result = evaluate_predictions(
        predictions.scores, predictions.labels, predictions.videos, records.labels("train"), scale, seed=SEED
    )
    if translation is not None:
        result["translation"] = translation
    save(run.path, split, predictions, result)
    plot(run.path, split, predictions, scale, str(run.recipe))
    _plot_history(run)
    write_projector(run, {**beside, split: predictions})
    write_evaluation(run, split, result, sum(read_status(run, phase)["epoch"] for phase in run.phases))
    return result


def check_records(run: Run, records: Records) -> None:
    """Raises a ValueError where a modality's width differs from the run's, or there are no labels for the baselines."""
    if not run.config.pretrain and not records.count("train", labelled=True):
        raise ValueError(
            f"The records have no labelled train split. Expected one, as the baselines are made from its labels. "
            f"Received: train=none ({records.directory}). Choose folds with --folds, or use `mmtrans predict`."
        )
    for name, mean in run.statistics.mean.items():
        if records.dim(name) != len(mean):
            raise ValueError(
                f"The records do not fit the run. Expected {len(mean)} columns of {name}. "
                f"Received: dim={records.dim(name)} ({records.directory}). Convert the corpus with the same features."
            )


def save(directory: Path, split: str, predictions: Predictions, result: dict) -> None:
    """Adds a split to `metrics.json` and `predictions.csv` of a directory."""
    save_metrics(directory, split, result)
    _save_predictions(directory / "predictions.csv", split, predictions)


def save_metrics(directory: Path, split: str, result: dict) -> None:
    """Adds a split to `metrics.json` of a directory."""
    path = directory / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_atomically(path, json.dumps({**metrics, split: result}, indent=2, allow_nan=False))


def _save_predictions(path: Path, split: str, predictions: Predictions) -> None:
    rows = []
    if path.is_file():
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
    rows = [row for row in rows if row[0] != split]
    columns = zip(predictions.ids, predictions.videos, predictions.labels, predictions.scores, strict=True)
    rows += [[split, id_, video, f"{label:.6g}", f"{score:.8g}"] for id_, video, label, score in columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "id", "video_id", "label", "prediction"])
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def plot(directory: Path, split: str, predictions: Predictions, scale: LabelScale, name: str) -> None:
    """Draws a split into the `plots` of a directory; `name` says what predicted."""
    from mmtrans.evaluation.metrics import has_seven_classes
    from mmtrans.evaluation.plots import plot_confusion, plot_predictions

    plots, title = directory / "plots", f"{name}, {split}"
    plots.mkdir(exist_ok=True)
    scores, labels = predictions.scores, predictions.labels
    plot_predictions(plots / f"predictions-{split}.png", scores, labels, predictions.videos, title)
    if has_seven_classes(scale):
        plot_confusion(plots / f"confusion-{split}.png", scores, labels, scale, title)


def _plot_history(run: Run) -> None:
    from mmtrans.evaluation.plots import plot_history

    with open(run.path / "history.csv", newline="", encoding="utf-8") as file:
        plot_history(run.path / "plots" / "history.png", list(csv.DictReader(file)))
