"""A table of a report, whatever form it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: title of the table.
        caption: how to read it.
        columns: headings; the first `text_columns` hold words, the others numbers.
        rows: cells; "\\n" breaks a line.
        beneath: rows of trivial predictors, set off from the others.
        text_columns: number of leading columns of words.
        notes: footnotes, numbered from 1 as the superscripts in the cells.
        folded: shown on demand.
        links: number of a row → page that its first cell leads to, relative to the report.
    """

    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    beneath: Sequence[Sequence[str]] = ()
    text_columns: int = 1
    notes: Sequence[str] = ()
    folded: bool = False
    links: Mapping[int, str] = field(default_factory=dict)
