"""Argument parsing: an `argparse` whose errors are one sentence, and flags made from the configuration dataclass."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, NoReturn

from mmtrans.bounds import check_number
from mmtrans.config import FIELDS, Config
from mmtrans.config.files import load_yaml
from mmtrans.system.escape import for_terminal


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that reports an error in one line, and takes no abbreviated flags."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)
        self.register("type", None, not_empty)

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, which takes the value of `--label-range -3,3` for a flag."""
        joined: list[str] = []
        for argument in sys.argv[1:] if args is None else args:
            is_value = re.fullmatch(r"-[0-9.][^,]*,.*", argument) and joined and re.match("--.", joined[-1])
            if is_value and "=" not in joined[-1]:
                joined[-1] += f"={argument}"
            else:
                joined.append(argument)
        return super().parse_known_args(joined, namespace)

    def _print_message(self, message, file=None):
        """As argparse's, which says nothing where stdout takes no help and no version: here that is an OSError."""
        if file is not sys.stdout:
            super()._print_message(message, file)
        elif message:
            file.write(message)
            file.flush()

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {for_terminal(message[:1].upper() + message[1:])}. See `{self.prog} --help`.\n")


def not_empty(text: str) -> str:
    """The type of a flag or argument that says nothing else: a path or a name, as of an unset variable in a script."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name, received ''")
    return text


def number_type(kind: type) -> Callable[[str], float]:
    """`int` or `float` as the type of a flag, without the underscores and other scripts' digits that Python takes."""

    def convert(text: str) -> float:
        if "_" in text or not text.isascii():
            raise ValueError(text)
        return kind(text)

    convert.__name__ = kind.__name__  # argparse names it in its errors
    return convert


class _Bounded(argparse.Action):
    """Stores a number, or raises the ValueError of `check_number`."""

    def __init__(self, bounds: dict[str, float], **kwargs):
        super().__init__(**kwargs)
        self.bounds = bounds

    def __call__(self, parser, namespace, values, option_string=None):
        check_number(self.option_strings[0], values, **self.bounds)
        setattr(namespace, self.dest, values)


def add_number(
    group: argparse.ArgumentParser | argparse._ArgumentGroup,
    flag: str,
    kind: type,
    bounds: dict[str, float],
    **kwargs: Any,
) -> None:
    """Adds a flag that takes a number within bounds.

    Args:
        group: a parser, or a group of one.
        flag: with its hyphens.
        kind: `int` or `float`.
        bounds: as `check_number` takes them: `low`, `high`, `most`.
        kwargs: as of `add_argument`; the metavar is N or X unless given.
    """
    kwargs = {"metavar": "N" if kind is int else "X", **kwargs}
    group.add_argument(flag, type=number_type(kind), action=partial(_Bounded, bounds), **kwargs)


def add_config_flags(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Adds `--config` and one hyphenated flag for each configuration field; flags that are not given leave no trace.

    Args:
        parser: the command's.
        without: fields that get no flag.
    """
    parser.add_argument("--config", metavar="FILE.yaml", help="configuration file; flags override it")
    group = parser.add_argument_group("configuration")
    for field in FIELDS.values():
        if field.name in without:
            continue
        kind, flag = field.kind, field.flag
        arguments: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": field.name}
        arguments["help"] = f"{field.help} (default: {field.default})".replace("%", "%%")
        if kind is bool:
            arguments["action"] = argparse.BooleanOptionalAction
        elif field.choices:
            arguments["choices"] = field.choices
        else:
            arguments.update(
                type=None if kind is str else number_type(kind), metavar={int: "N", float: "X", str: "TEXT"}[kind]
            )
        group.add_argument(flag, **arguments)


def config_from(arguments: argparse.Namespace) -> Config:
    """The configuration of parsed flags: defaults, overridden by `--config`, overridden by flags.

    Raises:
        ValueError: a value out of range, or an unknown field in the file.
    """
    given = {name: value for name, value in vars(arguments).items() if name in FIELDS}
    return Config(**{**(load_yaml(arguments.config) if arguments.config else {}), **given})
