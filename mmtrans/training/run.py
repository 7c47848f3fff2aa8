"""A run directory: what it holds, how it is made, and how its trained models are rebuilt."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import mmtrans
from mmtrans.config import GROWING, Config, digest, dump_yaml, load_yaml
from mmtrans.data.codebook import Codebook
from mmtrans.data.records import Records
from mmtrans.files import write_atomically
from mmtrans.models.regressor import build_regressor
from mmtrans.models.statistics import Statistics
from mmtrans.models.translator import Translator, build_translator
from mmtrans.recipe import Recipe, modalities_of, parse, slug
from mmtrans.training.checkpoints import load_weights
from tfrecords.manifest import Manifest


@dataclass(frozen=True)
class Phase:
    """One training of a recipe: a translation, the regressor, or both at once.

    Args:
        index: position in the run, from 1.
        kind: `translation`, `sentiment` or `joint`.
        recipe: the translation, or the recipe whose representation the regressor reads.
        key: what decides the outcome: manifest, recipe, the configuration fields that it reads, seed, parent.
            Phases with equal keys give equal weights.
        parent: the phase whose representation this one builds on.
    """

    index: int
    kind: str
    recipe: Recipe
    key: str
    parent: Phase | None

    @property
    def name(self) -> str:
        """Name of the phase's directory."""
        return f"{self.index}-{self.kind}-{slug(self.recipe)}"

    @property
    def translates(self) -> bool:
        """Whether a translation is trained here."""
        return self.kind != "sentiment"

    @property
    def scores(self) -> bool:
        """Whether a regressor is trained here."""
        return self.kind != "translation"

    @property
    def title(self) -> str:
        """Name of the phase for people."""
        return f"{self.kind} {self.recipe}"


def phases_of(config: Config, manifest_hash: str) -> list[Phase]:
    """The phases of a configuration in the order of training: translations from the innermost, then the regressor.

    With a joint objective the last translation and the regressor are one phase.
    """
    recipe = parse(config.recipe)
    stages = [("translation", translation) for translation in recipe.translations] + [("sentiment", recipe)]
    if config.objective == "joint" and recipe.translations:
        stages[-2:] = [("joint", recipe)]
    phases: list[Phase] = []
    for index, (kind, stage) in enumerate(stages, 1):
        parent = phases[-1] if phases else None
        parts = [manifest_hash, kind, str(stage), config.read_by(kind), config.seed, parent.key if parent else None]
        phases.append(Phase(index, kind, stage, digest(parts), parent))
    return phases


