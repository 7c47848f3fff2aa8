"""Pages that are written by hand name what there is."""

import re
from pathlib import Path

import pytest

from mmtrans.config import FIELDS, Config
from mmtrans.grid.plan import Grid
from mmtrans.grid.recipes import PAPER
from mmtrans.grid.schedule import chain_lengths

DOCS = Path(__file__).resolve().parents[1] / "docs"
DECISIONS = sorted(DOCS.glob("decisions/*.md"))


def text_of(name):
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_methods_equations_are_numbered_in_their_order():
    blocks = " ".join(re.findall(r"```\n(.*?)```", text_of("method.md"), re.DOTALL))
    assert re.findall(r" {3,}\((\d+)\)", blocks) == [str(number) for number in range(1, 17)]


@pytest.mark.parametrize("page", ["method.md", *(f"decisions/{path.name}" for path in DECISIONS)])
def test_a_page_names_flags_and_layers_that_there_are(page):
    flags = {field.flag for field in FIELDS.values()}
    commands = set(re.findall(r"`(--[\w-]+)", text_of("reference/commands.md")))
    assert set(re.findall(r"`(--[a-z][\w-]*)", text_of(page))) - flags - commands == set()
    named = text_of("reference/layers.md") + text_of("reference/models.md")
    code = re.findall(r"^Code: (.*?)\n\n", text_of(page), re.MULTILINE | re.DOTALL)
    assert [name for name in re.findall(r"`([A-Za-z_]+)`", " ".join(code)) if f"`{name}`" not in named] == []


@pytest.mark.parametrize("path", [path for path in DECISIONS if path.stem != "index"], ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts_and_names_tests_that_there_are(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Choice", "Evidence", "Consequences"]
    assert f"({path.name})" in text_of("decisions/index.md")
    for name in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (DOCS.parent / name).exists(), name


def rounds_of(tasks, workers):
    """How many times as long as one task a grid takes, if all take as long: the longest chains come first."""
    lengths, done, waiting, rounds = chain_lengths(tasks), set(), list(tasks), 0
    waiting.sort(key=lambda task: -lengths[task.phase.key])
    while waiting:
        ready = [task for task in waiting if task.phase.parent is None or task.phase.parent.key in done]
        done |= {task.phase.key for task in ready[:workers]}
        waiting = [task for task in waiting if task.phase.key not in done]
        rounds += 1
    return rounds


@pytest.mark.parametrize(
    ("row", "controls"), [("`--recipes paper --seeds 5`", False), ("the same with `--controls`", True)]
)
def test_what_is_counted_of_a_grid_is_what_the_plan_gives(row, controls):
    grid = Grid(Path("grid"), Path("records"), "hash", PAPER, tuple(range(5)), controls, (), Config(), "test")
    tasks = grid.tasks()
    speeds = [f"{len(tasks) / rounds_of(tasks, workers):.1f}" for workers in (10, 50, 100, 200)]
    cells = [row, str(len(tasks)), str(max(chain_lengths(tasks).values())), *speeds]
    assert f"| {' | '.join(cells)} |" in text_of("cluster.md").splitlines()
