"""A report as Markdown, CSV and one HTML page, all from the same numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from mmtrans.evaluation.metrics import METRICS
from mmtrans.grid.paper import GENERAL, PUBLISHED, PUBLISHED_METRICS, SOURCE
from mmtrans.grid.variants import Variant
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.compare import KINDS, Comparison, Results
from mmtrans.report.plots import draw
from mmtrans.report.summary import banner, title_facts, write_summary
from mmtrans.report.svg import Plot
from mmtrans.report.table import Table
from mmtrans.report.tables import make_tables
from mmtrans.system.escape import for_html, for_markdown

TITLE = "Multimodal translation for sentiment"


@dataclass(frozen=True)
class Report:
    """A report before it takes a form.

    Attributes:
        summary: sentences.
        tables: tables, in the order of reading.
        plots: title of a table → the plot that belongs to it.
        facts: name → what stands beneath the title.
        banner: what must be known first; empty for nothing.
    """

    summary: list[str]
    tables: list[Table]
    plots: dict[str, Plot]
    facts: dict[str, str]
    banner: str = ""
    general: tuple[str, ...] = GENERAL
    source: str = SOURCE
    title: str = TITLE


def make_report(grid: CollectedGrid, results: Results, out_dir: Path | None = None) -> Report:
    """Writes the sentences, fills the tables and draws the plots of computed results.

    Args:
        grid: the runs.
        results: their numbers.
        out_dir: directory that the report is for; `None` for the grid's.
    """
    tables = make_tables(grid, results, out_dir or grid.path)
    title = f"{TITLE}: paper beside measured" if grid.is_papers_corpus else f"{TITLE}: measured"
    return Report(
        write_summary(grid, results),
        tables,
        draw(grid, results),
        title_facts(grid, results),
        banner(grid),
        title=title,
    )


def to_html(report: Report) -> str:
    """One self-contained page, nothing from elsewhere; its script sorts tables, and opens all before it is printed."""
    template = resources.files("mmtrans.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    # A line must not break between a number and its unit.
    environment.filters["units"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment.from_string(template).render(report=report)


def _shown(value: object) -> object:
    """Text that a page shows; what is markup already, such as a plot, stays."""
    return Markup(for_html(value)) if type(value) is str else value


def to_markdown(report: Report) -> str:
    """The same without the plots."""
    lines = [f"# {report.title}", "", *(f"> {for_markdown(report.banner)}" for _ in [0] if report.banner), ""]
    lines += [*(f"- **{for_markdown(name)}**: {for_markdown(fact)}" for name, fact in report.facts.items()), ""]
    lines += [*(f"- {for_markdown(sentence)}" for sentence in report.summary), ""]
    for table in report.tables:
        lines += [f"## {table.title}", "", for_markdown(table.caption), ""]
        lines += [_row(table.columns), _line([":--"] * table.text_columns + ["--:"] * _numbers(table))]
        lines += [_row(row) for row in [*table.rows, *table.beneath]]
        lines += ["", *(f"{i}. {for_markdown(note)}" for i, note in enumerate(table.notes, 1)), ""]
    lines += ["## About the published numbers", "", for_markdown(report.source), ""]
    lines += [*(f"- {for_markdown(note)}" for note in report.general), ""]
    return "\n".join(lines)


def _numbers(table: Table) -> int:
    return len(table.columns) - table.text_columns


def _row(cells: Iterable[str]) -> str:
    """Cells of text, each in one line."""
    return _line(for_markdown(cell.replace("\n", " ")) for cell in cells)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def to_csv(results: Results) -> str:
    """One row a variant; undefined values are empty."""
    rows = []
    for variant, row in results.rows.items():
        cells = {
            "recipe": variant.recipe,
            "variant": variant.name,
            "untrained": variant.untrained,
            "label_fraction": variant.label_fraction,
            "seeds": " ".join(map(str, row.seeds)),
            "segments": row.segments,
            "videos": row.videos,
            "collapsed": row.collapsed,
        }
        for name in METRICS:
            figure = row.figures[name]
            ends = {"mean": figure.mean, "std": figure.std, "low": figure.low, "high": figure.high}
            cells.update({f"{name}_{end}": value for end, value in ends.items()})
        is_whole = variant == Variant(variant.recipe)
        paper = PUBLISHED.get(variant.recipe, {}) if is_whole else {}
        cells.update({f"paper_{name}": paper.get(name) for name in PUBLISHED_METRICS})
        for kind in KINDS:
            comparison = results.comparisons[kind].get(variant.recipe) if is_whole else None
            cells.update(_comparison_cells(kind, comparison))
        cells.update(_comparison_cells("plain", results.variants.get(variant)))
        rows.append(cells)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _comparison_cells(kind: str, comparison: Comparison | None) -> dict[str, object]:
    names = ("baseline", "segments", "mae_difference", "low", "high", "p", "p_holm")
    values: tuple = (None,) * len(names)
    if comparison is not None:
        d = comparison.difference
        values = comparison.baseline.recipe, comparison.segments, d.mean, d.low, d.high, d.p_value, comparison.adjusted
    return dict(zip((f"{kind}_{name}" for name in names), values, strict=True))
