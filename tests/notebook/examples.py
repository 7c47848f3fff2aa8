"""The notebooks of examples/, run in a kernel of their own in an empty directory."""

import os
from pathlib import Path

import nbclient
import nbformat

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def read(name):
    """A notebook of examples/ as it is there."""
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def executed(name, directory):
    """A notebook of examples/ after its cells were run.

    Args:
        name: of the file, without its ending.
        directory: an empty directory that the cells work in.
    """
    notebook = read(name)
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(directory)}})
    client.execute()
    return notebook


def code_cells(notebook):
    """The cells of code of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell):
    """Kind → what a cell shows of it last."""
    return {kind: text for output in cell.outputs if "data" in output for kind, text in output["data"].items()}


def printed(cell):
    """What a cell prints."""
    return "".join(output["text"] for output in cell.outputs if output.output_type == "stream")
