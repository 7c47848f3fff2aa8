"""Which pages of `docs/reference` are written from the code."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from mmtrans.system.files import write_atomically
from tools.reference.commands import commands_page
from tools.reference.configuration import configuration_page
from tools.reference.files import files_page
from tools.reference.python import api_page, room_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"

#: File of the folder → what makes its text.
PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "configuration.md": configuration_page,
    "files.md": files_page,
    "api.md": api_page,
    "layers.md": functools.partial(room_page, "Layers", "mmtrans.layers", (ast.ClassDef,)),
    "models.md": functools.partial(room_page, "Models", "mmtrans.models", (ast.ClassDef, ast.FunctionDef)),
}


def write_pages() -> None:
    """Writes all pages."""
    for name, text in PAGES.items():
        write_atomically(FOLDER / name, text())
