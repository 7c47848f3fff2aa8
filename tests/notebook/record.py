"""Runs a notebook of examples/ and keeps what its cells show: `python -m tests.notebook.record compare_recipes`.

Run it after a change of the notebook, or of what its cells show.
"""

import sys
import tempfile

import nbformat

from tests.notebook.examples import EXAMPLES, code_cells, executed

#: Characters of HTML that are kept of an output. A whole page, such as the explorer's, has far more.
MOST_HTML = 50_000


def main(names):
    """Replaces the outputs of notebooks by those of a new run, without times, the kernel's version and whole pages."""
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            notebook = executed(name, directory)
        for cell in code_cells(notebook):
            cell.metadata.pop("execution", None)
            for output in cell.outputs:
                if len(output.get("data", {}).get("text/html", "")) > MOST_HTML:
                    del output["data"]["text/html"]
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, EXAMPLES / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
