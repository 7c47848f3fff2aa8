"""What a grid directory is to hold, and the trainings that lead there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmtrans.config import FIELDS, Config
from mmtrans.grid.description import read_description
from mmtrans.grid.variants import Variant, config_of, fitted, rows_of
from mmtrans.runs.chosen import best_step
from mmtrans.runs.environment import versions
from mmtrans.runs.phase_file import read_phase_file
from mmtrans.runs.phases import Phase, phases_of
from mmtrans.runs.place import check_unchanged
from mmtrans.system.files import write_atomically


@dataclass(frozen=True)
class Grid:
    """A grid: every row with every seed.

    Attributes:
        path: directory of the grid.
        records_path: the records.
        manifest_hash: hash of their manifest.
        recipes: the rows, canonical.
        seeds: seeds of each row.
        controls: whether each translation is also run untrained, and beside the features that it reads.
        label_fractions: shares of the train labels, other than all of them, with which every row is also run.
        config: what the runs have in common; its fields that vary from run to run say nothing.
        metric_split: the last split that a run is evaluated on: `test`, or `valid` where there is no test.
        variants: name → fields in which the runs of a variant differ from `config`; each recipe is also run so.
        inits: directory of a run to start from → hash of its translations, of which the grid has a copy.
        unaligned: modalities of the records whose steps are not the words'.
        text_encoder: where the encoder of the records' pieces of words is now; empty for where it was in conversion.
        steps_of_all: whether rows with fewer labels are trained for as many steps as with all labels, see `waits`.
    """

    path: Path
    records_path: Path
    manifest_hash: str
    recipes: tuple[str, ...]
    seeds: tuple[int, ...]
    controls: bool
    label_fractions: tuple[float, ...]
    config: Config
    metric_split: str
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inits: Mapping[str, str] = field(default_factory=dict)
    unaligned: frozenset[str] = frozenset()
    text_encoder: str = ""
    steps_of_all: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that a run is evaluated on."""
        return tuple(dict.fromkeys(("valid", self.metric_split)))

    def rows(self) -> tuple[Variant, ...]:
        """The runs of one seed: recipes, their variants, controls, and then all with fewer labels."""
        return rows_of(self.recipes, self.controls, self.label_fractions, self.variants, self.config)

    def config_of(self, row: Variant, seed: int = 0) -> Config:
        """The configuration of a run.

        Where its number of steps is that of a run which is not there yet, it is 1, and the run `waits`.
        """
        config = replace(config_of(row, self.variants, self.config), seed=seed)
        if not self._takes_steps(row):
            return config
        return replace(config, fixed_steps=self._steps_with_all(row, seed) or 1)

    def waits(self, row: Variant, seed: int) -> bool:
        """Whether a run takes its number of steps from the same run with all labels, which is not trained yet."""
        return self._takes_steps(row) and not self._steps_with_all(row, seed)

    def _takes_steps(self, row: Variant) -> bool:
        return self.steps_of_all and row.label_fraction < 1

    def _steps_with_all(self, row: Variant, seed: int) -> int | None:
        """The steps that the same run took with all labels to its best valid loss, or `None` before its end."""
        # What it rests on imports TensorFlow, which a worker does when it has set it up.
        from mmtrans.grid.store import Store

        config = self.config_of(row.with_all_labels, seed)
        phase, store = self._phases(config)[-1], Store(self.path / "phases")
        if not store.holds(phase, config.optimisation.epochs):
            return None
        directory = store.directory(phase)
        status = read_phase_file(directory)
        return None if status is None or status.outcome is None else best_step(status.outcome, directory)

    def _phases(self, config: Config) -> list[Phase]:
        init_hash = self.inits.get(config.plan.init)
        return phases_of(config, self.manifest_hash, init_hash, unaligned=self.unaligned)

    def tasks(self) -> list[Task]:
        """The trainings of the grid, each once, parents before what builds on them."""
        tasks: dict[str, Task] = {}
        for seed in self.seeds:
            for row in self.rows():
                config = self.config_of(row, seed)
                for phase in self._phases(config):
                    tasks.setdefault(phase.key, Task.of(phase, row, config))
        return list(tasks.values())

    def followers(self, task: Task) -> list[Task]:
        """The trainings with fewer labels that take their number of steps from a training, once that is done."""
        if not task.completes_run:
            return []
        seed = task.config.plan.seed
        rows = [row for row in self.rows() if self._takes_steps(row) and row.with_all_labels == task.row]
        configs = {row: self.config_of(row, seed) for row in rows}
        return [Task.of(self._phases(config)[-1], row, config) for row, config in configs.items()]

    def save(self) -> None:
        """Writes `grid.json`."""
        common = {name: value for name, value in self.config.to_dict().items() if FIELDS[name].grid != "varied"}
        description = {
            "records": str(self.records_path),
            "manifest_hash": self.manifest_hash,
            "recipes": self.recipes,
            "seeds": self.seeds,
            "controls": self.controls,
            "label_fractions": self.label_fractions,
            "steps_of_all": self.steps_of_all,
            "variants": self.variants,
            "inits": self.inits,
            "config": common,
            "versions": versions(),
            "metric_split": self.metric_split,
        }
        write_atomically(self.path / "grid.json", json.dumps(description, indent=2))

    def merged(self) -> Grid:
        """This grid, and what its directory was already to hold.

        Raises:
            ValueError: the directory is of another configuration or of other records, or has a variant of other fields.
        """
        old = read_description(self.path)
        if old is None:
            return self
        if self.steps_of_all and old["label_fractions"] and not old.get("steps_of_all"):
            raise ValueError(
                f"Rows with fewer labels are there that valid has stopped. Expected steps_of_all=False as there. "
                f"Received: steps_of_all=True ({self.path}). Give another directory, or leave it out."
            )
        made_for = Config(**old["config"]), old["manifest_hash"]
        check_unchanged(self.path, made_for, (self.config, self.manifest_hash))
        variants = old.get("variants", {})
        changed = sorted(name for name in variants if self.variants.get(name, variants[name]) != variants[name])
        if changed:
            raise ValueError(
                f"Variants of these names are there with other fields. "
                f"Expected {', '.join(f'{name}: {variants[name]}' for name in changed)}. "
                f"Received: {', '.join(f'{name}: {self.variants[name]}' for name in changed)} ({self.path}). "
                f"Give the new ones other names."
            )
        return replace(
            self,
            recipes=_union(old["recipes"], self.recipes),
            seeds=_union(old["seeds"], self.seeds),
            controls=self.controls or old["controls"],
            label_fractions=_union(old["label_fractions"], self.label_fractions),
            steps_of_all=self.steps_of_all or old.get("steps_of_all", False),
            variants={**variants, **self.variants},
            inits={**old.get("inits", {}), **self.inits},
        )


def _union(*lists: Iterable) -> tuple:
    return tuple(dict.fromkeys(item for items in lists for item in items))


@dataclass(frozen=True)
class Task:
    """The training of one phase; a regressor's also completes its run and evaluates it.

    Attributes:
        row: the row that the phase is trained for; one of several that share it.
        config: configuration of the run that the phase is trained in.
        phase: the phase to train.
    """

    row: Variant
    config: Config
    phase: Phase

    @classmethod
    def of(cls, phase: Phase, row: Variant, config: Config) -> Task:
        """The training of a phase of a run of this configuration."""
        if phase.kind == "translation":
            row = replace(row, recipe=str(phase.recipe), label_fraction=1.0)
            config = replace(config, recipe=row.recipe, label_fraction=1.0, objective="sequential")
        return cls(row, config, phase)

    @property
    def name(self) -> str:
        """Of its working directory and its log; for a regressor, of its run."""
        return fitted(f"{'' if self.completes_run else 'translation-'}{self.row.run_name(self.config.plan.seed)}")

    @property
    def completes_run(self) -> bool:
        """Whether a run is complete with it."""
        return self.phase.scores

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{'' if self.completes_run else 'translation '}{self.row.title}, seed {self.config.plan.seed}"
