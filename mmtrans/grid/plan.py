"""What a grid directory is to hold, and the trainings that lead there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mmtrans.config import Config
from mmtrans.files import write_atomically
from mmtrans.grid import VARIED
from mmtrans.recipe import Translation, parse, slug
from mmtrans.training.environment import versions
from mmtrans.training.run import Phase, Run, check_unchanged, phases_of


@dataclass(frozen=True)
class Grid:
    """A grid: every row with every seed.

    Args:
        path: its directory.
        records_path: the records.
        manifest_hash: hash of their manifest.
        recipes: the rows, canonical.
        seeds: of each row.
        controls: whether each translation is also run untrained, and beside the features that it reads.
        label_fractions: shares of the train labels, other than all of them, with which every row is also run.
        config: what the runs have in common; its `VARIED` fields say nothing.
        metric_split: the last split that a run is evaluated on: `test`, or `valid` where there is no test.
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

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that a run is evaluated on."""
        return tuple(dict.fromkeys(("valid", self.metric_split)))

    def rows(self) -> list[Config]:
        """The configurations of one seed: the rows, their controls, and then both with fewer labels."""
        recipes = [parse(recipe) for recipe in self.recipes]
        translations = [recipe for recipe in recipes if isinstance(recipe, Translation)] if self.controls else []
        features = [recipe.inputs for recipe in translations]
        whole = [replace(self.config, recipe=str(recipe)) for recipe in dict.fromkeys([*recipes, *features])]
        whole += [replace(self.config, recipe=str(recipe), untrained=True) for recipe in translations]
        return whole + [replace(row, label_fraction=share) for share in self.label_fractions for row in whole]

    def tasks(self) -> list[Task]:
        """The trainings of the grid, each once, parents before what builds on them."""
        tasks: dict[str, Task] = {}
        for seed in self.seeds:
            for row in self.rows():
                config = replace(row, seed=seed)
                for phase in phases_of(config, self.manifest_hash):
                    tasks.setdefault(phase.key, Task.of(phase, config))
        return list(tasks.values())

    def save(self) -> None:
        """Writes `grid.json`."""
        common = {name: value for name, value in self.config.to_dict().items() if name not in VARIED}
        description = {
            "records": str(self.records_path),
            "manifest_hash": self.manifest_hash,
            "recipes": self.recipes,
            "seeds": self.seeds,
            "controls": self.controls,
            "label_fractions": self.label_fractions,
            "config": common,
            "versions": versions(),
            "metric_split": self.metric_split,
        }
        write_atomically(self.path / "grid.json", json.dumps(description, indent=2))

    def merged(self) -> Grid:
        """This grid, and what its directory was already to hold.

        Raises:
            ValueError: that was of another configuration or of other records.
        """
        file = self.path / "grid.json"
        if not file.is_file():
            return self
        old = json.loads(file.read_text(encoding="utf-8"))
        before = Run(self.path, Config(**old["config"]), Path(old["records"]), old["manifest_hash"])
        check_unchanged(before, self.config, self.manifest_hash)
        return replace(
            self,
            recipes=_union(old["recipes"], self.recipes),
            seeds=_union(old["seeds"], self.seeds),
            controls=self.controls or old["controls"],
            label_fractions=_union(old["label_fractions"], self.label_fractions),
        )


def _union(*lists: Iterable) -> tuple:
    return tuple(dict.fromkeys(item for items in lists for item in items))


@dataclass(frozen=True)
class Task:
    """The training of one phase; a regressor's also completes its run and evaluates it.

    Args:
        name: of its working directory and its log; for a regressor, of its run.
        config: of the run that the phase is trained in.
        phase: what is trained.
    """

    name: str
    config: Config
    phase: Phase

    @classmethod
    def of(cls, phase: Phase, config: Config) -> Task:
        """The training of a phase of a run of this configuration."""
        if phase.kind == "translation":
            config = replace(config, recipe=str(phase.recipe), label_fraction=1.0)
            return cls(f"translation-{run_name(config)}", config, phase)
        return cls(run_name(config), config, phase)

    @property
    def completes_run(self) -> bool:
        """Whether a run is complete with it."""
        return self.phase.kind == "sentiment"

    @property
    def title(self) -> str:
        """Name for people."""
        kind = "" if self.completes_run else "translation "
        return f"{kind}{variant_title(dataclasses.asdict(self.config))}, seed {self.config.seed}"


def run_name(config: Config) -> str:
    """Name of a run's directory."""
    untrained = "-untrained" if config.untrained else ""
    labels = f"-labels-{config.label_fraction}" if config.label_fraction < 1 else ""
    return f"{slug(parse(config.recipe))}{untrained}{labels}-seed-{config.seed}"


def variant_title(fields: dict) -> str:
    """What a row is called, given `recipe`, `untrained` and `label_fraction`."""
    untrained = ", untrained" if fields["untrained"] else ""
    labels = f", {fields['label_fraction']:.4g} of the labels" if fields["label_fraction"] < 1 else ""
    return f"{fields['recipe']}{untrained}{labels}"
