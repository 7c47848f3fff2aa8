"""Pieces of Markdown that a repository's page and the site show alike."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Text of a page; what stands in backticks stays code, and a page of `docs` that it names is a link."""
    parts = text.split("`")
    for index in range(0, len(parts), 2):
        plain = parts[index].replace("<", "&lt;").replace("*", r"\*")
        parts[index] = re.sub(r"docs/(\w+\.md)", r"[\1](../\1)", plain)
    return "`".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, whose cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_one_cell, cells)) + " |" for cells in lines)


def _one_cell(text: str) -> str:
    """A cell's text without bars, which would end it. In code a repository and a site escape them differently."""
    with_tags = re.sub(r"`([^`]*\|[^`]*)`", lambda match: f"<code>{html.escape(match[1], quote=False)}</code>", text)
    return with_tags.replace("|", "&#124;")


def page(*blocks: str) -> str:
    """The text of a page, whose blocks are parted by blank lines; empty ones are left out."""
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"
