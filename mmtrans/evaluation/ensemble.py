"""Ensembles: several runs on the same records, whose score of a segment is the mean of the members' scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from mmtrans.data.records import Records, reporting_corruption
from mmtrans.evaluation.evaluate import SEED, check_records, identity, notes_on, plot_split
from mmtrans.evaluation.metrics import METRICS, mean_of, sentiment_metrics
from mmtrans.evaluation.predictions import Predictions, predict_split
from mmtrans.evaluation.results import check_results_place, save_results
from mmtrans.evaluation.shapes import EnsembleResult, Member, Origin
from mmtrans.evaluation.split_metrics import evaluate_predictions
from mmtrans.evaluation.suitability import unseen
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished


def evaluate_ensemble(runs: Sequence[Run], records: Records, split: str, out: str | Path) -> EnsembleResult:
    """Evaluates an ensemble, and writes `metrics.json`, `predictions.csv` and plots to `out`.

    The segments are those that every member can read: of `T` and `A` those that have text and audio.

    Args:
        runs: the members, whose phases are finished; recipes and seeds may differ.
        records: the records, opened with this split and train (whose labels make the baselines).
        split: `train`, `valid` or `test`.
        out: the ensemble's directory: new, empty, or made by an evaluation of the same members.

    Returns:
        the split's object in metrics.json, as of `evaluate`, with `members`, of each `run`, `recipe`, `seed` and its
        metrics on the same segments, and `members_mean`, their mean, `None` where one is undefined.

    Raises:
        ValueError: a run twice, runs of different records, `out` holds something else, no segment that all members
            read and that none was trained on, or as `evaluate`.

    Example:
        ```pycon
        >>> runs = [api.Run.open("run"), api.Run.open("translation")]
        >>> records = api.Records.open("records", splits=("train", "valid"))
        >>> result = api.evaluate_ensemble(runs, records, "valid", "ensemble")
        >>> [member["recipe"] for member in result["members"]]
        ['T', 'T->A']
        ```
    """
    check_members(runs)
    out = Path(out)
    check_results_place(out, lambda result: _is_same(result, runs, records))
    for run in runs:
        check_finished(run)
        check_records(run, records)
    chosen = unseen(runs, records, split)
    with reporting_corruption(records):
        ensemble, scores = combine([predict_split(run, chosen.records, split) for run in runs])
    scale = records.manifest.label
    scored = evaluate_predictions(
        ensemble.scores, ensemble.labels, ensemble.videos, records.labels("train"), scale, seed=SEED
    )
    scored["notes"] += notes_on(chosen, ensemble.videos)
    members = [
        cast(Member, {**identity(run), **sentiment_metrics(s, ensemble.labels, scale)})
        for run, s in zip(runs, scores, strict=True)
    ]
    result: EnsembleResult = {
        **scored,
        "records": records.manifest.manifest_hash,
        "left_out": chosen.left_out,
        "members": members,
        "members_mean": {name: mean_of(member[name] for member in members) for name in METRICS},
    }
    save_results(out, split, ensemble, result)
    plot_split(out, split, ensemble, scale, f"ensemble of {len(runs)}")
    return result


def combine(members: Sequence[Predictions]) -> tuple[Predictions, np.ndarray]:
    """The ensemble's predictions, on the segments that all members have in the order of the first, without vectors;
    and the members' scores of those, `(members, n)` float32.

    Raises:
        ValueError: there are no such segments.
    """
    rows = [dict(zip(member.ids, range(len(member.ids)), strict=True)) for member in members]
    first = members[0]
    kept = [row for row, id_ in enumerate(first.ids) if all(id_ in found for found in rows)]
    if not kept:
        raise ValueError(
            f"The members have no segment in common. Expected segments with the modalities of all of them. "
            f"Received: segments={[len(member.ids) for member in members]}. Choose members of fewer modalities."
        )
    ids, videos, words = ([column[row] for row in kept] for column in (first.ids, first.videos, first.words))
    scores = np.stack([member.scores[[found[id_] for id_ in ids]] for member, found in zip(members, rows, strict=True)])
    return Predictions(ids, videos, words, scores.mean(axis=0), first.labels[kept], {}), scores


def check_members(runs: Sequence[Run]) -> None:
    """Raises a ValueError where two runs are the same, or of different records."""
    first = runs[0]
    for i, run in enumerate(runs):
        if run.manifest_hash != first.manifest_hash:
            # A segment that one member is tested on may have trained another.
            raise ValueError(
                f"The members were trained on different records. Expected manifest {first.manifest_hash[:12]} "
                f"({first.path}). Received: {run.manifest_hash[:12]} ({run.path}). Train them on the same records."
            )
        same = [other.path for other in runs[:i] if other.config == run.config]
        if same:
            raise ValueError(
                f"One run is given twice. Expected members that differ in recipe, seed or configuration. "
                f"Received: {same[0]} and {run.path}. Leave one of them out."
            )


def _is_same(result: Origin, runs: Sequence[Run], records: Records) -> bool:
    """Whether a split's object in metrics.json is of the same ensemble and records; early ones were of its own."""
    members = [{name: member.get(name) for name in ("run", "recipe", "seed")} for member in result.get("members", [])]
    scored = result.get("records", runs[0].manifest_hash)
    same = sorted(map(str, members)) == sorted(str(identity(run)) for run in runs)
    return same and scored == records.manifest.manifest_hash
