"""The tables of a report in LaTeX, for the package booktabs, any engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmtrans.report.table import Table
from mmtrans.system.escape import for_latex


def to_latex(tables: Iterable[Table]) -> str:
    """Tables to be read by `\\input`, each a float with its caption; those that a page folds are left out."""
    lines = ["% Needs \\usepackage{booktabs}."]
    for table in tables:
        if not table.folded:
            lines += ["", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    columns = "l" * table.text_columns + "r" * (len(table.columns) - table.text_columns)
    lines = [
        "\\begin{table}",
        f"\\caption{{{for_latex(table.title)}. {for_latex(table.caption)}}}",
        "\\centering\\small",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        _row(table.columns),
        "\\midrule",
        *map(_row, table.rows),
    ]
    if table.beneath:
        lines += ["\\midrule", *map(_row, table.beneath)]
    lines += ["\\bottomrule", "\\end{tabular}"]
    lines += [f"\n{number}. {for_latex(note)}\\par" for number, note in enumerate(table.notes, 1)]
    return [*lines, "\\end{table}"]


def _row(cells: Sequence[str]) -> str:
    # A bracket after the end of a row would be taken for its length.
    return " & ".join(f"{{{for_latex(' '.join(cell.split()))}}}" for cell in cells) + " \\\\"
