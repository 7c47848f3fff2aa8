"""Gathers what a page of the explorer shows: of one run, or of several on the segments that all of them can read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np

from mmtrans.data.records import Records, reporting_corruption
from mmtrans.evaluation.ensemble import check_members, combine
from mmtrans.evaluation.evaluate import SEED, check_records, notes_on
from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.predictions import Predictions, predict_split
from mmtrans.evaluation.results import SHOWN, place_of
from mmtrans.evaluation.shapes import Origin, Scored, read_split
from mmtrans.evaluation.split_metrics import evaluate_predictions
from mmtrans.evaluation.suitability import Unseen, misfit_of_target, unseen
from mmtrans.evaluation.uncertainty.seeds import compare_seeds
from mmtrans.explore.reading import Source, lacks_of, read_sources
from mmtrans.explore.shading import shade
from mmtrans.explore.shapes import Page, PairedDifference, RunView, Segment, Translation, rounded
from mmtrans.explore.space import TOO_FEW, map_space
from mmtrans.explore.translations import translate
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished, read_outcome
from mmtrans.system.escape import for_shell, for_terminal
from tfrecords.schema import LabelScale

TITLE = "Segment explorer"

_TEST = (
    "These are segments of the test split. Look at them once the model is chosen: what is changed after such a look is "
    "fitted to them, and its figures here are no longer those of new data."
)
_VALID = "The valid split chose the epoch, unless steps were fixed: figures of new videos may be worse."
_TRAIN = "The runs learned from these segments: errors here are those of fitting, and not of new videos."
_MEAN_OF = "The mean of the runs' scores has none of its own."


def gather(runs: Sequence[Run], records: Records, split: str) -> Page:
    """Computes the page of some runs on a split.

    Args:
        runs: finished runs, trained on the same records.
        records: the records, opened with this split and train (whose labels make the baselines).
        split: `train`, `valid` or `test`.

    Raises:
        ValueError: a run is not finished, is pre-trained only, or has not been scored on test, and test is asked for;
            the runs are of different records, or one is given twice; the records do not fit a run, or hold no labelled
            segment that all of them read.
    """
    check_members(runs)
    for run in runs:
        check_finished(run)
        check_records(run, records)
        if split == "test":
            _check_scored(run, records)
    chosen = unseen(runs, records, split)
    with reporting_corruption(records):
        found = [predict_split(run, chosen.records, split) for run in runs]
        together, scores = combine(found)
        places = {id_: place for place, id_ in enumerate(together.ids)}
        read = [list(read_sources(run, chosen.records, split)) for run in runs]
        sources = [_in_order(own, places) for own in read]
        views = [
            _view(run, records, chosen, split, _cut(predictions, places), own)
            for run, predictions, own in zip(runs, found, read, strict=True)
        ]
        lacks = lacks_of(chosen.records, split, itertools.chain.from_iterable(sources))
    if len(runs) > 1:
        views.append(_mean_view(together, records))
    return Page(
        title=_title(runs, split),
        about=_about(records, together, split),
        banners=[*_banners(views, split), *notes_on(chosen, together.videos)],
        split=split,
        label={**records.manifest.label.to_json(), "name": for_terminal(records.manifest.label.name)},
        videos=len(set(together.videos)),
        segments=_segments(together, sources, lacks),
        runs=views,
        differences=_differences(scores, together),
    )


def _title(runs: Sequence[Run], split: str) -> str:
    names = dict.fromkeys(str(run.recipe) for run in runs)
    return f"{TITLE}: {', '.join(names)}, {split}"


def _check_scored(run: Run, records: Records) -> None:
    path = place_of(run, records) / "metrics.json"
    if read_split(path, "test", Origin) is None:
        raise ValueError(
            f"The test split is looked at last. Expected a run that `mmtrans evaluate` has scored on it. "
            f"Received: split=test, no test in {path}. Explore --split valid, or once the model is chosen: "
            f"mmtrans evaluate {for_shell(run.path)}."
        )


def _in_order(sources, places: dict[str, int]) -> list[Source]:
    kept = [source for source in sources if source.id in places]
    return sorted(kept, key=lambda source: places[source.id])


def _cut(found: Predictions, places: dict[str, int]) -> Predictions:
    """Predictions of the segments that all runs read, in their order."""
    row_of = {id_: row for row, id_ in enumerate(found.ids)}
    rows = [row_of[id_] for id_ in places]
    ids, videos, words = ([column[row] for row in rows] for column in (found.ids, found.videos, found.words))
    vectors = {name: values[rows] for name, values in found.vectors.items()}
    return Predictions(ids, videos, words, found.scores[rows], found.labels[rows], vectors)


def _view(run: Run, records: Records, chosen: Unseen, split: str, found: Predictions, sources: list[Source]) -> RunView:
    steps = {source.id: source.steps for source in sources}
    attention, influence, notes = shade(run, sources, found.ids)
    space = map_space(found.vectors)
    if space is None:
        notes["space"] = TOO_FEW
    translation = _translation(run, records, chosen, split, found.ids, notes)
    scored = _scored(found, records)
    return RunView(
        name=for_terminal(f"{run.recipe}, seed {run.config.plan.seed}"),
        path=for_terminal(str(run.path)),
        facts=_facts(run),
        metrics=_metrics(scored),
        collapsed=scored["collapsed"],
        scores=rounded(found.scores),
        steps=[steps[id_] for id_ in found.ids],
        attention=attention,
        influence=influence,
        space=space,
        translation=translation,
        notes=notes,
    )


def _translation(
    run: Run, records: Records, chosen: Unseen, split: str, ids: list[str], notes: dict[str, str]
) -> Translation | None:
    """The run's translations; without any, why goes into `notes`."""
    if not run.has_translation:
        notes["translation"] = "This run translates nothing: its recipe is a baseline."
    elif misfit := misfit_of_target(run, records):
        notes["translation"] = for_terminal(misfit)
    else:
        return translate(run, chosen.records, split, ids)
    return None


