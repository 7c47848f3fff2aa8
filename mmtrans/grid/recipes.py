"""Lists of recipes: the paper's rows, what it mentions besides, and files."""

from __future__ import annotations

from pathlib import Path

from mmtrans.grid.paper import PUBLISHED
from mmtrans.recipe import parse
from mmtrans.system.user_files import read_text

#: The rows of the paper's tables, in their order.
PAPER = tuple(PUBLISHED)

#: And what its section 6.5 mentions without numbers: audio or video in both the source and the target.
PAPER_EXTRA = (
    *PAPER,
    *("concat(A,V)->concat(A,T)", "concat(A,V)->concat(T,V)", "concat(T,A)->concat(A,V)", "concat(T,V)->concat(A,V)"),
)

LISTS = {"paper": PAPER, "paper-extra": PAPER_EXTRA}


def read_recipes(name: str) -> tuple[str, ...]:
    """The canonical recipes of a list, each once.

    Args:
        name: `paper`, `paper-extra`, or a text file with one recipe per line; `#` begins a comment.

    Raises:
        FileNotFoundError: the name is neither that of a list nor that of a file.
        ValueError: a line that is no recipe (the message names file and line, and points at the character), or none.
    """
    if name in LISTS:
        return LISTS[name]
    path = Path(name)
    text = read_text(path, "list of recipes", f"{', '.join(LISTS)} or a file with one recipe per line")
    recipes = []
    for number, line in enumerate(text.splitlines(), 1):
        if text := line.partition("#")[0].rstrip():
            try:
                recipes.append(str(parse(text)))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    if not recipes:
        raise ValueError(f"No recipe there. Expected one per line. Received: recipes={name}. Write some, such as T->A.")
    return tuple(dict.fromkeys(recipes))
