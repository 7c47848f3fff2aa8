"""Many trainings by one call: a grid, a search, and a grid's report; named as the commands and their flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmtrans.config import FIELDS, Config
from mmtrans.conversion.refold import refold
from mmtrans.data.records import Records
from mmtrans.engine.options import EngineOptions
from mmtrans.grid.complete import Completed, complete_grid, plan_grid
from mmtrans.grid.recipes import read_recipes
from mmtrans.grid.variants import OWN, parse_variants, read_variants
from mmtrans.notebook.entries import configuration, fit, open_run
from mmtrans.notebook.fitted import Fitted
from mmtrans.notebook.page import Page
from mmtrans.notebook.tables import table
from mmtrans.recipe import parse
from mmtrans.report.write import write_report
from mmtrans.search.complete import complete_search
from mmtrans.search.plan import Search
from mmtrans.search.results import Trial, best_first
from mmtrans.search.space import chosen_space
from mmtrans.system.quiet import quiet_logger
from mmtrans.training.train import make_deterministic


@dataclass(frozen=True)
class TrainedGrid:
    """A grid, as `api.grid` gives it.

    Args:
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


@dataclass(frozen=True)
class EndedSearch:
    """A search, as `api.tune` gives it.

    Args:
        search: the search.
        ended: the trials that have ended.
    """

    search: Search
    ended: Sequence[Trial]

    @property
    def path(self) -> Path:
        """The search's directory."""
        return self.search.path

    @property
    def best(self) -> dict[str, Any] | None:
        """The winner: `trial`, `value` of the metric, and the `parameters` that it chose; `None` if all failed."""
        ranked = best_first(self.search, list(self.ended))
        return (
            {"trial": ranked[0].name, "value": ranked[0].value, "parameters": ranked[0].parameters} if ranked else None
        )

    @property
    def trials(self) -> Any:
        """A table with a row a trial: `trial`, the metric, what the trial chose, `epochs` at most, `seconds`, `reason`
        of a failure."""
        name = self.search.objective
        rows = [
            {
                "trial": trial.name,
                name: trial.value,
                **trial.parameters,
                "epochs": trial.max_epochs,
                "seconds": trial.seconds,
                "reason": trial.reason,
            }
            for trial in self.ended
        ]
        return table(rows, ("trial", name))

    def fit(self, **fields: Any) -> Fitted:
        """Trains the winner's configuration on the search's records; fields as of `api.fit` change it.

        Raises:
            FileNotFoundError: all trials failed, so there is none.
        """
        return fit(self.search.records_path, config=self.path / "best.yaml", **fields)

    def __repr__(self) -> str:
        best = self.best
        figure = "all failed" if best is None else f"best {self.search.objective} {best['value']:.4f}"
        return f"EndedSearch({str(self.path)!r}, {len(self.ended)} trials, {figure})"


@quiet_logger()
def grid(
    data: Records | str | Path,
    out: str | Path,
    *,
    recipes: str | Sequence[str] = "paper",
    seeds: int | Sequence[int] = 5,
    controls: bool = False,
    label_fractions: Sequence[float] = (),
    variants: str | Path | Mapping[str, Mapping[str, Any]] | None = None,
    config: Config | str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    text_encoder: str | None = None,
    quiet: bool = False,
    **fields: Any,
) -> TrainedGrid:
    """Trains and evaluates recipes with several seeds each, as `mmtrans grid` does; the same call goes on.

    Example:

    ```python
    grid = api.grid("records", "grid", recipes=["T", "T->A"], seeds=3, epochs=20)
    grid.rows, grid.run("T->A").plot.scatter("valid"), grid.report()
    ```

    Args:
        data: the records, or their directory. The runs are evaluated on test where there is one.
        out: the grid's directory.
        recipes: recipes; or `paper`, `paper-extra`, or a file with one a line.
        seeds: the seeds, or their number.
        controls: also run each translation untrained, and beside the features that it reads.
        label_fractions: also run everything with these shares of the train labels.
        variants: name → fields in which a variant differs, or a YAML file of them.
        config: what the runs have in common, or a YAML file of it, in place of the default.
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
    """
    options = _engine(jobs, scheduler, resources)
    records = _opened(data, text_encoder)
    common = replace(configuration(config, fields), **OWN)
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
    )
    return TrainedGrid(complete_grid(planned, records, options, quiet))


