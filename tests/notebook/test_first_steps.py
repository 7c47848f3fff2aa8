"""examples/first_steps.ipynb runs from end to end, in a kernel of its own."""

import html
import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "first_steps.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The notebook's cells of code after a run in an empty directory."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    directory = tmp_path_factory.mktemp("notebook")
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(directory)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell):
    """Kind → what a cell shows of it last."""
    return {kind: text for output in cell.outputs if "data" in output for kind, text in output["data"].items()}


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
    printed = [output["text"] for cell in cells for output in cell.outputs if output.output_type == "stream"]
    lines = [line for text in printed for line in text.splitlines() if line.strip()]
    assert not [line for line in lines if "tensorflow" in line.lower() or "oneDNN" in line or "cuda" in line.lower()]
    assert len(lines) < 40
