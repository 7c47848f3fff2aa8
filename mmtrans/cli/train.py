"""`mmtrans train`, which is also `mmtrans-train`."""

from __future__ import annotations

import argparse
import dataclasses

from mmtrans.cli.parser import add_config_flags, config_from
from mmtrans.config import Config, dump_yaml
from mmtrans.recipe import parse, slug


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Train all phases of a recipe and evaluate it on the valid split. A recipe is features (T, A, V or "
        "concat(T,V)), a translation (T->A) or a hierarchical one (embed(T,A)->V). Without arguments: the synthetic "
        "corpus, T->A, its test split, and an explanation. The same command resumes, or prints the result of a "
        "finished run."
    )
    parser.add_argument("--data", metavar="RECORDS", help="directory made by `mmtrans convert` (default: synthetic)")
    parser.add_argument(
        "--run", metavar="DIR", help="run directory (default: runs/<recipe>-<hash of configuration and records>)"
    )
    parser.add_argument("--print-config", action="store_true", help="print the whole configuration as YAML and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")
    add_config_flags(parser)


def run(arguments: argparse.Namespace) -> dict:
    """Trains, evaluates on valid, and returns its metrics."""
    config = config_from(arguments)
    if arguments.print_config:
        print(dump_yaml(config.to_dict()), end="")
        return config.to_dict()
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.cli.demo import embedded_records, explain
    from mmtrans.cli.show import show_metrics
    from mmtrans.data.records import Records
    from mmtrans.evaluation.evaluate import evaluate
    from mmtrans.training.run import Run
    from mmtrans.training.train import check_recipe, make_deterministic, train

    make_deterministic()
    records = Records.open(arguments.data or embedded_records(), splits=("train", "valid"))
    path = arguments.run or default_run(config, records.manifest.manifest_hash)
    check_recipe(config, records)
    trained = Run.open_or_create(path, config, records)
    train(trained, records, arguments.quiet)
    result = evaluate(trained, records, "valid")
    if is_demo(arguments):
        return explain(trained)
    show_metrics(result, f"{config.recipe} on the valid split of {records.directory}")
    print(f"Run: {trained.path}. Next: mmtrans evaluate {trained.path}; tensorboard --logdir {trained.path}/logs")
    return result


def default_run(config: Config, manifest_hash: str) -> str:
    """`runs/<recipe>-<hash>`: the same flags on the same records find their run again."""
    return f"runs/{slug(parse(config.recipe))}-{config.digest(manifest_hash)}"


def is_demo(arguments: argparse.Namespace) -> bool:
    """Whether the command was given no arguments but those of its output."""
    fields = {field.name for field in dataclasses.fields(Config)}
    return not (arguments.data or arguments.run or arguments.config or fields & set(vars(arguments)))
