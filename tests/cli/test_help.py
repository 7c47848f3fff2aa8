"""What `--help` shows: the flags that people change most, in one look; `--help-all` shows the rest."""

import re

import pytest

from mmtrans.cli.main import COMMANDS, main, module
from mmtrans.cli.parser import Parser
from mmtrans.config import FIELDS, Config, sections_of

TEN = ["data", "run", "recipe", "seed", "units", "dropout", "target", "epochs", "batch-size", "learning-rate"]


def shown(command, flag, capsys, monkeypatch):
    """The lines of a command's help, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([command, flag])
    assert stopped.value.code == 0
    return capsys.readouterr().out.splitlines()


def flags_in(lines):
    return [match[1] for line in lines if (match := re.match(r"  (?:-h, )?--(?:\[no-\])?([\w-]+)", line))]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_read_in_one_look(command, capsys, monkeypatch):
    lines = shown(command, "--help", capsys, monkeypatch)
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 80
    assert re.fullmatch(rf"usage: mmtrans {command} \[options\]( [A-Z|_]+)*", lines[0])
    assert lines[1] == ""


def test_help_of_mmtrans_itself(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: mmtrans [options] COMMAND"
    assert len(lines) <= 100


def test_the_ten_flags_that_people_change_most_come_first(capsys, monkeypatch):
    assert flags_in(shown("train", "--help", capsys, monkeypatch))[:10] == TEN


@pytest.mark.parametrize("command", ["train", "grid", "tune"])
def test_all_flags_are_shown_where_all_are_asked_for(command, capsys, monkeypatch):
    few, lines = (shown(command, flag, capsys, monkeypatch) for flag in ("--help", "--help-all"))
    parser = Parser(prog=command)
    module(command).add_arguments(parser)
    every = {action.option_strings[0].removeprefix("--") for action in parser._actions}
    assert set(flags_in(lines)) == {*every, "json", "help", "help-all"} > set(flags_in(few))
    assert max(map(len, lines)) <= 80
    titles = [line.partition(":")[0] for line in lines]
    assert [title for title in titles if title in sections_of(Config)] == list(sections_of(Config))


def test_each_flag_is_in_the_group_of_its_section(capsys, monkeypatch):
    section, found = None, {}
    for line in shown("train", "--help-all", capsys, monkeypatch):
        if line and line[0] != " ":
            section = line.partition(":")[0]
        for flag in flags_in([line]):
            found[flag.replace("-", "_")] = section
    for name, field in FIELDS.items():
        assert found[name] == ("options" if field.help_place == "first" else field.section)


@pytest.mark.parametrize("flag", ["--help-al", "--all"])
def test_no_other_flag_helps(flag, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", flag])
    assert stopped.value.code == 2
    assert f"Unrecognized arguments: {flag}" in capsys.readouterr().err