@quiet_logger()
def tune(
    data: Records | str | Path,
    out: str | Path,
    *,
    tuner: str = "bayesian",
    trials: int | None = None,
    seeds_per_trial: int = 1,
    metric: str = "mae",
    folds_cv: int = 0,
    space: str | Path | Mapping[str, Any] | None = None,
    config: Config | str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    text_encoder: str | None = None,
    quiet: bool = False,
    **fields: Any,
) -> EndedSearch:
    """Searches hyper-parameters, as `mmtrans tune` does; the same call goes on. Test is not read.

    Example:

    ```python
    search = api.tune("records", "search", recipe="T", trials=10, space={"regressor_units": [16, 64]})
    search.best, search.trials, search.fit()
    ```

    Args:
        data: the records, or their directory.
        out: the search's directory.
        tuner: how trials are proposed: `random`, `bayesian`, `hyperband` or `grid`.
        trials: most trials of all calls; by default 20, of a grid all, of hyperband one sweep.
        seeds_per_trial: trainings of a trial, from the configuration's seed on; their mean counts.
        metric: metric of valid that decides.
        folds_cv: judge by cross-validation over the videos of train and valid with so many folds.
        space: field → what is tried of it, or a YAML file of that; by default what `mmtrans tune --print-space` prints.
        config: what all trials have in common, or a YAML file of it, in place of the default.
        jobs: trainings at a time, in processes; see `api.grid`.
        scheduler: address of a dask cluster in their place.
        resources: what each training takes of what the cluster's workers declare.
        text_encoder: where the encoder of the records' pieces of words is now.
        quiet: show no progress.
        fields: fields of the configuration that are fixed, as of `api.fit`.

    Raises:
        ValueError: something is out of range, or does not suit the records; the directory holds another search.
        FileNotFoundError: no such file, or no records.
    """
    options = _engine(jobs, scheduler, resources)
    records = _opened(data, text_encoder, splits=("train", "valid"))
    own = {name: field.default for name, field in FIELDS.items() if field.search == "fixed"}
    common = replace(configuration(config, fields), **own)
    search = Search(
        path=Path(out),
        records_path=records.directory.resolve(),
        manifest_hash=records.manifest.manifest_hash,
        config=common,
        specs=chosen_space(space, common, fields.keys()),
        tuner=tuner,
        objective=metric,
        seeds_per_trial=seeds_per_trial,
        num_folds=folds_cv,
        text_encoder=records.text_encoder,
    )
    return EndedSearch(search, complete_search(search, records, trials, options, refold, quiet=quiet))


def report(grid_dir: str | Path, out: str | Path | None = None) -> Page:
    """Reports a grid, finished or not, as `mmtrans report` does: a page, and beside it Markdown and CSV.

    Example:

    ```python
    api.report("grid")
    ```

    Args:
        grid_dir: the grid's directory.
        out: the page's file; by default `report.html` in the grid's directory.

    Raises:
        ValueError: the file's name does not end in `.html`; the grid is damaged.
        FileNotFoundError: there is no grid, or no directory for the page.
    """
    written = write_report(grid_dir, out)
    return Page(written.paths[0], tuple(written.summary))


def _engine(jobs: int | None, scheduler: str | None, resources: Mapping[str, float] | None) -> EngineOptions:
    options = EngineOptions.chosen(jobs, scheduler, resources)
    if options.is_here:
        make_deterministic()
    return options


def _opened(data: Records | str | Path, text_encoder: str | None, **splits: Any) -> Records:
    directory = data.directory if isinstance(data, Records) else data
    return replace(Records.open(directory, **splits), text_encoder=text_encoder or "")
