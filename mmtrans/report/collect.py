"""What a grid has trained: its runs, grouped into sets of seeds that differ in nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans.config import Config
from mmtrans.evaluation.shapes import COLUMNS, REMEDY, Curves, Evaluated, read_split
from mmtrans.grid.description import GridDescription, read_description, read_failures
from mmtrans.grid.paper import is_papers
from mmtrans.grid.variants import Variant, rows_of, variant_of
from mmtrans.recipe import Recipe, parse
from mmtrans.report.listing import PhaseLine, ending_of, read_phases
from mmtrans.runs.corpus import CorpusFacts, corpus_of
from mmtrans.runs.environment import Environment, label_of, read_config
from mmtrans.runs.labels import Labels
from mmtrans.runs.phase_file import read_phase_file
from mmtrans.runs.phases import last_change, phases_of
from tfrecords.schema import LabelScale
from tfrecords.stored import read_csv, read_json, shown

#: What to do about a run that does not say what it is.
_RUN_REMEDY = "Remove the run's directory, and give the same `mmtrans grid` command again."


@dataclass(frozen=True)
class Course:
    """How the training of a run went.

    Attributes:
        path: its directory.
        seed: its seed.
        phases: its phases; of one that an earlier version made without their files, they have no end.
        histories: phase → valid loss of each epoch.
        parameters: numbers in the weights of its last phase's model; 0 where an earlier version trained it.
        speed: segments a second in that phase, the median over its epochs; `None` where it has none.
    """

    path: Path
    seed: int
    phases: tuple[PhaseLine, ...]
    histories: dict[str, list[float]]
    parameters: int = 0
    speed: float | None = None

    @property
    def ending(self) -> str:
        """The epochs of each phase, and what ended it; empty where nobody knows."""
        return ending_of(self.phases) if all(phase.stopped_by for phase in self.phases) else ""

    @property
    def is_limited(self) -> bool:
        """Whether a phase ended at the limit of epochs."""
        return any(phase.stopped_by == "epochs" for phase in self.phases)


@dataclass(frozen=True)
class Trained:
    """The runs of one variant, one a seed, on the same segments.

    Attributes:
        variant: the variant that the runs have in common.
        seeds: `(k,)`, ascending.
        ids: `(n,)` segment ids.
        videos: `(n,)` the video of each segment.
        labels: `(n,)` float64.
        predictions: `(k, n)` float64.
        metrics: the split's object in metrics.json, one a seed.
        robustness: the split's curves, one object for each seed that has some.
        courses: how the training went, one a seed.
        labels_seen: split → how many labels a run has seen, one for each seed whose run tells.
    """

    variant: Variant
    seeds: tuple[int, ...]
    ids: tuple[str, ...]
    videos: tuple[str, ...]
    labels: np.ndarray
    predictions: np.ndarray
    metrics: tuple[Evaluated, ...]
    robustness: tuple[Curves, ...]
    courses: tuple[Course, ...]
    labels_seen: tuple[dict[str, Labels], ...] = ()

    @property
    def recipe(self) -> Recipe:
        """The parsed recipe."""
        return parse(self.variant.recipe)


@dataclass(frozen=True)
class CollectedGrid:
    """A grid directory as the report sees it.

    Attributes:
        path: the directory.
        description: the content of `grid.json`.
        scale: scale of the label.
        expected: the variants that the grid is to train, in its order.
        trained: the variants that have at least one evaluated run.
        failures: run directory name → reason.
        others: evaluated runs that `grid.json` does not name, and that are left out.
        outdated: runs of an earlier format (`run_format`) which learned something else than newer ones beside them.
        corpus: the corpus that the runs were trained on; `None` where nobody knows.
    """

    path: Path
    description: GridDescription
    scale: LabelScale
    expected: tuple[Variant, ...]
    trained: dict[Variant, Trained]
    failures: dict[str, str]
    others: tuple[str, ...]
    outdated: tuple[str, ...] = ()
    corpus: CorpusFacts | None = None

    @property
    def is_papers_corpus(self) -> bool:
        """Whether the corpus is known to be the one that the paper's numbers are of."""
        return self.corpus is not None and is_papers(self.corpus["splits"])

    @property
    def courses(self) -> list[Course]:
        """How the training of each run went."""
        return [course for trained in self.trained.values() for course in trained.courses]

    @property
    def num_expected(self) -> int:
        """Runs of a finished grid."""
        return len(self.expected) * len(self.description["seeds"])

    @property
    def num_finished(self) -> int:
        """Runs that are there."""
        return sum(len(runs.seeds) for runs in self.trained.values())


