"""The page of all commands, written from their parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from mmtrans.cli.main import COMMANDS, build_parser
from mmtrans.cli.parser import Parser
from mmtrans.config import FIELDS, Config, sections_of
from tools.reference.markdown import escaped, page, table

_INTRODUCTION = """
`mmtrans COMMAND --help` shows the same in a terminal, where `--help-all` adds the flags that are rarely changed.
`mmtrans-train` is `mmtrans train`. Every command takes `--json`: the last line that it prints is then one JSON object.

| exit code | meaning |
|---|---|
| 0 | Done. |
| 1 | A training, a run of a grid or all trials of a search failed. Or nobody read the output to its end. |
| 2 | The input is bad, or the operating system refused something. One sentence on stderr says what. |
| 130 | Ctrl-C stopped it. |
| 143 | SIGTERM stopped it. |
"""


def commands_page() -> str:
    """The page as it has to be."""
    rows = ([f"[`{name}`](#mmtrans-{name})", escaped(text)] for name, text in COMMANDS.items())
    sections = (block for name, parser in _parsers() for block in _command(name, parser))
    return page("# Commands", _INTRODUCTION, table(["command", "what it does"], rows), *sections)


def _parsers() -> Iterator[tuple[str, Parser]]:
    for action in build_parser(*COMMANDS)._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _command(name: str, parser: Parser) -> Iterator[str]:
    yield f"## mmtrans {name}"
    yield escaped(" ".join((parser.description or "").split()))
    yield f"```\nmmtrans {' '.join([name, '[options]', *map(_usage, parser._get_positional_actions())])}\n```"
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if not _is_left_out(action)]
        if actions and group not in (parser._positionals, parser._optionals):
            title = group.title or ""
            yield f"**{escaped(title[:1].upper() + title[1:])}**"
        if actions:
            head = ["argument" if group is parser._positionals else "flag", "what it is"]
            yield table(head, ([f"`{_spelled(action)}`", _help(action, parser)] for action in actions))
    yield _of_configuration(parser)
    for text in (parser.epilog, parser.more):
        if text:
            yield f"```\n{text}\n```"


def _is_left_out(action: argparse.Action) -> bool:
    """Whether another place describes it: the page of the configuration, or the head of this one."""
    return action.dest in ("help", "help_all", "json") or _is_field(action)


def _is_field(action: argparse.Action) -> bool:
    """Whether it is the flag of a field of the configuration, and no flag of the command's own with the same name."""
    field = FIELDS.get(action.dest)
    return field is not None and (action.help == argparse.SUPPRESS or field.help in str(action.help))


def _of_configuration(parser: Parser) -> str:
    """A paragraph on the fields of the configuration that a command has flags for."""
    fields = {action.dest for action in parser._actions if _is_field(action)}
    if not fields:
        return ""
    without = ", ".join(f"`{name}`" for name in FIELDS if name not in fields)
    links = ", ".join(f"[{section}](configuration.md#{section})" for section in sections_of(Config))
    return f"The fields of the configuration{f', except {without},' if without else ''} are flags too: {links}."


def _usage(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return {"?": f"[{name}]", "+": f"{name} [{name} …]"}.get(str(action.nargs), name)


def _spelled(action: argparse.Action) -> str:
    """A flag with its value, or an argument."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    flag = action.option_strings[-1]
    if isinstance(action, argparse.BooleanOptionalAction):
        return action.option_strings[0].replace("--", "--[no-]", 1)
    if action.nargs == 0:
        return flag
    value = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper())
    return f"{flag} {value}"


def _help(action: argparse.Action, parser: Parser) -> str:
    text = parser.rare.get(action, action.help) or ""
    return escaped(text.replace("%%", "%"))
