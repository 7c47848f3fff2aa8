"""A search by one call, named as `mmtrans tune` and its flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmtrans.config import FIELDS, Config
from mmtrans.conversion.refold import refold
from mmtrans.data.records import Records
from mmtrans.notebook.entries import fit
from mmtrans.notebook.fitted import Fitted
from mmtrans.notebook.given import configuration, engine_of, records_of
from mmtrans.notebook.tables import table
from mmtrans.search.complete import complete_search
from mmtrans.search.plan import Search
from mmtrans.search.results import Trial, best_first
from mmtrans.search.space import chosen_space
from mmtrans.system.quiet import quiet_logger


@dataclass(frozen=True)
class EndedSearch:
    """A search, as `api.tune` gives it.

    Attributes:
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
    preset: str | None = None,
    config: Config | str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    text_encoder: str | None = None,
    quiet: bool = False,
    **fields: Any,
) -> EndedSearch:
    """Searches hyper-parameters, as `mmtrans tune` does; the same call goes on. Test is not read.

    Args:
        data: the records, or their directory.
        out: the search's directory.
        tuner: how trials are proposed: `random`, `bayesian`, `hyperband` or `grid`.
        trials: most trials of all calls; by default 20, of a grid all, of hyperband one sweep.
        seeds_per_trial: trainings of a trial, from the configuration's seed on; their mean counts.
        metric: metric of valid that decides.
        folds_cv: judge by cross-validation over the videos of train and valid with so many folds.
        space: field → what is tried of it, or a YAML file of that; by default what `mmtrans tune --print-space` prints.
        preset: a configuration that ships, in place of the default: `paper` or `best`. A file overrides it, fields
            override both.
        config: what all trials have in common, or a YAML file of it.
        jobs: trainings at a time, in processes; see `api.grid`.
        scheduler: address of a dask cluster in their place.
        resources: what each training takes of what the cluster's workers declare.
        text_encoder: where the encoder of the records' pieces of words is now.
        quiet: show no progress.
        fields: fields of the configuration that are fixed, as of `api.fit`.

    Raises:
        ValueError: something is out of range, or does not suit the records; the directory holds another search.
        FileNotFoundError: no such file, or no records.

    Example:
        ```pycon
        >>> space = {"regressor_units": [4, 8]}
        >>> search = api.tune("records", "search", recipe="T", trials=1, space=space, epochs=1, quiet=True)
        >>> len(search.trials)
        1
        ```
    """
    options = engine_of(jobs, scheduler, resources)
    records = records_of(data, text_encoder, splits=("train", "valid"))
    own = {name: field.default for name, field in FIELDS.items() if field.search == "fixed"}
    common = replace(configuration(config, preset, fields), **own)
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
