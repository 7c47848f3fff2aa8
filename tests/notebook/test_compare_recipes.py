"""examples/compare_recipes.ipynb runs from end to end, and shows what it showed when its outputs were kept."""

import html
import re

import pytest

pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from tests.notebook.examples import code_cells, executed, printed, read, shown

NUMBER = re.compile(r"-?\d+\.\d+")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept():
    """The cells of code as they are in the checkout."""
    return code_cells(read("compare_recipes"))


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The cells of code after a new run."""
    return code_cells(executed("compare_recipes", tmp_path_factory.mktemp("notebook")))


def words_of(cell):
    """The text of the table that a cell shows, a word a cell of it."""
    return html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", shown(cell)["text/html"], flags=re.DOTALL)).split()


def numbers_of(cell):
    """The numbers with decimals of the table that a cell shows."""
    return [float(word) for word in words_of(cell) if NUMBER.fullmatch(word)]


def test_the_cells_show_what_they_showed(cells, kept):
    assert [cell.source for cell in cells] == [cell.source for cell in kept]
    assert [set(shown(cell)) for cell in cells] == [set(shown(cell)) for cell in kept]
    assert shown(cells[0]) == shown(kept[0])
    # No line of progress.
    assert len(cells[1].outputs) == 1
    assert len(printed(cells[2]).split("\n\n")) == len(printed(kept[2]).split("\n\n"))
    assert not any(output["name"] == "stderr" for cell in cells for output in cell.outputs if "name" in output)


def test_the_tables_numbers_are_those_that_were_kept(cells, kept):
    """Near them: other machines round otherwise."""
    _, rows, _, table, _, pairs = cells
    for cell, was in zip((rows, table, pairs), (kept[1], kept[3], kept[5]), strict=True):
        assert len(numbers_of(cell)) == len(numbers_of(was)) > 0
        assert numbers_of(cell) == pytest.approx(numbers_of(was), abs=0.05)


def test_what_the_notebook_concludes_holds(cells):
    """Voice alone is worse than words, and the translation is not shown to be better than its source."""
    *_, table, _, pairs = cells
    ends = numbers_of(table)
    rows = dict(zip(("T", "A", "concat(T,A)", "T->A"), zip(*[iter(ends)] * 4, strict=True), strict=True))
    assert rows["T"][3] < rows["A"][2]
    assert "the translation is better" not in " ".join(words_of(pairs))
    assert words_of(pairs)[words_of(pairs).index("T->A") + 1] == "T"


def test_the_kept_outputs_are_those_of_the_sentences(kept):
    """What the text says of the outputs that are seen beside it."""
    assert "reached the limit of 12 epochs" in printed(kept[2]).split("\n\n")[0]
    assert "the translation is worse" in " ".join(words_of(kept[5]))
    assert "no difference is shown" in " ".join(words_of(kept[5]))