@dataclass(frozen=True)
class _Run:
    """An evaluated run; `changed` is the format in which what it learns last changed, 1 where it never did."""

    name: str
    variant: Variant | None
    seed: int
    scale: LabelScale
    metrics: Evaluated
    robustness: Curves | None
    rows: list[dict[str, str]]
    run_format: int
    changed: int
    corpus: CorpusFacts | None
    course: Course
    labels: dict[str, Labels]


def collect(path: str | Path) -> CollectedGrid:
    """Reads a grid directory, finished or not.

    Raises:
        FileNotFoundError: no grid there.
        ValueError: damaged files, no evaluated run yet, runs of other records, two runs of one variant and seed, or
            seeds of a variant with other segments.
    """
    path = Path(path)
    description = read_description(path)
    if description is None:
        raise FileNotFoundError(
            f"No grid there. Expected a directory made by `mmtrans grid`, with grid.json. Received: grid={path}."
        )
    failures = read_failures(path)
    expected = expected_variants(description)
    runs: dict[Variant, dict[int, _Run]] = {}
    scale, others, corpus = None, [], None
    for directory in sorted((path / "runs").glob("*")):
        run = _read_run(directory, description)
        if run is None:
            continue
        if run.variant not in expected or run.seed not in description["seeds"]:
            others.append(run.name)
            continue
        if run.seed in (seeds := runs.setdefault(run.variant, {})):
            raise ValueError(
                f"Two runs are of one variant and seed. Expected one. "
                f"Received: runs={[seeds[run.seed].name, run.name]} ({path}). Move one of them out of the grid."
            )
        seeds[run.seed] = run
        scale = run.scale
        corpus = corpus or run.corpus
    if scale is None:
        raise ValueError(
            f"The grid has nothing to report yet. Expected at least one run evaluated on "
            f"{description['metric_split']}. Received: runs=0 of {len(expected) * len(description['seeds'])} ({path}). "
            f"Give the same `mmtrans grid` command again."
        )
    trained = {variant: _joined(variant, runs[variant]) for variant in expected if variant in runs}
    reasons = {name: failure["reason"] for name, failure in failures.items()}
    outdated = _outdated([run for seeds in runs.values() for run in seeds.values()])
    return CollectedGrid(path, description, scale, expected, trained, reasons, tuple(others), outdated, corpus)


def expected_variants(description: GridDescription) -> tuple[Variant, ...]:
    """The variants of a grid in its order.

    Args:
        description: the content of `grid.json`.
    """
    named, config = description.get("variants", {}), Config(**description["config"])
    return rows_of(description["recipes"], description["controls"], description["label_fractions"], named, config)


