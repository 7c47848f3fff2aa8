"""`python -m tools.benchmark WHAT [options]`: measures mmtrans, alone or against somebody else's script.

One JSON line a measurement. A machine's speed drifts, by half and more where others share it: so compare only what
was measured alternately (`--against`), each time in a new process.

    python -m tools.benchmark train --repeats 3 --against peer.py --python OTHER_VENV/bin/python --args "--only frames"
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

from mmtrans.cli.main import fail
from mmtrans.cli.parser import Parser
from mmtrans.system.cores import usable_cores
from mmtrans.training.execution import operation_threads
from tools.benchmark_figures import Line, Results
from tools.benchmark_options import Options
from tools.benchmark_record import Record
from tools.benchmark_rounds import Comparator, RatioLine, Summarized, run_rounds, thread_variables

#: Name → module of this package, its function `Options → results`, what it measures.
#: Modules are loaded when asked for: TensorFlow must not weigh on what does not use it.
MEASUREMENTS = {
    "convert": (
        "benchmark_commands",
        "measure_convert",
        "the `mmtrans convert` command, and reading alone; or with --jobs on clusters",
    ),
    "extract": ("clips.extract", "measure_extract", "`mmtrans extract`, by step: CPU seconds for a second of film"),
    "train": ("benchmark_train", "measure_train", "training text 300 -> audio 74 with attention"),
    "input": ("benchmark_train", "measure_input", "the input pipeline alone"),
    "columns": ("benchmark_columns", "measure_columns", "training on text 300 and 1452 wide in turns, and its input"),
    "finetune": ("benchmark_finetune", "measure_finetune", "training a text encoder of MiniLM's sizes, all of it"),
    "fusion": ("benchmark_fusion", "measure_fusion", "training a fusion model (--recipes) of MOSI's three modalities"),
    "decode": ("benchmark_decode", "measure_decode", "beam search, width 10, 512 tokens, 50 steps"),
    "serve": ("benchmark_serve", "measure_serve", "the exported sentiment signature, and how soon it answers"),
    "grid": ("engine.grid", "measure_grid", "the `mmtrans grid` command, beside that of another checkout (--tree)"),
    "engine": ("engine.scheduling", "measure_engine", "empty tasks on 50 simulated workers, and on two processes"),
    "start": ("benchmark_commands", "measure_start", "`mmtrans --help` and `import mmtrans`"),
}

PACKAGES = ("mmtrans", "tensorflow", "keras", "numpy", "h5py")


class Measurement(TypedDict):
    """What was measured, with which options, of which versions, on how many cores; and the load before and after."""

    bench: str
    results: Results
    configuration: dict[str, Any]
    versions: dict[str, str | None]
    cores: int | None
    load1: list[float]


def build_parser() -> Parser:
    """The parser of the command line."""
    listed = "; ".join(f"{name}: {text}" for name, (_, _, text) in MEASUREMENTS.items())
    parser = Parser(prog="python -m tools.benchmark", description=f"Prints one JSON line a measurement. {listed}.")
    default = Options()
    parser.add_argument("what", metavar="WHAT", choices=MEASUREMENTS, help=", ".join(MEASUREMENTS))
    for name, text in (
        ("segments", "segments of the made corpus"),
        ("units", "units of encoder, decoder and attention"),
        ("epochs", "measured epochs, after one that warms up"),
        ("batch-size", "segments in a batch"),
        ("threads", "threads of each process"),
        ("repeats", "processes, each measuring once"),
        ("copies", "times that training and input read the corpus in an epoch"),
        ("jobs", "workers of a grid and of a conversion"),
        ("tasks", "empty tasks to schedule"),
    ):
        value = getattr(default, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N", help=f"{text} (default: {value})")
    parser.add_argument(
        "--deterministic", action=argparse.BooleanOptionalAction, default=True, help="train with op determinism"
    )
    parser.add_argument("--source", metavar="PATH", help="corpus to convert (default: a synthetic one)")
    parser.add_argument(
        "--encoder", metavar="DIR", help="text encoder to tune (default: random weights of MiniLM's sizes)"
    )
    parser.add_argument(
        "--recipes", metavar="LIST", default=default.recipes, help="recipes of a grid (default: paper), or one fusion"
    )
    parser.add_argument("--tree", metavar="DIR", help="alternate a grid with that of another checkout of mmtrans")
    parser.add_argument("--save", metavar="FILE", help="also write the lines there, with what they were measured on")
    parser.add_argument("--profile", metavar="DIR", help="write a TensorBoard trace of a few training steps")
    parser.add_argument("--against", metavar="FILE", help="alternate with a script that prints one JSON line")
    parser.add_argument(
        "--python", metavar="INTERPRETER", default=sys.executable, help="what runs that script or checkout"
    )
    parser.add_argument(
        "--args", type=str, metavar="TEXT", default="", help='arguments of that script: "--only frames"'
    )
    parser.add_help_flags()
    return parser


def measure(what: str, options: Options) -> Measurement:
    """Measures once, in this process."""
    module, function, _ = MEASUREMENTS[what]
    before = os.getloadavg()[0]
    results = getattr(importlib.import_module(f"tools.{module}"), function)(options)
    return {
        "bench": what,
        "results": results,
        "configuration": asdict(options),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "cores": usable_cores(),
        "load1": [round(before, 2), round(os.getloadavg()[0], 2)],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def lines_of(arguments: argparse.Namespace) -> Iterator[Measurement | Line | Summarized | RatioLine]:
    """The lines that parsed arguments ask for, each as soon as it is measured.

    Raises:
        ValueError: an option out of range, or a process that fails or prints no such line.
        FileNotFoundError: no such source, comparator or interpreter.
    """
    options = Options(**{field.name: getattr(arguments, field.name) for field in fields(Options)})
    comparator = None if arguments.against is None else Comparator(arguments.against, arguments.python, arguments.args)
    if comparator is None and options.repeats == 1:
        # Read by libraries when they are loaded, which is not yet.
        os.environ.update(thread_variables(options.threads))
        if arguments.what in ("train", "columns", "finetune", "fusion"):
            os.environ["TF_NUM_INTRAOP_THREADS"] = str(operation_threads(options.threads, arguments.what == "finetune"))
        yield measure(arguments.what, options)
        return
    own_command = [sys.executable, "-m", "tools.benchmark", arguments.what, *options.flags()]
    yield from run_rounds(own_command, comparator, options.repeats, options.threads)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the lines, and returns the exit code: 0, or 2 for bad input (one sentence on stderr)."""
    arguments = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    record = None if arguments.save is None else Record(Path(arguments.save), sys.argv[1:] if argv is None else argv)
    try:
        for line in lines_of(arguments):
            print(json.dumps(line, allow_nan=False), flush=True)
            if record is not None:
                record.add(line)
    except (ValueError, FileNotFoundError) as error:
        return fail(error, 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
