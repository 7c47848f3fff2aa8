"""Evaluates a run on one split: predictions, metrics, translation quality, plots, TensorBoard's pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmtrans.data.records import Records, reporting_corruption
from mmtrans.evaluation.board import MAX_POINTS, write_evaluation, write_projector
from mmtrans.evaluation.predictions import Predictions, make_scorer, predict_split
from mmtrans.evaluation.results import check_results_place, place_of, save_metrics, save_results
from mmtrans.evaluation.shapes import HISTORY, Identity, PretrainedResult, Provenance, SentimentResult
from mmtrans.evaluation.split_metrics import evaluate_predictions
from mmtrans.evaluation.suitability import Unseen, check_features, check_label, is_own, misfit_of_target, unseen
from mmtrans.evaluation.translation import evaluate_translation
from mmtrans.evaluation.translation_quality import TranslationFigures
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from mmtrans.system.files import check_directory
from tfrecords.schema import LabelScale
from tfrecords.stored import read_csv

#: Seed of everything random in an evaluation: resampled videos, permuted sources.
SEED = 0


def evaluate(
    run: Run, records: Records, split: str, out: str | Path | None = None
) -> SentimentResult | PretrainedResult:
    """Evaluates a trained run, and writes `metrics.json`, `predictions.csv`, the plots and TensorBoard's pages.

    They go into the run's directory, but those of other records into `other-records/<hash of their manifest>` in it.

    Args:
        run: a run whose phases are finished.
        records: opened with this split and train (whose labels make the baselines). Of other records than the run's
            own the segments that it was trained on stay out.
        split: `train`, `valid` or `test`.
        out: another directory for all that is written, of this run and these records alone.

    Returns:
        the split's object in metrics.json, with `records`, the hash of their manifest, and `left_out`, the number of
        segments that stay out, `None` where nobody knows which would have to; of a pre-trained run it holds
        `translation`, these, and `notes` where there are some, and nothing but `metrics.json` is written. `translation`
        is `None` where no segment has the target, or where the records' target has other features than the run's.

    Raises:
        ValueError: the run is not finished, the records do not fit it, hold no labelled segment of this split that it
            has not seen or are corrupt; `out` holds something else; the results cannot be written.

    Example:
        ```pycon
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> result = api.evaluate(api.Run.open("run"), records, "valid")
        >>> result["mae"] > 0, sorted(result["baselines"])
        (True, ['majority', 'mean', 'median'])
        ```
    """
    if run.config.plan.pretrain:
        return _evaluate_pretrained(run, records, split, out)
    return evaluate_sentiment(run, records, split, out)


def _evaluate_pretrained(run: Run, records: Records, split: str, out: str | Path | None) -> PretrainedResult:
    place, chosen = _choose(run, records, split, out)
    with reporting_corruption(records):
        result: PretrainedResult = {
            "translation": evaluate_translation(run, chosen.records, split),
            **provenance_of(run, records, chosen, out),
        }
    if chosen.notes:
        result["notes"] = list(chosen.notes)
    save_metrics(place, split, result)
    return result


def _choose(run: Run, records: Records, split: str, out: str | Path | None) -> tuple[Path, Unseen]:
    """Where the results of a finished run go, and the segments that they are of."""
    check_finished(run)
    check_records(run, records)
    place = place_for(run, records, out)
    return place, unseen([run], records, split, labelled=not run.config.plan.pretrain)


def evaluate_sentiment(
    run: Run, records: Records, split: str, out: str | Path | None = None, name: str | None = None
) -> SentimentResult:
    """Evaluates a run that scores segments, as `evaluate`: one that is not pre-trained only. TensorBoard's table of
    configurations calls it `name`, or else by its directory."""
    place, chosen = _choose(run, records, split, out)
    with reporting_corruption(records):
        scorer = make_scorer(run)
        predictions = predict_split(run, chosen.records, split, scorer)
        beside = {}
        if split == "valid" and is_own(run, records) and records.count("train", run.recipe.inputs.modalities, True):
            # What training evaluates is valid: segments that it learned from stand beside them in the projector.
            beside["train"] = predict_split(run, records, "train", scorer, MAX_POINTS)
        misfit = misfit_of_target(run, records)
        translation = None if misfit else _translation(run, chosen.records, split)
    scale = records.manifest.label
    scored = evaluate_predictions(
        predictions.scores, predictions.labels, predictions.videos, records.labels("train"), scale, seed=SEED
    )
    scored["notes"] += notes_on(chosen, predictions.videos)
    provenance = provenance_of(run, records, chosen, out)
    result: SentimentResult = {**scored, **provenance}
    if run.has_translation:
        result = {**scored, "translation": translation, **provenance}
        result["notes"] += [] if translation else [_no_translation(run, split, misfit)]
    save_results(place, split, predictions, result)
    plot_split(place, split, predictions, scale, str(run.recipe))
    _plot_history(run, place)
    write_projector(place, {**beside, split: predictions})
    write_evaluation(place, run, split, result, name)
    return result


def check_records(run: Run, records: Records) -> None:
    """Raises a ValueError where records do not fit a run: their features, label scale, or no labels for the
    baselines. To predict sentiment it needs no target."""
    if not run.config.plan.pretrain:
        check_label(run, records)
    check_features(run, records, has_target=run.config.plan.pretrain)


def place_for(run: Run, records: Records, out: str | Path | None) -> Path:
    """The directory that the results of a run go to; a ValueError where it holds something else, or is read-only."""
    place = place_of(run, records, out)
    if out is None or (place.resolve() == run.path.resolve() and is_own(run, records)):
        check_directory(place, "--out")
        return place
    expected = {"records": records.manifest.manifest_hash, **identity(run)}
    check_results_place(place, lambda result: all(result.get(name) == value for name, value in expected.items()))
    return place


def identity(run: Run) -> Identity:
    """What tells a run from others."""
    return {"run": str(run.path.resolve()), "recipe": run.config.plan.recipe, "seed": run.config.plan.seed}


def provenance_of(run: Run, records: Records, chosen: Unseen, out: str | Path | None) -> Provenance:
    """What a result says of its records, and in a place of its own of its run."""
    provenance: Provenance = {"records": records.manifest.manifest_hash, "left_out": chosen.left_out}
    return provenance if out is None else {**provenance, **identity(run)}


def notes_on(chosen: Unseen, videos: Sequence[str]) -> list[str]:
    """Sentences on the records of a result, given the video of each segment."""
    count = sum(video in chosen.seen_videos for video in videos)
    seen = f"Of videos of which the run was trained on other segments: {count} of {len(videos)} segments."
    return [*chosen.notes, *([seen] if count else [])]


def _translation(run: Run, records: Records, split: str) -> TranslationFigures | None:
    """Quality of a run's translation; `None` for a baseline, and where no segment has the target too."""
    if not run.has_translation:
        return None
    recipe = run.last_translation.recipe
    modalities = (*recipe.inputs.modalities, *recipe.target.modalities)
    if not all(map(records.has, modalities)) or not records.count(split, modalities):
        return None
    return evaluate_translation(run, records, split)


