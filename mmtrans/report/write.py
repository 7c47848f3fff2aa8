"""The report of a grid as files: a page, and beside it the same as Markdown, LaTeX and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmtrans.report.collect import collect
from mmtrans.report.compare import compute
from mmtrans.report.latex import to_latex
from mmtrans.report.render import make_report, to_csv, to_html, to_markdown
from mmtrans.system.files import check_new_file, write_atomically


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
        paths: the page, the Markdown, the LaTeX and the CSV file.
        summary: its sentences.
        finished: runs of the grid that are finished.
        expected: runs that the grid is to have.
        mae: title of a row → its mean absolute error, mean over seeds, in label units; `None` where there is none.
    """

    paths: tuple[Path, ...]
    summary: list[str]
    finished: int
    expected: int
    mae: dict[str, float | None]


def write_report(grid_dir: str | Path, out: str | Path | None = None) -> Written:
    """Reports a grid, finished or not.

    Args:
        grid_dir: the grid's directory.
        out: the page; by default `report.html` in the grid's directory.

    Raises:
        ValueError: the page's name does not end in `.html`; the grid is damaged.
        FileNotFoundError: there is no grid, or no directory for the page.
    """
    if out is not None:
        _check_out(Path(out))
    grid = collect(grid_dir)
    page = Path(out or grid.path / "report.html")
    paths = tuple(page.with_suffix(suffix) for suffix in (".html", ".md", ".tex", ".csv"))
    for path in paths:
        check_new_file(path, "--out")
    results = compute(grid)
    report = make_report(grid, results, page.parent)
    texts = to_html(report), to_markdown(report), to_latex(report.tables), to_csv(results)
    for path, text in zip(paths, texts, strict=True):
        write_atomically(path, text)
    mae = {variant.title: row.figures["mae"].mean for variant, row in results.rows.items()}
    return Written(paths, report.summary, grid.num_finished, grid.num_expected, mae)


def _check_out(out: Path) -> None:
    """Refuses a file that cannot be written, before anything is computed."""
    if out.suffix != ".html":
        raise ValueError(
            f"The report is a page. Expected a file that ends in .html. Received: --out={out}. "
            "The Markdown, LaTeX and CSV files get the same name with .md, .tex and .csv."
        )
    if not out.parent.is_dir():
        raise FileNotFoundError(
            f"No such directory. Expected one for the report. Received: --out={out}. Make {out.parent} first."
        )
