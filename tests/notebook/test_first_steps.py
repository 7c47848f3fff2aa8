"""examples/first_steps.ipynb runs from end to end, in a kernel of its own."""

import html

import pytest

pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from tests.notebook.examples import code_cells, executed, printed, shown


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The notebook's cells of code after a run in an empty directory."""
    return code_cells(executed("first_steps", tmp_path_factory.mktemp("notebook")))


@pytest.mark.slow
def test_the_cells_show_what_they_are_for(cells):
    converted, fitted, history, metrics, predictions, scatter, translated, grid, own, explored = cells
    assert "segments" in shown(converted)["text/plain"]
    assert "<table>" in shown(fitted)["text/html"]
    for cell in (history, scatter, translated):
        assert "image/png" in shown(cell)
    assert "pearson" in shown(metrics)["text/html"]
    assert "prediction" in shown(predictions)["text/html"]
    assert shown(grid)["text/html"].count("<tr") == 3
    assert "talk[1]" in shown(own)["text/plain"]
    assert "Segment explorer: T-&gt;A, valid" in html.unescape(shown(explored)["text/html"])


@pytest.mark.slow
def test_nothing_but_progress_is_printed(cells):
    """No line of TensorFlow's, and no page of progress: a line an epoch at most."""
    lines = [line for cell in cells for line in printed(cell).splitlines() if line.strip()]
    assert not [line for line in lines if "tensorflow" in line.lower() or "oneDNN" in line or "cuda" in line.lower()]
    assert len(lines) < 40
