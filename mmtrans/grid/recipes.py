"""Lists of recipes: the paper's rows, what it mentions besides, files, and recipes as they are written."""

from __future__ import annotations

from pathlib import Path

from mmtrans.grid.paper import PUBLISHED
from mmtrans.recipe import FUSIONS, OWN_STEPS, parse
from mmtrans.system.user_files import read_text

#: The rows of the paper's tables, in their order.
PAPER = tuple(PUBLISHED)

#: And what its section 6.5 mentions without numbers: audio or video in both the source and the target.
PAPER_EXTRA = (
    *PAPER,
    *("concat(A,V)->concat(A,T)", "concat(A,V)->concat(T,V)", "concat(T,A)->concat(A,V)", "concat(T,V)->concat(A,V)"),
)

#: Fusion models of other papers, and what reads the same features without them.
RIVALS = ("T", "concat(T,A,V)", *(f"{method}(T,A,V)" for method in FUSIONS))

#: Those that read modalities with steps of their own, and what reads one of these.
RIVALS_UNALIGNED = ("T", "A", "V", *(f"{method}(T,A,V)" for method in FUSIONS if method in OWN_STEPS))

LISTS = {"paper": PAPER, "paper-extra": PAPER_EXTRA, "rivals": RIVALS, "rivals-unaligned": RIVALS_UNALIGNED}


def read_recipes(name: str) -> tuple[str, ...]:
    """The canonical recipes of a list, each once.

    Args:
        name: a key of `LISTS`, recipes with commas between them, or a text file with one recipe per line; in it `#`
            begins a comment. What is the name of a file is no recipe.

    Raises:
        FileNotFoundError: the name is neither that of a list nor that of a file.
        ValueError: a line that is no recipe (the message names file and line, and points at the character), or none.
    """
    if name in LISTS:
        return LISTS[name]
    path = Path(name)
    if not path.exists() and (written := _written_out(name)):
        return written
    text = read_text(
        path, "list of recipes", f"{', '.join(LISTS)}, recipes such as 'T,T->A' or a file with one recipe per line"
    )
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


def _written_out(text: str) -> tuple[str, ...]:
    """Recipes that are written with commas between them; nothing where the text looks like none.

    Raises:
        ValueError: one of several is no recipe.
    """
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    try:
        return tuple(dict.fromkeys(str(parse(part.strip())) for part in parts))
    except ValueError:
        if len(parts) == 1 and "->" not in text:
            return ()
        raise
