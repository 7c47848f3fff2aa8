import pytest
from rich.table import Table

from mmtrans.cli.main import fail
from mmtrans.system.console import Console, say, warn
from mmtrans.system.escape import for_terminal
from tests.system.test_escape import HOSTILE


def obeyed(text):
    """Characters of what was printed, but the ends of lines, that a terminal would obey."""
    return set(text.replace("\n", "")) - set(for_terminal(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_console_shows_text_in_lines_titles_and_cells(text, capsys):
    console = Console(width=300)
    console.print(text)
    table = Table(text, title=text)
    table.add_row(text)
    console.print(table)
    out = capsys.readouterr().out
    assert obeyed(out) == set()
    assert out.count(for_terminal(text)) == 4
    assert len(out.splitlines()) == 7


def test_a_console_on_a_terminal_obeys_only_itself(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    Console(width=80).print("a\x1b[31mb", style="bold")
    out = capsys.readouterr().out
    assert r"a\x1b[31mb" in out
    assert out.count("\x1b[") == 2  # bold, and its end


def test_a_quiet_console_prints_nothing_and_stderr_is_another(capsys):
    Console(quiet=True).print("a")
    Console(stderr=True).print("b")
    assert capsys.readouterr() == ("", "b\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_and_errors_show_text(text, capsys):
    say(text)
    warn(text)
    assert fail(ValueError(f"({text})"), 2) == 2
    out, err = capsys.readouterr()
    assert out == f"{for_terminal(text)}\n"
    assert err.splitlines()[0] == f"mmtrans: {for_terminal(text)}"
    assert obeyed(err) == set()
    assert len(err.splitlines()) == 2
