"""Argument parsing: an `argparse` whose errors are one sentence, and flags made from the configuration's fields."""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from mmtrans.bounds import check_number
from mmtrans.config import FIELDS, Config, sections_of
from mmtrans.config.fields import Field, Section
from mmtrans.config.files import layered, preset_names
from mmtrans.system.escape import for_terminal


class Help(argparse.HelpFormatter):
    """Help in which most flags take one line of a terminal."""

    def __init__(self, prog: str, **kwargs):
        super().__init__(prog, **{"max_help_position": 31, **kwargs})

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[0].replace("--", "--[no-]", 1)
        return super()._format_action_invocation(action)


class HelpAsWritten(Help, argparse.RawDescriptionHelpFormatter):
    """The same, with description and epilog in the lines in which they are written."""


class _HelpAll(argparse.Action):
    """Shows the help with rare flags, and stops."""

    def __init__(self, show: Callable[[], None], **kwargs):
        super().__init__(**kwargs)
        self.show = show

    def __call__(self, parser, namespace, values, option_string=None):
        self.show()
        parser.exit()


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that reports an error in one line, and takes no abbreviated flags.

    Its help has a usage of one line; `rare` has the flags that only `--help-all` shows, and `more` what it says after
    the epilog.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"allow_abbrev": False, "add_help": False, "formatter_class": Help, **kwargs})
        self.register("type", None, not_empty)
        self.rare: dict[argparse.Action, str] = {}
        self.more = ""

    def add_help_flags(self) -> None:
        """Adds `--help`, and where there are rare flags `--help-all`: after the command's own."""
        self.add_argument("-h", "--help", action="help", help="show this help and stop")
        if self.rare:
            shown = {"action": _HelpAll, "show": self.print_all, "nargs": 0, "default": argparse.SUPPRESS}
            self.add_argument("--help-all", **shown, help=f"show {len(self.rare)} rarely changed flags too")

    def print_all(self) -> None:
        """Prints the help with rare flags."""
        for action, text in self.rare.items():
            action.help = text
        self.epilog = "\n\n".join(filter(None, (self.epilog, self.more)))
        self.print_help()

    def add_rare(self, group: argparse._ActionsContainer, flag: str, **kwargs: Any) -> None:
        """Adds a flag that only `--help-all` shows, to the parser or a group of it; arguments as of `add_argument`."""
        action = group.add_argument(flag, **{**kwargs, "help": argparse.SUPPRESS})
        self.rare[action] = kwargs["help"]

    def format_help(self) -> str:
        """The help, with a usage of one line."""
        names = [action.metavar or action.dest for action in self._get_positional_actions()]
        self.usage = " ".join(["%(prog)s [options]", *map(str, names)])
        return super().format_help()

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, which takes the value of `--label-range -3,3` for a flag, and an argument that may be left out
        for left out where it stands behind flags (before Python 3.13)."""
        joined: list[str] = []
        for argument in sys.argv[1:] if args is None else args:
            is_value = re.fullmatch(r"-[0-9.][^,]*,.*", argument) and joined and re.match("--.", joined[-1])
            if is_value and "=" not in joined[-1]:
                joined[-1] += f"={argument}"
            else:
                joined.append(argument)
        found, rest = super().parse_known_args(joined, namespace)
        for action in self._get_positional_actions():
            if action.nargs == "?" and rest and not rest[0].startswith("-") and getattr(found, action.dest) is None:
                setattr(found, action.dest, self._get_values(action, [rest.pop(0)]))
        if rest:
            # A command's parser says so itself: it knows the flags that were meant.
            self.error(f"unrecognized arguments: {' '.join(rest)}{self._meant(rest)}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """As argparse's, and names the choice that may have been meant."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            meant = difflib.get_close_matches(str(value), map(str, action.choices or ()), 1)
            error.message += f". Did you mean {meant[0]}?" if meant else ""
            raise

    def _meant(self, rest: Sequence[str]) -> str:
        """A question for the flags that may have been meant by unknown ones."""
        unknown = [argument.partition("=")[0] for argument in rest if argument.startswith("--")]
        matches = [self._nearest(flag) for flag in unknown]
        meant = dict.fromkeys(match[0] for match in matches if match)
        return f". Did you mean {' and '.join(meant)}?" if meant else ""

    def _nearest(self, flag: str) -> list[str]:
        """The flag that may have been meant by an unknown one: one that ends so, as --face-fps does, or a like one."""
        longer = [known for known in self._option_string_actions if known.endswith(flag.removeprefix("-"))]
        return longer or difflib.get_close_matches(flag, self._option_string_actions, 1)

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse's, which says nothing where stdout takes no help and no version: here that is an OSError."""
        if file is not sys.stdout:
            super()._print_message(message, file)
        elif message:
            file.write(message)
            file.flush()

    def error(self, message: str) -> NoReturn:
        sentence = for_terminal(message[:1].upper() + message[1:])
        end = "" if sentence.endswith("?") else "."
        self.exit(2, f"{self.prog}: {sentence}{end} See `{self.prog} --help`.\n")


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

    def __init__(self, bounds: Mapping[str, float], **kwargs):
        super().__init__(**kwargs)
        self.bounds = bounds

    def __call__(self, parser, namespace, values: Any, option_string=None):
        check_number(self.option_strings[0], values, **self.bounds)
        setattr(namespace, self.dest, values)


