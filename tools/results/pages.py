"""Pages whose tables and figures are those of the files of figures.

In a page a comment names a file, `<!-- FILE.json -->`, and what of it is shown. Below it stand the command, the table,
and what it was measured on. A figure in a sentence stands before such a comment, with its path in the file:
`.750<!-- FILE.json ways/all/mae/value -->`. A picture `pictures/NAME.svg` is the map of the study `results/NAME.json`.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mmtrans.report.numbers import number_text
from mmtrans.system.files import write_atomically
from tools.figures.provenance import ROOT, is_stale
from tools.results.tables import at, table_of
from tools.study.map import plot_map
from tools.study.results import Results

#: Columns of a command, which the site shows without a bar to scroll.
_COMMAND = 82

#: The mark of figures that may be others by now.
STALE = "**Stale.** "

_TABLE = re.compile(
    r"^<!-- ([\w-]+\.json)((?: [^ >]+)*) -->\n"  # the file, and what of it is shown
    r"(?:```\n(?:.*\n)*?```\n\n)?(?:\|.*\n)*(?:\n(?:\*\*Stale.*)?\*Commit .*\n)?",  # command, table, origin
    re.MULTILINE,
)
_FIGURE = re.compile(r"[^\s|(]+(?=<!-- ([\w-]+\.json) ([^\s>]+)(?: (\d))? -->)")


def pages(root: Path = ROOT) -> Iterator[Path]:
    """README and the pages of `docs` of a checkout."""
    yield root / "README.md"
    yield from sorted((root / "docs").rglob("*.md"))


def write_pages(root: Path = ROOT) -> None:
    """Writes the tables and figures of all pages of a checkout anew."""
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        if (written := with_results(text, path.parent, root / "docs" / "results")) != text:
            write_atomically(path, written)


def draw_maps(root: Path = ROOT) -> None:
    """Draws the maps that pages of a checkout show: `pictures/NAME.svg` is that of the study `results/NAME.json`."""
    shown = "".join(path.read_text(encoding="utf-8") for path in pages(root))
    for path in sorted((root / "docs" / "results").glob("*.json")):
        content, picture = read(path), f"pictures/{path.stem}.svg"
        if "worlds" in content and picture in shown:
            plot_map(root / "docs" / picture, Results(against=content["against"], worlds=content["worlds"]))


def with_results(text: str, place: Path, results: Path = ROOT / "docs" / "results") -> str:
    """A page with its tables and figures as the files have them.

    Args:
        text: the page.
        place: its directory, from which links lead.
        results: directory of the files of figures.
    """

    def table(match: re.Match) -> str:
        path = results / match[1]
        content = read(path)
        command = ["```", *map(_wrapped, content["command"].splitlines()), "```", ""]
        origin = _origin(content, os.path.relpath(path, place))
        lines = [f"<!-- {match[1]}{match[2]} -->", *command, *table_of(content, match[2].split()), "", origin]
        return "\n".join(lines) + "\n"

    def figure(match: re.Match) -> str:
        return number_text(at(read(results / match[1]), match[2]), int(match[3] or 3))

    return _FIGURE.sub(figure, _TABLE.sub(table, text))


def read(path: Path) -> Mapping[str, Any]:
    """What a file of figures holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def _wrapped(command: str) -> str:
    """A command in lines that begin with a flag."""
    parts = command.replace(" --", "\n--").replace(" ", "\0").replace("\n", " ")
    lines = textwrap.wrap(parts, _COMMAND, break_long_words=False, break_on_hyphens=False)
    return " \\\n    ".join(lines).replace("\0", " ")


def _origin(content: Mapping[str, Any], link: str) -> str:
    """What was measured where, as one line."""
    machine = content["hardware"]
    day = datetime.fromisoformat(content["date"]).date().isoformat()
    where = f"{machine['cores']} cores of {machine['processor']}"
    return STALE * is_stale(content) + f"*Commit `{content['commit']}`, {day}, {where}: [the file]({link}).*"
