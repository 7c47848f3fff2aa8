"""`mmtrans tune`."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmtrans.bounds import check_number
from mmtrans.cli.engine import add_engine_flags, engine_options
from mmtrans.cli.following import program
from mmtrans.cli.idle import check_idle
from mmtrans.cli.parser import HelpAsWritten, Parser, add_config_flags, add_number, add_text_encoder, config_from
from mmtrans.config import FIELDS, Config
from mmtrans.config.files import dump_yaml
from mmtrans.search import TUNERS
from mmtrans.system.console import say, warn
from mmtrans.system.escape import for_shell

DESCRIPTION = """\
Search hyper-parameters with keras-tuner. Trials train on train and are judged
on valid; the test split cannot be read. The same command goes on where it was
stopped; --trials may change. DIR/best.yaml is the winner, for `mmtrans train
--config`; DIR/trials.csv has all trials, DIR/trials/<trial>/seed-<k> their
runs, and DIR/plots/parameters.png what mattered; `tensorboard --logdir
DIR/trials` compares them; what is at work is in DIR/work."""

SPACE = """\
space file: what it names is searched in place of the default, the rest is as
flags and --config say.
  units: {low: 16, high: 256, step: 2, sampling: log}   # 16, 32, …, 256
  learning_rate: {low: 1e-4, high: 1e-2, sampling: log} # continuous
  cell: [lstm, gru]                                     # one of these
  dropout: 0.3                                          # fixed"""

CLUSTER = """\
several trainings at a time (--jobs, --scheduler): first the seeds and folds of
a trial, then more trials. random and grid propose the same for any number, and
hyperband gives the same trials more epochs, while its next bracket begins.
bayesian takes trials at work for ended ones, each with what its Gaussian
process predicts from those that have ended (the mean and a standard deviation
for the worse): what it proposes depends on which have ended.

several commands, without a cluster of dask: give the same command to each, with
a folder that they share as DIR, and set
  KERASTUNER_TUNER_ID=chief in one of them, which trains nothing, and tuner1,
    tuner2, … in the others;
  KERASTUNER_ORACLE_PORT=PORT in all;
  KERASTUNER_ORACLE_IP=ADDRESS of the chief (default: 127.0.0.1).
The port asks nobody for a password: open another address than the loopback
only in a network you trust. A worker that was killed gets its trial back when
it is started again with its id; the chief waits for it."""


class _Objective(argparse.Action):
    """Stores a field of the configuration, or under the name that its flag had in earlier versions the metric."""

    def __call__(self, parser, namespace, values, option_string=None):
        if values in FIELDS["objective"].choices:
            namespace.objective = values
        else:
            warn(f"Note: --objective {values} is --metric {values} now; --objective is a field of the configuration.")
            namespace.metric = values


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.formatter_class = HelpAsWritten
    parser.description, parser.epilog, parser.more = DESCRIPTION, SPACE, CLUSTER
    parser.add_argument("--data", metavar="RECORDS", help="directory made by `mmtrans convert`")
    parser.add_argument("--out", metavar="DIR", help="the search's directory")
    parser.add_argument(
        "--tuner", choices=TUNERS, default="bayesian", help="how trials are proposed (default: bayesian)"
    )
    add_number(
        parser,
        "--trials",
        int,
        {"low": 1, "most": 1_000_000},
        help="most trials of all commands (default: 20; of a grid all; of hyperband one sweep)",
    )
    add_number(
        parser,
        "--seeds-per-trial",
        int,
        {"low": 1, "most": 1000},
        default=1,
        metavar="K",
        help="trainings of a trial, from --seed on; their mean counts (default: 1)",
    )
    parser.add_argument("--metric", default="mae", help="metric of valid that decides (default: mae)")
    add_number(
        parser,
        "--folds-cv",
        int,
        {"low": 0},
        default=0,
        help="judge by cross-validation over the videos of train and valid, in place of the valid split",
    )
    parser.add_argument("--space", metavar="FILE.yaml", help="what to search (default: see --print-space)")
    parser.add_argument("--print-space", action="store_true", help="print the space as YAML and stop")
    add_engine_flags(parser, "trainings")
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")
    objective = {"action": _Objective, "choices": None, "metavar": f"{{{','.join(FIELDS['objective'].choices)}}}"}
    fixed = [field.name for field in FIELDS.values() if field.search == "fixed"]
    add_config_flags(parser, fixed, {"objective": objective})
    add_text_encoder(parser)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Searches, shows the best trials, and returns the best one with the failures; of a cluster's worker its name."""
    from mmtrans.search.cluster import join_cluster

    config, specs = _config(arguments), _specs(arguments)
    if arguments.print_space:
        for line in dump_yaml(specs).splitlines():
            say(line)
        return specs
    _check(arguments)
    options = engine_options(arguments)
    for line in _notes(arguments, config, specs):
        warn(line)
    member = join_cluster(os.environ)
    if member.is_exposed:
        warn(f"{member.address} is no loopback address, and the chief has no password.")
    from mmtrans.cli.quiet import import_for_tasks

    import_for_tasks(options)
    from mmtrans.conversion.refold import refold
    from mmtrans.data.records import Records
    from mmtrans.search.complete import complete_search
    from mmtrans.search.plan import Search

    records = Records.open(arguments.data, splits=("train", "valid"))
    records = dataclasses.replace(records, text_encoder=arguments.text_encoder or "")
    search = Search(
        path=Path(arguments.out),
        records_path=records.directory.resolve(),
        manifest_hash=records.manifest.manifest_hash,
        config=config,
        specs=specs,
        tuner=arguments.tuner,
        objective=arguments.metric,
        seeds_per_trial=arguments.seeds_per_trial,
        num_folds=arguments.folds_cv,
        text_encoder=records.text_encoder,
    )
    if member.is_worker:
        warn(f"Waits for the chief at {member.address}:{member.port}, and for {search.path}.")
    ended = complete_search(search, records, arguments.trials, options, refold, member, arguments.quiet)
    if member.is_worker:
        return {"objective": search.objective, "worker": member.worker_id}
    return _show(search, ended, arguments.data)


