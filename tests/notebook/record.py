"""Runs a notebook of examples/ and keeps what its cells show: `python -m tests.notebook.record compare_recipes`.

Run it after a change of the notebook, or of what its cells show.
"""

import base64
import io
import sys
import tempfile

import nbformat
from PIL import Image

from tests.notebook.examples import EXAMPLES, code_cells, executed

#: Characters of HTML that are kept of an output. A whole page, such as the explorer's, has far more.
MOST_HTML = 50_000

#: Colours of a picture that is kept: a plot needs few, and the repository keeps each version of it.
COLOURS = 64


def smaller(png):
    """A PNG in base64, with few colours."""
    kept = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        picture.convert("RGB").quantize(COLOURS).save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode("ascii")


def main(names):
    """Replaces the outputs of notebooks by those of a new run, without times, the kernel's version and whole pages."""
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            notebook = executed(name, directory)
        for cell in code_cells(notebook):
            cell.metadata.pop("execution", None)
            for output in cell.outputs:
                data = output.get("data", {})
                if len(data.get("text/html", "")) > MOST_HTML:
                    del data["text/html"]
                if "image/png" in data:
                    data["image/png"] = smaller(data["image/png"])
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, EXAMPLES / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