def _read_run(directory: Path, description: GridDescription) -> _Run | None:
    """An evaluated run, or `None` where there is none yet."""
    split = description["metric_split"]
    files = [directory / name for name in ("config.yaml", "environment.json", "metrics.json", "predictions.csv")]
    if not all(file.is_file() for file in files):
        return None
    metrics = read_split(directory / "metrics.json", split, Evaluated)
    if metrics is None:
        return None
    environment = read_json(directory / "environment.json", Environment, _RUN_REMEDY)
    manifest_hash = environment["manifest_hash"]
    if manifest_hash != description["manifest_hash"]:
        raise ValueError(
            f"A run is of other records than its grid. Expected manifest {description['manifest_hash'][:12]}. "
            f"Received: manifest_hash={manifest_hash[:12]} ({directory}). Move it out of the grid."
        )
    config = read_config(directory, environment)
    variant = variant_of(config.to_dict(), description.get("variants", {}), description["config"])
    predictions = read_csv(directory / "predictions.csv", COLUMNS, REMEDY)
    rows = sorted((row for row in predictions if row["split"] == split), key=lambda row: row["id"])
    robustness = read_split(directory / "robustness.json", split, Curves)
    of_curves = robustness.records if robustness else None
    for name, found in (("metrics.json", metrics.get("records")), ("robustness.json", of_curves)):
        if found not in (None, manifest_hash):
            raise ValueError(
                f"Results are of other records than their grid's. Expected manifest {manifest_hash[:12]}. "
                f"Received: records={shown(found)} ({directory / name}). Evaluate the run again."
            )
    scale = label_of(environment["data"])
    formats = environment.get("run_format", 1), _last_change(config, environment)
    corpus = corpus_of(environment["data"], environment["records"], manifest_hash)
    course = _course(directory, config, manifest_hash)
    labels, seed = environment.get("labels", {}), config.plan.seed
    return _Run(directory.name, variant, seed, scale, metrics, robustness, rows, *formats, corpus, course, labels)


def _course(directory: Path, config: Config, manifest_hash: str) -> Course:
    histories, parameters, speed = {}, 0, None
    for phase in phases_of(config, manifest_hash):
        status = read_phase_file(directory / "phases" / phase.name)
        if status is not None and status.outcome is not None:
            history = status.outcome.history
            histories[phase.title] = [row["valid_loss"] for row in history]
            parameters = status.outcome.parameters
            speeds = [row["segments_per_second"] for row in history if "segments_per_second" in row]
            speed = float(np.median(speeds)) if speeds else None
    phases = read_phases(directory, config, manifest_hash)
    return Course(directory, config.plan.seed, phases, histories, parameters, speed)


def _last_change(config: Config, environment: Environment) -> int:
    unaligned = {name for name, info in environment["data"]["modalities"].items() if not info["aligned"]}
    phases = phases_of(config, environment["manifest_hash"])
    changes = (last_change(phase.kind, phase.recipe, config, unaligned) for phase in phases)
    return max((change.run_format for change in changes if change), default=1)


def _outdated(runs: list[_Run]) -> tuple[str, ...]:
    """Names of runs from before a change of what they learn, where there are runs from after it."""
    changed = {run.changed for run in runs if run.run_format >= run.changed}
    return tuple(sorted(run.name for run in runs if run.run_format < run.changed and run.changed in changed))


def _joined(variant: Variant, runs: dict[int, _Run]) -> Trained:
    """The seeds of a variant side by side."""
    seeds = tuple(sorted(runs))
    ids, videos, labels = (tuple(row[key] for row in runs[seeds[0]].rows) for key in ("id", "video_id", "label"))
    for seed in seeds[1:]:
        if tuple(row["id"] for row in runs[seed].rows) != ids:
            raise ValueError(
                f"Runs of one variant have different segments. Expected the {len(ids)} of {runs[seeds[0]].name}. "
                f"Received: {len(runs[seed].rows)} rows ({runs[seed].name}/predictions.csv). Evaluate both again."
            )
    predictions = [[float(row["prediction"]) for row in runs[seed].rows] for seed in seeds]
    return Trained(
        variant,
        seeds,
        ids,
        videos,
        np.array(labels, dtype=np.float64),
        np.array(predictions),
        tuple(runs[seed].metrics for seed in seeds),
        tuple(curves for seed in seeds if (curves := runs[seed].robustness) is not None),
        tuple(runs[seed].course for seed in seeds),
        tuple(runs[seed].labels for seed in seeds if runs[seed].labels),
    )
