"""`mmtrans evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmtrans.system.console import say, warn
from mmtrans.system.files import check_directory
from mmtrans.system.lease import held

if TYPE_CHECKING:
    from mmtrans.data.records import Records
    from mmtrans.evaluation.shapes import EnsembleResult
    from mmtrans.runs.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Metrics, predictions and plots of a trained run; of several runs, those of their ensemble, which predicts "
        "the mean of their scores."
    )
    parser.add_argument(
        "run_dirs", nargs="+", metavar="RUN", help="run directory made by `mmtrans train`; several are an ensemble"
    )
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="default: test")
    parser.add_argument(
        "--data",
        metavar="RECORDS",
        help="the runs' records where they lie now, or others: of those, segments that a run was trained on are left "
        "out, and the results go into RUN/other-records",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="where the results go: of an ensemble always, of a run in place of its directory"
    )
    parser.add_argument(
        "--corrupt",
        action="store_true",
        help="measure curves too: one modality missing, with steps dropped, with noise, or shuffled, at ten levels",
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Evaluates and returns the split's metrics; valid stands in where there is no test fold."""
    _check_flags(arguments)
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.evaluation.suitability import open_records
    from mmtrans.runs.run import Run
    from mmtrans.training.train import make_deterministic

    make_deterministic()
    runs = [Run.open(path) for path in arguments.run_dirs]
    records = open_records(runs[0], arguments.data)
    split = arguments.split
    if split == "test" and not records.count("test"):
        warn("the records have no test fold; the valid split stands in.")
        split = "valid"
    place = arguments.out or runs[0].path
    check_directory(place, "--out")
    # All splits are in the same files, so one command at a time writes them; beside a run no training does.
    with held(place, "out" if arguments.out else "run"):
        if len(runs) > 1:
            return {**_evaluate_ensemble(runs, records, split, arguments.out), "split": split}
        return {**_evaluate_run(runs[0], records, split, arguments), "split": split}


def _check_flags(arguments: argparse.Namespace) -> None:
    several = len(arguments.run_dirs) > 1
    if several and arguments.out is None:
        raise ValueError(
            f"The results of an ensemble need a place. Expected --out DIR. Received: runs={len(arguments.run_dirs)}, "
            f"no --out. Name a new directory."
        )
    if several and arguments.corrupt:
        raise ValueError(
            f"Curves are of one run. Expected --corrupt with one RUN. Received: runs={len(arguments.run_dirs)}. "
            f"Give the runs one by one."
        )


def _evaluate_run(trained: Run, records: Records, split: str, arguments: argparse.Namespace) -> Mapping[str, object]:
    from mmtrans.cli.show import show_metrics, show_robustness
    from mmtrans.evaluation.evaluate import evaluate
    from mmtrans.evaluation.results import place_of
    from mmtrans.evaluation.robustness import evaluate_robustness

    result = evaluate(trained, records, split, arguments.out)
    show_metrics(result, f"{trained.config.plan.recipe} on the {split} split of {records.directory}")
    if arguments.corrupt:
        robustness = evaluate_robustness(trained, records, split, arguments.out)
        show_robustness(robustness)
        result = {**result, "robustness": robustness}
    curves = ", robustness.json, robustness.csv" if arguments.corrupt else ""
    written = "metrics.json" if trained.config.plan.pretrain else f"metrics.json, predictions.csv{curves} and plots/"
    say(f"Written: {place_of(trained, records, arguments.out)}/{written}.")
    return result


def _evaluate_ensemble(runs: list[Run], records: Records, split: str, out: str) -> EnsembleResult:
    from mmtrans.cli.show import show_members, show_metrics
    from mmtrans.evaluation.ensemble import evaluate_ensemble

    result = evaluate_ensemble(runs, records, split, out)
    show_metrics(result, f"Ensemble of {len(runs)} on the {split} split of {records.directory}")
    show_members(result)
    say(f"Written: {out}/metrics.json, predictions.csv and plots/.")
    return result