def add_number(
    group: argparse.ArgumentParser | argparse._ArgumentGroup,
    flag: str,
    kind: type,
    bounds: Mapping[str, float],
    **kwargs: Any,
) -> None:
    """Adds a flag that takes a number within bounds.

    Args:
        group: a parser, or a group of one.
        flag: name of the flag, with its hyphens.
        kind: `int` or `float`.
        bounds: keyword arguments of `check_number`: `low`, `high`, `most`.
        kwargs: keyword arguments of `add_argument`; the metavar is N or X unless given.
    """
    kwargs = {"metavar": "N" if kind is int else "X", **kwargs}
    group.add_argument(flag, type=number_type(kind), action=_Bounded, bounds=bounds, **kwargs)


def add_config_flags(
    parser: Parser, without: Collection[str] = (), otherwise: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> None:
    """Adds a hyphenated flag for each configuration field, `--preset` and `--config`; flags that are not given leave no
    trace.

    Those that most people change stand where the parser is, the others in a group for each section.

    Args:
        parser: parser of the command.
        without: fields that get no flag.
        otherwise: field → arguments of `add_argument` that its flag has in place of its own.
    """
    fields = [field for field in FIELDS.values() if field.name not in without]
    for field in fields:
        if field.help_place == "first":
            parser.add_argument(field.flag, **{**_flag(field), **otherwise.get(field.name, {})})
    ships = f"settings that ship: {' or '.join(preset_names())}"
    parser.add_argument("--preset", metavar="NAME", choices=preset_names(), help=ships)
    parser.add_argument("--config", metavar="FILE.yaml", help="file that overrides it; flags override both")
    groups = {name: parser.add_argument_group(_title(name, kind)) for name, kind in sections_of(Config).items()}
    for field in fields:
        arguments = {**_flag(field), **otherwise.get(field.name, {})}
        if field.help_place == "rare":
            parser.add_rare(groups[field.section], field.flag, **arguments)
        elif field.help_place == "group":
            groups[field.section].add_argument(field.flag, **arguments)


def _title(name: str, section: type[Section]) -> str:
    """The title of a section's flags: its name, and what its docstring says."""
    text = inspect.getdoc(section) or ""
    return f"{name}: {text[:1].lower()}{text[1:].rstrip('.')}"


def add_text_encoder(parser: Parser) -> None:
    """Adds the flag of commands that train on records whose pieces of words a text encoder reads."""
    parser.add_rare(
        parser,
        "--text-encoder",
        metavar="DIR",
        help="where the text encoder of the records' pieces is now (default: where it was in conversion)",
    )


def _flag(field: Field) -> dict[str, Any]:
    """The arguments of `add_argument` for a field's flag."""
    default = "" if field.default == "" or field.default is False else f" (default: {field.default})"
    arguments: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": field.name}
    arguments["help"] = f"{field.help}{default}".replace("%", "%%")
    if field.kind is bool:
        arguments["action"] = argparse.BooleanOptionalAction
    elif field.choices:
        arguments["choices"] = field.choices
    else:
        kind = field.kind
        arguments["type"] = None if kind is str else number_type(kind)
        arguments["metavar"] = {int: "N", float: "X", str: "TEXT"}[kind]
    return arguments


def config_from(arguments: argparse.Namespace) -> Config:
    """The configuration of parsed flags: defaults, overridden by `--preset`, by `--config`, and by flags.

    Raises:
        ValueError: a value out of range, or an unknown field in the file.
    """
    given = {name: value for name, value in vars(arguments).items() if name in FIELDS}
    return layered(arguments.preset, arguments.config, given)
