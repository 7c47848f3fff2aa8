"""The commands `mmtrans` and `mmtrans-train`. Nothing here imports TensorFlow: `--help` answers at once."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmtrans import __version__
from mmtrans.cli.parser import Parser
from mmtrans.cli.streams import leave_stdout, open_streams
from mmtrans.system import errors as system_errors
from mmtrans.system import interrupts
from mmtrans.system.escape import for_json, for_terminal
from mmtrans.training.execution import WorkerLostError

#: Command → what it does. Each is a module of this package with `add_arguments(parser)` and `run(arguments)`.
COMMANDS = {
    "synthesize": "write the synthetic corpus, in MOSI's own file format",
    "extract": "turn clips of people who talk into a corpus: their voice, face and words",
    "convert": "turn a corpus of any known format into records",
    "inspect": "show and verify what is inside records",
    "train": "train all phases of a recipe",
    "tune": "search hyper-parameters with keras-tuner, on train and valid only",
    "grid": "train and evaluate rows of recipes with several seeds each",
    "translate": "decode the target modality of a split",
    "evaluate": "metrics, predictions and plots of a trained run",
    "explore": "a page to look at the segments of a split: errors, attention, translations",
    "predict": "sentiment of new, unlabelled segments in any known format",
    "runs": "a table of the runs in a directory: what they are, how they ended, how good they are",
    "compare": "hold two runs against each other, over videos and seeds",
    "report": "report a grid: the paper beside measured, with intervals and tests",
    "export": "write a SavedModel that plain TensorFlow runs",
}


class _PrintCompletion(argparse.Action):
    """Prints what teaches a shell to complete our commands and flags, and stops."""

    def __call__(self, parser, namespace, values: Any, option_string=None):
        import shtab

        print(shtab.complete(build_parser(*COMMANDS), values))
        parser.exit()


#: Commands that go on where they were stopped → from the last of which.
_GOES_ON_FROM: dict[str | None, str] = {
    **dict.fromkeys(("train", "tune", "grid"), "checkpoint"),
    "extract": "whole recording",
}


def build_parser(*loaded: str) -> Parser:
    """The parser; only the arguments of the `loaded` commands are there, for speed."""
    parser = Parser(
        prog="mmtrans",
        description="Multimodal sequence-to-sequence sentiment analysis: translate one modality into another, "
        "predict sentiment from the joint representation.",
    )
    parser.add_argument("--version", action="version", version=f"mmtrans {__version__}")
    parser.add_argument(
        "--print-completion",
        choices=("bash", "zsh", "tcsh"),
        action=_PrintCompletion,
        help="print what lets a shell complete commands and flags, and stop",
    )
    parser.add_help_flags()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    # All that follows the command passes through here; what of it is empty, its own parser says.
    commands.type = str
    for name, text in COMMANDS.items():
        subparser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name in loaded:
            module(name).add_arguments(subparser)
            subparser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        subparser.add_help_flags()
    return parser


def module(command: str):
    """The module of a command."""
    return importlib.import_module(f"mmtrans.cli.{command}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        the exit code: 0; 2 for bad input, and for what the operating system refuses (one sentence on stderr); 1 for a
        training, a run of a grid or all trials of a search that failed, or where nobody reads the output to its end;
        130 for Ctrl-C; 143 for SIGTERM.
    """
    open_streams()
    argv = list(sys.argv[1:] if argv is None else argv)
    command = next((argument for argument in argv if argument in COMMANDS), None)
    try:
        with interrupts.handled():
            code = _run(command, argv)
            sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        code = _stop(command, interrupt)
    except BrokenPipeError:
        # As of `| head -1`.
        code = 1
    except system_errors.kinds() as error:
        sentence = system_errors.sentence_of(error)
        if sentence is None:
            raise
        code = fail(sentence, 2)
    finally:
        leave_stdout()
    return code


def _run(command: str | None, argv: list[str]) -> int:
    try:
        # The command itself may start others like it.
        arguments = build_parser(*([command] if command else [])).parse_args(argv, argparse.Namespace(argv=argv))
    except ValueError as error:
        return fail(error, 2)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        os.getcwd()
    except FileNotFoundError:
        return fail("The working directory is gone. Expected one that exists. Change into another, and try again.", 2)
    try:
        result = module(arguments.command).run(arguments)
    except ValueError as error:
        return fail(error, 2)
    except (FloatingPointError, WorkerLostError) as error:
        return fail(error, 1)
    if arguments.json and result is not None:
        print(for_json(json.dumps(result, allow_nan=False)))
    return int(is_failure(arguments.command, result))


def _stop(command: str | None, interrupt: KeyboardInterrupt) -> int:
    """Says that a signal has ended a command, and returns the exit code that a shell would give."""
    terminated = isinstance(interrupt, interrupts.Terminated)
    last = _GOES_ON_FROM.get(command)
    goes_on = f" The same command goes on from the last {last}." if last else ""
    return fail(f"{'Terminated' if terminated else 'Interrupted'}.{goes_on}", 143 if terminated else 130)


def is_failure(command: str, result: Mapping[str, Any] | None) -> bool:
    """Whether what a command returns tells of a failure: of a run of a grid, of all trials of a search."""
    if result is None:
        return False
    if command == "grid":
        return bool(result.get("failures"))
    return command == "tune" and "best" in result and result["best"] is None


def fail(error: object, code: int) -> int:
    """Prints an error as one line on stderr, and returns the exit code."""
    # Where stderr fails, the code alone must do.
    with contextlib.suppress(OSError):
        print("mmtrans: " + for_terminal(" ".join(str(error).split())), file=sys.stderr)
    return code


def main_train() -> int:
    """`mmtrans-train`: the same as `mmtrans train`."""
    return main(["train", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
