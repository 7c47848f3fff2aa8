"""`mmtrans evaluate`."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help="run directory made by `mmtrans train`")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="default: test")
    parser.add_argument("--data", metavar="RECORDS", help="other records than those that the run was trained on")


def run(arguments: argparse.Namespace) -> dict:
    """Evaluates and returns the split's metrics; valid stands in where there is no test fold."""
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.cli.show import show_metrics
    from mmtrans.data.records import Records
    from mmtrans.evaluation.evaluate import evaluate
    from mmtrans.training.run import Run
    from mmtrans.training.train import make_deterministic

    make_deterministic()
    trained = Run.open(arguments.run_dir)
    if arguments.data is None and not trained.records_path.is_dir():
        raise FileNotFoundError(
            f"The run's records are gone. Expected them where they were in training. "
            f"Received: records={trained.records_path} ({trained.path}). Say where they are with --data RECORDS."
        )
    records = Records.open(arguments.data or trained.records_path)
    split = arguments.split
    if split == "test" and not records.count("test"):
        print("mmtrans: the records have no test fold; the valid split stands in.", file=sys.stderr)
        split = "valid"
    result = evaluate(trained, records, split)
    show_metrics(result, f"{trained.config.recipe} on the {split} split of {records.directory}")
    written = "metrics.json" if trained.config.pretrain else "metrics.json, predictions.csv and plots/"
    print(f"Written: {trained.path}/{written}.")
    return {**result, "split": split}
