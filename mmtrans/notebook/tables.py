"""Tables for notebooks: pandas' where it is installed, else plain columns."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from mmtrans.system.escape import for_html


class Columns(dict[str, list[Any]]):
    """A table without pandas: column name → its values, all of one length. A notebook shows it as a table."""

    #: Rows that a notebook shows.
    SHOWN = 20

    def _repr_html_(self) -> str:
        rows = list(zip(*self.values(), strict=True))
        head = "".join(f"<th>{for_html(name)}</th>" for name in self)
        body = "".join(
            f"<tr>{''.join(f'<td>{for_html(_text(cell))}</td>' for cell in row)}</tr>" for row in rows[: self.SHOWN]
        )
        more = f"<p>{len(rows)} rows</p>" if len(rows) > self.SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> Any:
    """Rows as a table.

    Args:
        rows: a mapping for each row; a name that one lacks is `None` there.
        columns: names of the columns that come first; others follow in the order of the rows.

    Returns:
        a `pandas.DataFrame` where pandas is installed, else `Columns`.
    """
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    found = Columns({name: [row.get(name) for row in rows] for name in names})
    pandas = _pandas()
    return found if pandas is None else pandas.DataFrame(dict(found))


def _pandas() -> ModuleType | None:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        return None


def _text(cell: object) -> str:
    return "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
