"""A search from its records to its result: checked, its folds made, run to its end, and plotted."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path

from mmtrans.data.records import Records
from mmtrans.engine.options import EngineOptions
from mmtrans.evaluation.metrics import METRICS, SEVEN_CLASS_METRICS, has_seven_classes
from mmtrans.search.cluster import Member
from mmtrans.search.folds import fold_videos
from mmtrans.search.importance import plot_parameters
from mmtrans.search.plan import Search, joined, locked_search
from mmtrans.search.results import Trial
from mmtrans.search.tuner import run_search
from mmtrans.training.prepare import prepare_phases

#: Trials of the tuners that have no end of their own.
TRIALS = {"random": 20, "bayesian": 20}


def check_metric(search: Search, records: Records) -> None:
    """Raises a ValueError where what decides is no metric, or one that is undefined on the records' labels."""
    label = records.manifest.label
    usable = [name for name in METRICS if has_seven_classes(label) or name not in SEVEN_CLASS_METRICS]
    if search.objective not in usable:
        raise ValueError(
            f"No such metric. Expected one of {usable}, for labels from {label.low:g} to {label.high:g}. "
            f"Received: metric={search.objective}. Choose one of these."
        )


def complete_search(
    search: Search,
    records: Records,
    trials: int | None,
    options: EngineOptions,
    refold: Callable[[Path, Set[str], Path], object],
    member: Member | None = None,
    quiet: bool = False,
) -> list[Trial]:
    """Goes on with a search until it has its trials.

    Args:
        search: the search.
        records: its records, opened without a test split.
        trials: most trials, those of earlier commands included; `None` for the tuner's default.
        options: where trainings are done.
        refold: `refold(records, videos, new)` makes records whose valid split has these videos, for cross-validation.
        member: what this process is in keras-tuner's own cluster, or `None`.
        quiet: no progress on the terminal.

    Returns:
        the trials that have ended.

    Raises:
        ValueError: no such metric; the records do not suit the recipe; the directory holds something else, or another
            command works there.
    """
    check_metric(search, records)
    member, trials = member or Member(), trials or TRIALS.get(search.tuner)
    if (worker_id := member.worker_id) is not None:
        with joined(search, worker_id) as token:
            return run_search(search, trials, member, options, token, quiet)
    folds = fold_videos(records, search.num_folds) if search.num_folds else []
    if not folds:
        prepare_phases(search.base, records)
    with locked_search(search.path) as token:
        search.save()
        for fold, valid in enumerate(folds):
            refold(records.directory, valid, search.fold_path(fold))
            of_fold = Records.open(search.fold_path(fold), splits=("train", "valid"))
            prepare_phases(search.base, replace(of_fold, text_encoder=records.text_encoder))
        ended = run_search(search, trials, member, options, token, quiet)
        plot_parameters(search, ended)
    return ended
