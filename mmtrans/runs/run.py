"""A run directory: what it holds, how it is made, and how its trained models are rebuilt."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmtrans.config import RUN_FORMAT, Config, digest
from mmtrans.config.files import dump_yaml
from mmtrans.data.codebook import Codebook
from mmtrans.data.records import Records
from mmtrans.models.build import build_translator
from mmtrans.models.regressor import Regressor, own_representation
from mmtrans.models.statistics import Statistics
from mmtrans.models.translator import Translator
from mmtrans.recipe import Recipe, modalities_of, parse
from mmtrans.runs.environment import (
    REMEDY,
    Data,
    Environment,
    describe_data,
    describe_environment,
    pieces_of,
    read_config,
)
from mmtrans.runs.phase_file import PHASE_REMEDY
from mmtrans.runs.phases import Phase, TranslationPhase, phases_of
from mmtrans.runs.place import INIT, check_place, check_unchanged
from mmtrans.runs.reading import count_labels
from mmtrans.runs.seen import SEEN, ids_in_records, ids_to_see, read_seen, save_seen
from mmtrans.runs.statistics import statistics_of
from mmtrans.runs.weights import load_weights
from mmtrans.system.escape import for_shell
from mmtrans.system.files import new_file, replaced_directory, write_atomically
from tfrecords.manifest import file_sha256
from tfrecords.stored import damage, read_json


@dataclass(frozen=True)
class Run:
    """A run directory: `config.yaml`, `environment.json`, `segments.json`, `statistics.npz`, `phases/`, `logs/`,
    results; in `init/` the translations that it started from, if any, as a run of their own.

    Attributes:
        path: the directory.
        config: the configuration.
        records_path: path of the records when the run was made.
        manifest_hash: hash of those records' manifest.
        init_hash: hash of the weights in `init/`, or `None`.
        run_format: what the run learns, see `RUN_FORMAT`: that of the day when it was made.
        unaligned: modalities of the records whose steps are not the words'.

    Example:
        ```pycon
        >>> run = api.Run.open("run")
        >>> str(run.recipe), [phase.name for phase in run.phases]
        ('T', ['1-sentiment-T'])
        ```
    """

    path: Path
    config: Config
    records_path: Path
    manifest_hash: str
    init_hash: str | None = None
    run_format: int = RUN_FORMAT
    unaligned: frozenset[str] = frozenset()

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Opens an existing run.

        Raises:
            FileNotFoundError: the directory holds no run.
            ValueError: a file of it is damaged, or it was made by a later version.
        """
        path = Path(path)
        if not (path / "config.yaml").is_file() or not (path / "environment.json").is_file():
            raise FileNotFoundError(
                f"No run there. Expected a directory made by `mmtrans train`, with config.yaml and environment.json. "
                f"Received: run={path}."
            )
        environment = read_json(path / "environment.json", Environment, REMEDY)
        run_format = environment.get("run_format", 1)
        if run_format > RUN_FORMAT:
            raise ValueError(
                f"The run was made by a later version. Expected run_format up to {RUN_FORMAT}. "
                f"Received: run_format={run_format} ({path}). Install the version that made it."
            )
        config = read_config(path, environment)
        modalities = environment["data"]["modalities"]
        return cls(
            path,
            config,
            records_path=Path(environment["records"]),
            manifest_hash=environment["manifest_hash"],
            init_hash=environment.get("init_hash"),
            run_format=run_format,
            unaligned=frozenset(name for name, info in modalities.items() if not info["aligned"]),
        )

    @classmethod
    def open_or_create(cls, path: str | Path, config: Config, records: Records, init: Run | None = None) -> Run:
        """Opens the run for resuming, or makes a new one.

        Args:
            path: directory of the run.
            config: configuration of the run.
            records: the records that the run is to be trained on.
            init: the run whose weights a new one starts from; `None` for the one that `config.plan.init` names.

        Raises:
            FileNotFoundError: there is no run at `config.plan.init`, and it is needed.
            ValueError: the directory holds a run of another configuration or of other records, or foreign files.
        """
        path = Path(path)
        manifest_hash = records.manifest.manifest_hash
        if (path / "config.yaml").is_file() and (path / "environment.json").is_file():
            run = cls.open(path)
            check_unchanged(path, (run.config, run.manifest_hash), (config, manifest_hash))
            config = dataclasses.replace(config, init=run.config.plan.init)
            write_atomically(path / "config.yaml", dump_yaml(config.to_sections()))
            return dataclasses.replace(run, config=config)
        check_place(path)
        init = init or (cls.open(config.plan.init) if config.plan.init else None)
        init_hash = init.translations_hash if init else None
        unaligned = records.unaligned
        run = cls(path, config, records.directory.resolve(), manifest_hash, init_hash, unaligned=unaligned)
        statistics = statistics_of(run.phases, records)
        seen = ids_to_see(records, init.seen if init else frozenset())
        path.mkdir(parents=True, exist_ok=True)
        if init:
            init.copy_translations(path / INIT)
        with new_file(path / "statistics.npz") as partial:
            statistics.save(partial)
        save_seen(path, seen)
        write_atomically(path / "config.yaml", dump_yaml(config.to_sections()))
        # Last, as it is what makes the directory a run.
        description = {
            "records": str(run.records_path),
            "manifest_hash": run.manifest_hash,
            "init_hash": run.init_hash,
            "run_format": run.run_format,
            "text_encoder": dataclasses.asdict(statistics.pieces) if statistics.pieces else None,
            "labels": count_labels(config, records, run.phases),
            **describe_environment(config),
            "data": describe_data(records.manifest),
        }
        write_atomically(path / "environment.json", json.dumps(description, indent=2))
        return run

    @cached_property
    def statistics(self) -> Statistics:
        """The train statistics that the run was made with."""
        names = {name for phase in self.phases for name in modalities_of(phase.recipe)}
        statistics = Statistics.load(self.path / "statistics.npz", names, REMEDY)
        return dataclasses.replace(statistics, pieces=pieces_of(self.environment), unaligned=self.unaligned)

    @cached_property
    def init(self) -> Run | None:
        """The trained translations that the run started from, or `None`."""
        return Run.open(self.path / INIT) if self.init_hash else None

    @cached_property
    def seen(self) -> frozenset[str] | None:
        """Ids of the segments that made or chose the run's weights, with those of the run that it started from.

        A run that does not say is asked through its records, if they are still there as they were; `None` where nobody
        knows.
        """
        if (self.path / SEEN).is_file():
            return read_seen(self.path)
        own = ids_in_records(self.records_path, self.manifest_hash)
        inherited = self._inherited()
        return None if own is None or inherited is None else own | inherited

    def _inherited(self) -> frozenset[str] | None:
        try:
            return self.init.seen if self.init else frozenset()
        except FileNotFoundError:  # within another run there is no copy of it
            return None

    @cached_property
    def environment(self) -> Environment:
        """The content of `environment.json`."""
        return read_json(self.path / "environment.json", Environment, REMEDY)

    @cached_property
    def data(self) -> Data:
        """What new data must be like."""
        data = self.environment["data"]
        missing = sorted(set(self.recipe.inputs.modalities) - set(data["modalities"]))
        if missing:
            received = f"data.modalities without {missing}"
            raise damage(self.path / "environment.json", "each modality that the recipe reads", received, REMEDY)
        return data

    @cached_property
    def recipe(self) -> Recipe:
        """The parsed recipe."""
        return parse(self.config.plan.recipe)

    @property
    def reads_apart(self) -> bool:
        """Whether each modality of the source is read at its own steps."""
        return self.recipe.inputs.reads_apart(self.unaligned)

    @property
    def phases(self) -> list[Phase]:
        """The phases in the order of training."""
        return phases_of(self.config, self.manifest_hash, self.init_hash, self.run_format, self.unaligned)

    @property
    def translations(self) -> list[TranslationPhase]:
        """The phases that train a translation, the last of which the regressor reads."""
        return [phase for phase in self.phases if isinstance(phase, TranslationPhase)]

    @property
    def has_translation(self) -> bool:
        """Whether the run translates: its recipe is no baseline."""
        return bool(self.translations)

    @property
    def last_translation(self) -> TranslationPhase:
        """The phase that trains the recipe's own translation, whose encoder the regressor reads.

        Raises:
            ValueError: a baseline.
        """
        if not self.has_translation:
            raise ValueError(
                f"The run translates nothing. Expected a recipe like T->A. "
                f"Received: recipe={self.config.plan.recipe} ({self.path}). Train a translation."
            )
        return self.translations[-1]

    @cached_property
    def translations_hash(self) -> str:
        """Hash of the trained translations: their recipes and their best weights."""
        return digest([[str(p.recipe), file_sha256(self.weights_path(p))] for p in self.translations])

    def copy_translations(self, target: Path) -> None:
        """Writes what another run needs of this one's trained translations: a run directory with nothing else in it."""
        names = ["config.yaml", "environment.json", "statistics.npz"]
        with replaced_directory(target) as partial:
            for name in [*names, SEEN] if (self.path / SEEN).is_file() else names:
                shutil.copyfile(self.path / name, partial / name)
            for phase in self.translations:
                for file in (self.weights_path(phase), self.phase_dir(phase) / "phase.json"):
                    copied = partial / file.relative_to(self.path)
                    copied.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, copied)

    def phase_dir(self, phase: Phase) -> Path:
        """Directory of a phase."""
        return self.path / "phases" / phase.name

    def drop_checkpoints(self) -> None:
        """Deletes what training would go on from; the best weights stay."""
        for directory in (self.path / "phases").glob("*/checkpoints"):
            shutil.rmtree(directory)

    def weights_path(self, phase: Phase) -> Path:
        """File of a phase's best weights."""
        return self.phase_dir(phase) / "best" / "weights.npz"

    def load_translator(self) -> Translator:
        """The trained translation that the regressor reads.

        Raises:
            ValueError: a baseline.
        """
        phase = self.last_translation
        vocabulary_size = self.load_codebook(phase).size if self.has_codebooks else None
        translator = build_translator(phase.recipe, self.config, self.statistics, vocabulary_size, self.run_format)
        load_weights(self.weights_path(phase), self.translator_group(phase), translator.model)
        return translator

    def translator_group(self, phase: Phase) -> str:
        """What a translation is called among a phase's best weights, where it may stand beside others."""
        return "translator" if phase.scores or self.config.output.cycle_weight else "model"

    def codebook_path(self, phase: Phase) -> Path:
        """File of a phase's codebook, where its target is tokens."""
        return self.phase_dir(phase) / "codebook.npz"

    @property
    def has_codebooks(self) -> bool:
        """Whether the translations' targets are tokens, for which each has a codebook."""
        return self.config.output.target == "tokens"

    def load_codebook(self, phase: Phase) -> Codebook:
        """The codebook of a translation phase whose target is tokens."""
        return Codebook.load(self.codebook_path(phase), PHASE_REMEDY)

    def load_regressor(self) -> Regressor:
        """The trained regressor.

        Raises:
            ValueError: the run was pre-trained only.
        """
        if self.config.plan.pretrain:
            raise ValueError(
                f"The run has no sentiment model. Expected one trained without --pretrain. "
                f"Received: pretrain=True ({self.path}). "
                f"Start one from it: mmtrans train --init {for_shell(self.path)}."
            )
        representation = own_representation(self.recipe, self.config, self.statistics, self.run_format)
        regressor = Regressor.over(representation, self.config)
        phase = self.phases[-1]
        load_weights(self.weights_path(phase), "regressor" if phase.translates else "model", regressor.model)
        return regressor
