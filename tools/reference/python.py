"""The pages of Python names: lists and examples, read without importing. mkdocstrings adds all else in the site."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tools.reference.markdown import escaped, page, table

ROOT = Path(__file__).parents[2]

#: Part of the page of `mmtrans.api` → its names, in the order in which one meets them.
API: Mapping[str, Sequence[str]] = {
    "From files to a result": (
        *("synthesize", "convert", "fit", "open_run", "Fitted", "grid", "report", "tune"),
        *("predict_text", "predict_clip", "ClipPrediction"),
    ),
    "Step by step": (
        *("open_corpus", "Config", "Run", "train", "evaluate", "evaluate_ensemble", "evaluate_robustness"),
        *("SearchOptions", "translate", "export", "Scorer", "predict"),
    ),
    "Parts": ("Records", "Selection", "make_batches", "parse", "build_translator", "build_regressor"),
}

_NOTE = (
    "Examples stand below the lists. "
    "The site that `make docs` builds has arguments and results of each; so have the docstrings."
)


def api_page() -> str:
    """The page of `mmtrans.api`."""
    tree = tree_of("mmtrans.api")
    homes = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    blocks = ["# Python", ast.get_docstring(tree) or "", _NOTE]
    for title, names in API.items():
        found = [(f"mmtrans.api.{name}", homes[name], name) for name in names]
        blocks += [f"## {title}", _list(found), *_entries(found)]
    return page(*blocks)


def room_page(title: str, room: str, kinds: tuple[type[ast.ClassDef | ast.FunctionDef], ...]) -> str:
    """The page of the public names of a room, module by module.

    Args:
        title: Heading of the page.
        room: Package, with dots.
        kinds: Nodes that are listed: `ast.ClassDef`, `ast.FunctionDef`.
    """
    blocks = [f"# {title}", f"{_first_line(ast.get_docstring(tree_of(room)))} {_NOTE}"]
    for file in sorted((ROOT / room.replace(".", "/")).glob("*.py")):
        module = f"{room}.{file.stem}"
        nodes = [node for node in tree_of(module).body if isinstance(node, kinds)]
        names = [node.name for node in nodes if not node.name.startswith("_")]
        if names:
            found = [(f"{module}.{name}", module, name) for name in names]
            text = f"`{_place(module)}`: {_first_line(ast.get_docstring(tree_of(module)))}"
            blocks += [f"## {file.stem}", text, _list(found), *_entries(found)]
    return page(*blocks)


def _list(found: Iterable[tuple[str, str, str]]) -> str:
    """A table of names, each by identifier on the page, module, and name there."""
    rows = (
        [f"[`{name}`](#{identifier})", escaped(_first_line(docstring_of(module, name)))]
        for identifier, module, name in found
    )
    return table(["name", "what it is"], rows)


def _entries(found: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """What mkdocstrings replaces in the site by the whole text of each name, and below it the example of the name.

    The site has that within the text, and `docs/site.css` hides the second one there.
    """
    for identifier, module, name in found:
        yield f"::: {identifier}"
        yield example_of(docstring_of(module, name))


def example_of(text: str) -> str:
    """The example of a docstring with its fence; empty where there is none."""
    found = re.search(r"^Example:\n((?:    .*\n?|\n)+)", inspect.cleandoc(text), re.MULTILINE)
    return textwrap.dedent(found[1]).strip() if found else ""


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / _place(module)).read_text(encoding="utf-8"))


def _place(module: str) -> str:
    """The file of a module, from the root of the checkout."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


def docstring_of(module: str, name: str) -> str:
    found = (
        ast.get_docstring(node)
        for node in tree_of(module).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name
    )
    # What is overloaded has its docstring last.
    return next(filter(None, found), "")


def _first_line(text: str | None) -> str:
    """The first paragraph, which says what it is, in one line."""
    return " ".join((text or "").partition("\n\n")[0].split())
