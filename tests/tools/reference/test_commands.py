"""The page of the commands tells each argument and flag of each parser once."""

import argparse
import re

import pytest

from mmtrans.cli.main import COMMANDS, build_parser
from mmtrans.cli.parser import Parser
from mmtrans.config import FIELDS
from tools.reference.commands import _command, commands_page

SECTIONS = {text.split("\n", 1)[0]: text for text in commands_page().split("\n## mmtrans ")[1:]}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_all_of_its_flags(command):
    (action,) = (a for a in build_parser(command)._actions if isinstance(a, argparse._SubParsersAction))
    flags = {flag for action in action.choices[command]._actions for flag in action.option_strings}
    shown = re.findall(r"^\| (?:`|<code>)(--[\w-]+)", SECTIONS[command], re.MULTILINE)
    fields = {field.flag for field in FIELDS.values() if field.flag in flags} - {"--seed"}
    fields |= {f"--no-{flag[2:]}" for flag in fields}
    assert len(shown) == len(set(shown))
    assert flags - fields - {"-h", "--help", "--help-all", "--json", "--seed"} == set(shown) - {"--seed"}


def test_which_fields_of_the_configuration_a_command_takes_is_told():
    assert "The fields of the configuration are flags too: [plan](configuration.md#plan)," in SECTIONS["train"]
    assert "except `pretrain`, `fixed_steps`, are flags too" in SECTIONS["tune"]
    assert "The fields of the configuration" not in SECTIONS["evaluate"]


def test_a_section_is_made_of_what_the_parser_holds():
    parser = Parser(prog="mmtrans copy", description="Copy\n  files.")
    parser.add_argument("FROM", nargs="+", help="what to copy, as docs/clips.md tells")
    parser.add_argument("--as", dest="kind", choices=("a", "b"), help="a|b, 5%% or <more>")
    parser.add_argument("--to", metavar="DIR|-", help="where to")
    group = parser.add_argument_group("rare things")
    parser.add_rare(group, "--deep", action=argparse.BooleanOptionalAction, help="folders too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_help_flags()
    parser.epilog = "one\n  two"
    assert list(_command("copy", parser)) == [
        "## mmtrans copy",
        "Copy files.",
        "```\nmmtrans copy [options] FROM [FROM …]\n```",
        "| argument | what it is |\n| --- | --- |\n| `FROM` | what to copy, as [clips.md](../clips.md) tells |",
        "| flag | what it is |\n| --- | --- |\n"
        "| `--as {a,b}` | a&#124;b, 5% or &lt;more> |\n| <code>--to DIR&#124;-</code> | where to |",
        "**Rare things**",
        "| flag | what it is |\n| --- | --- |\n| `--[no-]deep` | folders too |",
        "",
        "```\none\n  two\n```",
    ]