def _mean_view(together: Predictions, records: Records) -> RunView:
    scored = _scored(together, records)
    return RunView(
        name="mean of the runs",
        path="",
        facts={},
        metrics=_metrics(scored),
        collapsed=scored["collapsed"],
        scores=rounded(together.scores),
        steps=[],
        notes=dict.fromkeys(("words", "translation", "space"), _MEAN_OF),
    )


def _scored(found: Predictions, records: Records) -> Scored:
    scale: LabelScale = records.manifest.label
    return evaluate_predictions(found.scores, found.labels, found.videos, records.labels("train"), scale, seed=SEED)


def _metrics(scored: Scored) -> dict[str, float | None]:
    names = [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    figures = cast("dict[str, float | None]", scored)
    return {name: figures[name] for name in names}


def _facts(run: Run) -> dict[str, str]:
    ends = [read_outcome(run, phase) for phase in run.phases]
    return {
        "reads": " and ".join(run.recipe.inputs.modalities),
        "epochs": ", ".join(f"{end.epoch} of {end.epochs}" for end in ends),
        "seed": str(run.config.plan.seed),
    }


def _about(records: Records, together: Predictions, split: str) -> list[str]:
    manifest = records.manifest
    return [
        f"{len(together.ids):,} labelled segments of {len(set(together.videos)):,} videos, {split} split",
        for_terminal(f"records {records.directory.resolve().name}, made of {manifest.source.format}"),
        for_terminal(f"folds: {manifest.folds.origin}"),
        f"manifest {manifest.manifest_hash[:SHOWN]}",
    ]


def _banners(views: Sequence[RunView], split: str) -> list[str]:
    collapsed = [
        f"{view.name} has collapsed: its predictions, or their signs, hardly vary, and the labels do."
        for view in views
        if view.collapsed
    ]
    return [{"test": _TEST, "valid": _VALID, "train": _TRAIN}[split], *collapsed]


def _segments(together: Predictions, sources: Sequence[list[Source]], lacks: dict[str, list[str]]) -> list[Segment]:
    words = {source.id: source.words for own in sources for source in own}
    columns = zip(together.ids, together.videos, together.labels.tolist(), strict=True)
    return [
        Segment(
            for_terminal(id_),
            for_terminal(video),
            list(map(for_terminal, words[id_])),
            round(label, 4),
            list(dict.fromkeys(lacks.get(id_, ()))),
        )
        for id_, video, label in columns
    ]


def _differences(scores: np.ndarray, together: Predictions) -> list[PairedDifference]:
    errors = np.abs(scores - together.labels)
    found = []
    for first, second in itertools.combinations(range(len(scores)), 2):
        difference = compare_seeds(errors[[first]], errors[[second]], together.videos, seed=SEED)
        ends = (difference.low, difference.high, difference.p_value)
        found.append(PairedDifference(first, second, difference.mean, *ends))
    return found
