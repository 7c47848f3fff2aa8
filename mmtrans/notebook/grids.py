"""A grid and its report by a call each, named as the commands and their flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.grid.complete import Completed, complete_grid, plan_grid
from mmtrans.grid.recipes import read_recipes
from mmtrans.grid.variants import OWN, parse_variants, read_variants
from mmtrans.notebook.entries import open_run
from mmtrans.notebook.fitted import Fitted
from mmtrans.notebook.given import configuration, engine_of, records_of
from mmtrans.notebook.page import Page
from mmtrans.notebook.tables import table
from mmtrans.recipe import parse
from mmtrans.report.write import write_report
from mmtrans.system.quiet import quiet_logger


@dataclass(frozen=True)
class TrainedGrid:
    """A grid, as `api.grid` gives it.

    Attributes:
        done: what has become of it.
    """

    done: Completed

    @property
    def path(self) -> Path:
        """The grid's directory."""
        return self.done.grid.path

    @property
    def failures(self) -> dict[str, str]:
        """Run that failed → why, one line."""
        return {name: failure["reason"] for name, failure in self.done.failures.items()}

    @property
    def rows(self) -> Any:
        """A table with a row a recipe: `row`, which it is in words, number of `seeds`, of `collapsed`, and metrics."""
        rows = [
            {"row": variant.title, **result}
            for variant, result in zip(self.done.grid.rows(), self.done.rows, strict=True)
        ]
        return table(rows, ("row", "seeds", "collapsed"))

    def run(self, row: str, seed: int = 0) -> Fitted:
        """Opens a run.

        Args:
            row: which one, as the column `row` has it.
            seed: its seed.

        Raises:
            ValueError: there is no such row, or its run is not finished.
            FileNotFoundError: it was not begun.
        """
        rows = {variant.title: variant for variant in self.done.grid.rows()}
        if row not in rows:
            raise ValueError(f"No such row. Expected one of {list(rows)}. Received: row={row!r} ({self.path}).")
        return open_run(self.path / "runs" / rows[row].run_name(seed))

    def report(self, out: str | Path | None = None) -> Page:
        """Writes the grid's report, and shows it; see `api.report`."""
        return report(self.path, out)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"TrainedGrid({str(self.path)!r}, {len(self.done.rows)} rows{failed})"


@quiet_logger()
def grid(
    data: Records | str | Path,
    out: str | Path,
    *,
    recipes: str | Sequence[str] = "paper",
    seeds: int | Sequence[int] = 5,
    controls: bool = False,
    label_fractions: Sequence[float] = (),
    steps_of_all: bool = False,
    variants: str | Path | Mapping[str, Mapping[str, Any]] | None = None,
    preset: str | None = None,
    config: Config | str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    text_encoder: str | None = None,
    quiet: bool = False,
    **fields: Any,
) -> TrainedGrid:
    """Trains and evaluates recipes with several seeds each, as `mmtrans grid` does; the same call goes on.

    Args:
        data: the records, or their directory. The runs are evaluated on test where there is one.
        out: the grid's directory.
        recipes: recipes; or `paper`, `paper-extra`, or a file with one a line.
        seeds: the seeds, or their number.
        controls: also run each translation untrained, and beside the features that it reads.
        label_fractions: also run everything with these shares of the train labels.
        steps_of_all: train rows with fewer labels for as many steps as the same row with all of them took to its best
            valid loss, and keep the last weights.
        variants: name → fields in which a variant differs, or a YAML file of them.
        preset: a configuration that ships, in place of the default: `paper` or `best`. A file overrides it, fields
            override both.
        config: what the runs have in common, or a YAML file of it.
        jobs: trainings at a time, in processes. A script that asks for several does so under
            `if __name__ == "__main__":`.
        scheduler: address of a dask cluster in their place.
        resources: what each training takes of what the cluster's workers declare.
        text_encoder: where the encoder of the records' pieces of words is now.
        quiet: show no progress.
        fields: fields of the configuration, as of `api.fit`.

    Returns:
        the grid, also where runs of it failed.

    Raises:
        ValueError: something is out of range, or does not suit the records; the directory holds another grid.
        FileNotFoundError: no such file, or no records.

    Example:
        ```pycon
        >>> sizes = {"epochs": 1, "regressor_units": 4, "bidirectional": False}
        >>> grid = api.grid("records", "grid", recipes=["T"], seeds=1, quiet=True, **sizes)
        >>> len(grid.rows), str(grid.run("T").run.recipe)
        (1, 'T')
        ```
    """
    options = engine_of(jobs, scheduler, resources)
    records = records_of(data, text_encoder)
    common = replace(configuration(config, preset, fields), **OWN)
    if isinstance(variants, Mapping):
        varied = parse_variants(variants, common, "variants")
    else:
        varied = {} if variants is None else read_variants(variants, common)
    planned = plan_grid(
        Path(out),
        records,
        common,
        varied,
        recipes=read_recipes(recipes) if isinstance(recipes, str) else tuple(str(parse(text)) for text in recipes),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        controls=controls,
        label_fractions=tuple(share for share in label_fractions if share < 1),
        steps_of_all=steps_of_all,
    )
    return TrainedGrid(complete_grid(planned, records, options, quiet))


def report(grid_dir: str | Path, out: str | Path | None = None) -> Page:
    """Reports a grid, finished or not, as `mmtrans report` does: a page, and beside it Markdown and CSV.

    Args:
        grid_dir: the grid's directory.
        out: the page's file; by default `report.html` in the grid's directory.

    Raises:
        ValueError: the file's name does not end in `.html`; the grid is damaged.
        FileNotFoundError: there is no grid, or no directory for the page.

    Example:
        ```pycon
        >>> api.report("grid").path.name
        'report.html'
        ```
    """
    written = write_report(grid_dir, out)
    return Page(written.paths[0], tuple(written.summary))