def _no_translation(run: Run, split: str, misfit: str | None) -> str:
    if misfit:
        return f"No quality of the translation. {misfit}"
    target = " and ".join(run.last_translation.recipe.target.modalities)
    return f"No quality of the translation: no segment of the {split} split has {target} beside its source."


def plot_split(directory: Path, split: str, predictions: Predictions, scale: LabelScale, name: str) -> None:
    """Draws a split into the `plots` of a directory; `name` says what predicted."""
    from mmtrans.evaluation.metrics import has_seven_classes
    from mmtrans.evaluation.plots.scores import plot_confusion, plot_predictions

    plots, title = directory / "plots", f"{name}, {split}"
    plots.mkdir(exist_ok=True)
    scores, labels = predictions.scores, predictions.labels
    plot_predictions(
        plots / f"predictions-{split}.png", scores, labels, predictions.videos, title, neutral=scale.neutral
    )
    if has_seven_classes(scale):
        plot_confusion(plots / f"confusion-{split}.png", scores, labels, scale, title)


def _plot_history(run: Run, place: Path) -> None:
    from mmtrans.evaluation.plots.history import loss_names, plot_history

    remedy = "Give the same `mmtrans train` command again, which writes it anew."
    rows = read_csv(run.path / "history.csv", HISTORY, remedy)
    plot_history(place / "plots" / "history.png", rows, loss_names(run.phases, run.config))