def _config(arguments: argparse.Namespace) -> Config:
    """What all trials have in common."""
    fixed = {name: field.default for name, field in FIELDS.items() if field.search == "fixed"}
    return dataclasses.replace(config_from(arguments), **fixed)


def _specs(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is searched, as a space file says it; checked.

    Raises:
        ValueError: a space file that is none, or that names what a flag fixes.
    """
    from mmtrans.search.space import chosen_space

    return chosen_space(arguments.space, _config(arguments), FIELDS.keys() & vars(arguments).keys())


def _notes(arguments: argparse.Namespace, config: Config, specs: Mapping[str, Any]) -> list[str]:
    """Notes on fields that have no effect in any trial; raises as `check_idle` and, in a new search, `check_effect`."""
    from mmtrans.search.plan import begun
    from mmtrans.search.space import check_effect

    before = begun(Path(arguments.out))
    if before is None:
        check_effect(specs, config, arguments.space or "space")
    return check_idle(arguments, config, [config], lambda: before["config"] if before else {}, specs)


def _check(arguments: argparse.Namespace) -> None:
    """Raises a ValueError where a flag is missing, or there is but one fold."""
    missing = [f"--{name}" for name in ("data", "out") if getattr(arguments, name) is None]
    if missing:
        raise ValueError(f"Flags are missing. Expected --data RECORDS and --out DIR. Received: none of {missing}.")
    if arguments.folds_cv:
        check_number("--folds-cv", arguments.folds_cv, low=2)


def _show(search, ended: list, data: str) -> dict[str, Any]:
    """Prints the best trials and what failed, and returns the best one with the failures."""
    from rich.table import Table

    from mmtrans.cli.show import console, format_number
    from mmtrans.search.results import best_first

    out, ranked = console(), best_first(search, ended)
    judged = f"cross-validation of {search.num_folds} folds" if search.num_folds else "valid split"
    title = f"{search.config.plan.recipe}: the best of {len(ended)} trials by {search.objective}, {judged} of {data}"
    table = Table(title=title, title_justify="left")
    table.add_column("trial", no_wrap=True)
    for trial in ranked[:5]:
        table.add_column(trial.name, justify="right", no_wrap=True)
    table.add_row(search.objective, *(format_number(trial.value, 4) for trial in ranked[:5]))
    table.add_row("max_epochs", *(str(trial.max_epochs) for trial in ranked[:5]))
    for name in search.space:
        table.add_row(name, *(str(trial.parameters[name]) for trial in ranked[:5]))
    failures = {trial.name: trial.reason for trial in ended if trial.reason}
    if ranked:
        out.print(table)
    for name, reason in failures.items():
        out.print(f"Failed: trial {name}: {reason} See {search.path}/logs.", soft_wrap=True)
    if not ranked:
        out.print("No trial completed. Change the space, and choose another --out.")
        return {"objective": search.objective, "trials": len(ended), "best": None, "failures": failures}
    out.print(
        f"Search: {search.path}. Next: {program()} train --data {for_shell(data)} "
        f"--config {for_shell(search.path / 'best.yaml')}",
        soft_wrap=True,
    )
    best = {"trial": ranked[0].name, "value": ranked[0].value, "parameters": ranked[0].parameters}
    return {"objective": search.objective, "trials": len(ended), "best": best, "failures": failures}