@dataclass(frozen=True)
class Run:
    """A run directory: `config.yaml`, `environment.json`, `statistics.npz`, `phases/`, `logs/`, results.

    Args:
        path: the directory.
        config: the configuration.
        records_path: where the records were when the run was made.
        manifest_hash: hash of those records' manifest.
    """

    path: Path
    config: Config
    records_path: Path
    manifest_hash: str

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Opens an existing run.

        Raises:
            FileNotFoundError: the directory holds no run.
        """
        path = Path(path)
        if not (path / "config.yaml").is_file() or not (path / "environment.json").is_file():
            raise FileNotFoundError(
                f"No run there. Expected a directory made by `mmtrans train`, with config.yaml and environment.json. "
                f"Received: run={path}."
            )
        environment = json.loads((path / "environment.json").read_text(encoding="utf-8"))
        config = Config(**load_yaml(path / "config.yaml"))
        return cls(path, config, Path(environment["records"]), environment["manifest_hash"])

    @classmethod
    def open_or_create(cls, path: str | Path, config: Config, records: Records) -> Run:
        """Opens the run for resuming, or makes a new one.

        Raises:
            ValueError: the directory holds a run of another configuration or of other records, or foreign files.
        """
        path, manifest_hash = Path(path), records.manifest.manifest_hash
        if (path / "config.yaml").is_file() and (path / "environment.json").is_file():
            run = cls.open(path)
            check_unchanged(run, config, manifest_hash)
            write_atomically(path / "config.yaml", dump_yaml(config.to_dict()))
            return dataclasses.replace(run, config=config)
        if path.exists() and not (path.is_dir() and _is_unstarted(path)):
            raise ValueError(
                f"No run there, and not empty. Expected a new directory. Received: run={path}. Choose another --run."
            )
        run = cls(path, config, records.directory.resolve(), manifest_hash)
        statistics = run._statistics_of(records)
        path.mkdir(parents=True, exist_ok=True)
        statistics.save(path / "statistics.npz")
        write_atomically(path / "config.yaml", dump_yaml(config.to_dict()))
        # Last, as it is what makes the directory a run.
        description = {**describe_environment(run), "data": describe_data(records.manifest)}
        write_atomically(path / "environment.json", json.dumps(description, indent=2))
        return run

    def _statistics_of(self, records: Records) -> Statistics:
        names = sorted({name for phase in self.phases for name in modalities_of(phase.recipe)})
        pairs = {name: records.statistics(name) for name in names}
        means, stds = ({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))
        return Statistics(means, stds)

    @cached_property
    def statistics(self) -> Statistics:
        """The train statistics that the run was made with."""
        return Statistics.load(self.path / "statistics.npz")

    @cached_property
    def environment(self) -> dict:
        """The content of `environment.json`."""
        return json.loads((self.path / "environment.json").read_text(encoding="utf-8"))

    @cached_property
    def data(self) -> dict:
        """What new data must be like, as `describe_data` gives it."""
        return self.environment["data"]

    @cached_property
    def recipe(self) -> Recipe:
        """The parsed recipe."""
        return parse(self.config.recipe)

    @property
    def phases(self) -> list[Phase]:
        """The phases in the order of training."""
        return phases_of(self.config, self.manifest_hash)

    def phase_dir(self, phase: Phase) -> Path:
        """Directory of a phase."""
        return self.path / "phases" / phase.name

    def weights_path(self, phase: Phase) -> Path:
        """File of a phase's best weights."""
        return self.phase_dir(phase) / "best" / "weights.npz"

    @property
    def last_translation(self) -> Phase | None:
        """The phase of the translation that the regressor reads, or `None` for a baseline."""
        return next((phase for phase in reversed(self.phases) if phase.translates), None)

    def load_translator(self) -> Translator | None:
        """The trained translation that the regressor reads, or `None` for a baseline."""
        phase = self.last_translation
        if phase is None:
            return None
        codebook = self.load_codebook(phase)
        vocabulary_size = codebook.size if codebook else None
        translator = build_translator(phase.recipe, self.config, self.statistics, vocabulary_size)
        is_part = phase.scores or self.config.cycle_weight
        load_weights(self.weights_path(phase), "translator" if is_part else "model", translator.model)
        return translator

    def codebook_path(self, phase: Phase) -> Path:
        """File of a phase's codebook, where its target is tokens."""
        return self.phase_dir(phase) / "codebook.npz"

    def load_codebook(self, phase: Phase) -> Codebook | None:
        """The codebook of a translation phase, or `None` where its target is features."""
        return Codebook.load(self.codebook_path(phase)) if self.config.target == "tokens" else None

    def load_regressor(self) -> keras.Model:
        """The trained regressor."""
        regressor = build_regressor(self.recipe, self.config, self.statistics)
        phase = self.phases[-1]
        load_weights(self.weights_path(phase), "regressor" if phase.translates else "model", regressor)
        return regressor


def _is_unstarted(path: Path) -> bool:
    """Whether a directory is empty, or holds only what making a run leaves when it is interrupted."""
    left = ("config.yaml", "statistics.npz", ".config.yaml.partial", ".environment.json.partial")
    return all(entry.name in left for entry in path.iterdir())


def check_unchanged(run: Run, config: Config, manifest_hash: str) -> None:
    """Raises a ValueError where a configuration or records differ from those that a directory was made with."""
    before, after = run.config.to_dict(), config.to_dict()
    changed = sorted(name for name in before if before[name] != after[name] and name not in GROWING)
    if changed:
        listed = ", ".join(f"{name}: {before[name]!r} → {after[name]!r}" for name in changed)
        raise ValueError(
            f"The directory was made with another configuration. Expected the same fields (--epochs may grow). "
            f"Received: {listed} ({run.path}). Choose another directory, or repeat the old flags."
        )
    if config.epochs < run.config.epochs:
        raise ValueError(
            f"--epochs may only grow. Expected at least {run.config.epochs}. "
            f"Received: epochs={config.epochs} ({run.path})."
        )
    if manifest_hash != run.manifest_hash:
        raise ValueError(
            f"The directory was made with other records. Expected manifest {run.manifest_hash[:12]}. "
            f"Received: {manifest_hash[:12]} ({run.path}). Choose another directory."
        )


def describe_data(manifest: Manifest) -> dict:
    """What must be known of a run's records without having them: `label`, `max_steps`, and each modality's columns."""
    return {
        "label": dataclasses.asdict(manifest.label),
        "max_steps": dict(manifest.max_steps),
        "modalities": {
            name: {"dim": info.dim, "aligned": info.aligned, "feature_names": info.feature_names}
            for name, info in manifest.modalities.items()
        },
    }


def describe_environment(run: Run) -> dict:
    """What a run depends on besides its configuration: records, versions, code."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(Path(mmtrans.__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        commit = answer.stdout.strip() or None
    except FileNotFoundError:
        commit = None
    return {
        "records": str(run.records_path),
        "manifest_hash": run.manifest_hash,
        "seed": run.config.seed,
        "git_commit": commit,
        **versions(),
        "devices": [device.name for device in tf.config.list_logical_devices()],
    }


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    return {
        "mmtrans": mmtrans.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
