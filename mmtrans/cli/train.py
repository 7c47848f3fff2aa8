"""`mmtrans train`, which is also `mmtrans-train`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtrans.cli.embedded import embedded_corpus_dir
from mmtrans.cli.following import program
from mmtrans.cli.idle import check_idle
from mmtrans.cli.launcher import launch
from mmtrans.cli.parser import Parser, add_config_flags, add_text_encoder, config_from, number_type
from mmtrans.config import FIELDS, Config
from mmtrans.config.effect import check_consistent
from mmtrans.config.files import dump_yaml, load_yaml
from mmtrans.runs.chosen import steps_of
from mmtrans.runs.labels import labels_text
from mmtrans.system.console import say, warn
from mmtrans.system.escape import for_shell
from mmtrans.system.files import may_write
from mmtrans.system.interrupts import handle_again
from mmtrans.system.lease import held
from mmtrans.training.execution import SHARDINGS, STRATEGIES, Execution, cluster_of
from tfrecords.manifest import MANIFEST_NAME, Manifest

if TYPE_CHECKING:
    from mmtrans.data.records import Records
    from mmtrans.runs.run import Run


def add_arguments(parser: Parser) -> None:
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
    add_config_flags(parser)
    parser.add_rare(
        parser,
        "--steps-of",
        metavar="RUN",
        help="--fixed-steps as many as the sentiment of this finished run took to its best valid loss",
    )
    add_text_encoder(parser)
    parser.add_argument("--print-config", action="store_true", help="print the whole configuration as YAML and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")
    add_execution_flags(parser)


def add_execution_flags(parser: Parser) -> None:
    """Adds the flags of `Execution`."""
    group, default = parser.add_argument_group("execution (how to train; a run may change it)"), Execution()
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=default.strategy,
        help="none: one device; mirrored: all GPUs, or --workers logical CPUs; multiworker: the processes of "
        "TF_CONFIG, or --workers that are started on this host; auto: mirrored with more than one GPU, else none "
        "(default: auto)",
    )
    group.add_argument(
        "--workers", type=number_type(int), metavar="N", help="devices or processes (default: all there are)"
    )
    parser.add_rare(
        group,
        "--sharding",
        choices=SHARDINGS,
        default=default.sharding,
        help="what a process takes of the data: its rows of every batch, so that the number of processes does not "
        "change the batches; or its own files, so that it reads less (default: rows)",
    )
    parser.add_rare(
        group,
        "--checkpoint-minutes",
        type=number_type(float),
        default=default.checkpoint_minutes,
        metavar="X",
        help=f"most minutes of work that a kill can lose (default: {default.checkpoint_minutes})",
    )


def execution_from(arguments: argparse.Namespace) -> Execution:
    """The execution of parsed flags; raises as `Execution` does."""
    return Execution(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Execution)})


def run(arguments: argparse.Namespace) -> Mapping[str, Any] | None:
    """Trains, evaluates on valid, and returns its metrics; `None` where another process does.

    With `--print-config` it returns the configuration.
    """
    if arguments.steps_of is not None:
        _take_steps(arguments)
    config, execution = config_from(arguments), execution_from(arguments)
    if arguments.print_config:
        return _print_config(config)
    check_consistent(config)
    notes = check_idle(arguments, config, [config], lambda: _begun(arguments, config))
    if execution.strategy == "multiworker" and cluster_of(os.environ, execution) is None and execution.workers:
        launch(arguments.argv, execution.workers)
        return None
    from mmtrans.cli.quiet import import_devices

    devices = import_devices(execution, config.text.tune_text_encoder != "0")
    handle_again()
    for line in notes if devices.is_chief else ():
        warn(line)
    from mmtrans.cli.demo import embedded_records, explain
    from mmtrans.cli.show import show_metrics
    from mmtrans.data.records import Records
    from mmtrans.evaluation.evaluate import evaluate
    from mmtrans.runs.place import INIT, check_place
    from mmtrans.runs.reading import labels_left
    from mmtrans.runs.run import Run
    from mmtrans.runs.status import finished_run
    from mmtrans.training.init import open_init
    from mmtrans.training.prepare import prepare_phases, worker_shard
    from mmtrans.training.train import make_deterministic, train

    make_deterministic()
    with contextlib.ExitStack() as stack:
        with devices.chief_first():
            records = Records.open(arguments.data or embedded_records(), splits=("train", "valid"))
            records = dataclasses.replace(records, text_encoder=arguments.text_encoder or "")
            path = Path(arguments.run or config.default_run(records.manifest.manifest_hash))
            is_run = (path / "environment.json").is_file() and (path / INIT).is_dir()
            init = open_init(config.plan.init, path / INIT if is_run else None) if config.plan.init else None
            prepared = prepare_phases(config, records, worker_shard(devices, execution), init)
            trained, out = None, None
            if devices.cluster.num_processes == 1 and not may_write(path):
                trained = finished_run(path, config, records.manifest.manifest_hash)
            if trained is not None:
                out = stack.enter_context(tempfile.TemporaryDirectory())
                warn(f"Note: {path} may not be written to: the result is computed anew and not kept.")
            else:
                if devices.is_chief:
                    _note_encoder(config, records)
                    check_place(path)
                    stack.enter_context(held(path, "run"))
                trained = Run.open_or_create(path, config, records, init) if devices.is_chief else Run.open(path)
        if out is None:
            train(trained, records, arguments.quiet, devices, execution, prepared)
        if not devices.is_chief:
            return None
        # The labels alone that the run may see, since people choose by these figures.
        result = evaluate(trained, labels_left(config, records, ["valid"]), "valid", out)
        if is_demo(arguments):
            return explain(trained, out)
    show_metrics(result, f"{config.plan.recipe} on the valid split of {records.directory}")
    for line in _cautions(trained):
        say(line)
    _say_next(trained)
    return result


def _take_steps(arguments: argparse.Namespace) -> None:
    """Gives `--fixed-steps` what `--steps-of` asks for."""
    if "fixed_steps" in vars(arguments):
        raise ValueError(
            f"Two numbers of steps. Expected --fixed-steps or --steps-of. "
            f"Received: fixed_steps={arguments.fixed_steps} and steps_of={arguments.steps_of}. Leave out one of them."
        )
    arguments.fixed_steps = steps_of(Path(arguments.steps_of))


def _print_config(config: Config) -> dict[str, Any]:
    """Prints a configuration as a YAML file has it, and returns its fields."""
    for line in dump_yaml(config.to_sections()).splitlines():
        say(line)
    return config.to_dict()


def _cautions(trained: Run) -> Iterator[str]:
    """How many labels there were, what to bear in mind of a result on valid, and which phases might have gone on."""
    from mmtrans.runs.status import read_outcome

    if text := labels_text(trained.environment.get("labels")):
        yield text
    outcomes = {phase.name: read_outcome(trained, phase) for phase in trained.phases}
    if any(outcome.stopped_by in ("epochs", "patience") for outcome in outcomes.values()):
        yield "Note: valid chose the epoch, so these figures are better than those of new videos."
    limited = [name for name, outcome in outcomes.items() if outcome.stopped_by == "epochs"]
    if limited:
        limit = trained.config.optimisation.epochs
        yield f"Note: {' and '.join(limited)} ended at the limit of {limit} epochs; more --epochs go on from there."


def _note_encoder(config: Config, records: Records) -> None:
    """Says where the records hold pieces of words, and nothing of the text encoder that reads them moves."""
    from mmtrans.runs.text_encoder import leaves_encoder

    if leaves_encoder(config, records):
        warn("Note: the text encoder stays as it is. --tune-text-encoder all lets it move with what reads it.")


def _say_next(trained: Run) -> None:
    path, logs = for_shell(trained.path), for_shell(trained.path / "logs")
    following = f"train --init {path} --data …" if trained.config.plan.pretrain else f"evaluate {path}"
    say(f"Run: {trained.path}. Next: {program()} {following}; {program('tensorboard')} --logdir {logs}")


def _begun(arguments: argparse.Namespace, config: Config) -> dict[str, Any]:
    """The fields of the run that the command goes on with, if there is one."""
    path, records = arguments.run, Path(arguments.data or embedded_corpus_dir() / "records")
    if not path and (records / MANIFEST_NAME).is_file():
        path = config.default_run(Manifest.load(records).manifest_hash)
    file = Path(path or "") / "config.yaml"
    return load_yaml(file) if path and file.is_file() else {}


def is_demo(arguments: argparse.Namespace) -> bool:
    """Whether the command was given no arguments but those of its output."""
    given = arguments.data or arguments.run or arguments.preset or arguments.config
    return not (given or FIELDS.keys() & vars(arguments).keys())
