"""Measurements of training: its step on the real input pipeline, and that pipeline alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.conversion.convert import convert
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches, num_batches
from mmtrans.data.records import Records
from mmtrans.runs.run import Run
from mmtrans.sources.corpus import Corpus
from mmtrans.training.loop import make_train_step, train_epoch
from mmtrans.training.monitor import Monitor
from mmtrans.training.objectives import Objective
from mmtrans.training.optimizer import build_optimizer
from mmtrans.training.progress import Progress
from mmtrans.training.train import build_objective, make_deterministic
from tfrecords.schema import LabelScale, Segment
from tools.benchmark_figures import Results, spread
from tools.benchmark_lengths import SEGMENTS_PER_VIDEO, mosi_lengths
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib

#: Columns of GloVe vectors and of COVAREP features.
DIMS = {"text": 300, "audio": 74}

SELECTION = Selection("train", ("text",), ("audio",))

PROFILED_STEPS = 5


def random_corpus(segments: int, seed: int = 0, dims: Mapping[str, int] = DIMS) -> Corpus:
    """A corpus of normal noise in the shape of MOSI's train fold, aligned, all of it train."""
    lengths = mosi_lengths(segments, seed)
    videos = [f"v{index // SEGMENTS_PER_VIDEO:05d}" for index in range(segments)]

    def read() -> Iterator[Segment]:
        rng = np.random.default_rng([seed, 1])
        for index, (video, steps) in enumerate(zip(videos, lengths, strict=True)):
            yield Segment(
                id=f"{video}[{index % SEGMENTS_PER_VIDEO}]",
                video_id=video,
                features={name: rng.standard_normal((steps, dim), np.float32) for name, dim in dims.items()},
                label=float(rng.uniform(-3, 3)),
            )

    return Corpus(
        format="random",
        files=(),
        label=LabelScale("sentiment", -3.0, 3.0, 0.0),
        read=read,
        video_ids=videos,
        folds={"train": tuple(dict.fromkeys(videos))},
        aligned=dict.fromkeys(dims, True),
    )


def write_records(options: Options, directory: Path, dims: Mapping[str, int] = DIMS) -> Records:
    """Converts a random corpus, so that training reads what it always reads; several copies are the same files."""
    convert(random_corpus(options.segments, dims=dims), directory)
    return repeated(Records.open(directory, splits=("train",)), options.copies)


def repeated(records: Records, copies: int) -> Records:
    """Records whose train split names each of its shards several times."""
    train = records.manifest.splits["train"]
    longer = replace(
        train, segments=train.segments * copies, shards=tuple(s for s in train.shards for _ in range(copies))
    )
    return replace(records, manifest=replace(records.manifest, splits={**records.manifest.splits, "train": longer}))


def translation_config(options: Options) -> Config:
    """text → audio with input feeding, the comparators' model: plain Bahdanau attention, every previous frame seen."""
    return Config(
        recipe="T->A",
        units=options.units,
        attention_units=options.units,
        decoder_units=options.units,
        max_distance=0,
        dropout=0.0,
        feature_sampling=0.0,
        batch_size=options.batch_size,
    )


def make_step(
    records: Records, config: Config, run_dir: Path, selection: Selection = SELECTION
) -> tuple[Callable, Objective]:
    """The train step of a new run's first phase, which reads the selection, and what it minimises."""
    run = Run.open_or_create(run_dir, config, records)
    objective = build_objective(run, run.phases[0], records)
    train_steps = num_batches(records, selection, config.optimisation.batch_size)
    optimizer = build_optimizer(config, objective.model, train_steps)
    spec = epoch_batches(records, config.optimisation.batch_size, 0, selection).element_spec
    return make_train_step(objective, optimizer, config, spec), objective


def epoch_batches(records: Records, batch_size: int, epoch: int, selection: Selection = SELECTION) -> tf.data.Dataset:
    """The batches of one epoch, shuffled."""
    return make_batches(records, selection, batch_size=batch_size, shuffle=(0, epoch))


class EpochClock:
    """Times epochs: a context manager, entered once an epoch.

    Args:
        segments: segments of an epoch.
    """

    def __init__(self, segments: int):
        self.segments = segments
        self.wall_seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def __enter__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def __exit__(self, *_) -> None:
        self.wall_seconds.append(time.perf_counter() - self._started[0])
        self.cpu_seconds.append(time.process_time() - self._started[1])

    def results(self) -> dict[str, float]:
        """Results of the epochs after the first, which warms up: rate, seconds, and CPU seconds of all threads."""
        return {
            **spread("segments_per_s", [self.segments / seconds for seconds in self.wall_seconds[1:]], 1),
            **spread("epoch_s", self.wall_seconds[1:]),
            **spread("epoch_cpu_s", self.cpu_seconds[1:]),
            "first_epoch_s": round(self.wall_seconds[0], 3),
        }


def measure_train(options: Options) -> Results:
    """Epochs of the training loop, with its pipeline and without validation and checkpoints.

    Returns:
        what `EpochClock` gives, the tracing in `first_epoch_s`; `steps` an epoch, `parameters`, the last `loss`, and
        `peak_rss_mib`.
    """
    if options.deterministic:
        make_deterministic()
    config = translation_config(options)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        records = write_records(options, Path(directory) / "records")
        train_step, objective = make_step(records, config, Path(directory) / "run")
        clock = EpochClock(options.segments * options.copies)
        with Monitor("benchmark", options.epochs, 1, Path(directory) / "logs", quiet=True) as monitor:
            for epoch in range(options.epochs + 1):
                progress = Progress()
                with clock:
                    train_epoch(
                        train_step, epoch_batches(records, config.optimisation.batch_size, epoch), progress, monitor
                    )
        if options.profile:
            profile_steps(train_step, epoch_batches(records, config.optimisation.batch_size, 0), options.profile)
    return {
        **clock.results(),
        "steps": progress.step,
        "parameters": objective.model.count_params(),
        "loss": round(progress.losses[-1], 4),
        "peak_rss_mib": peak_rss_mib(),
    }


def profile_steps(train_step: Callable, batches: tf.data.Dataset, directory: str) -> None:
    """Writes a TensorBoard trace of a few train steps, which are traced (in TensorFlow's sense) already."""
    with tf.profiler.experimental.Profile(directory):
        for step, batch in enumerate(batches.take(PROFILED_STEPS)):
            with tf.profiler.experimental.Trace("train", step_num=step, _r=1):
                train_step(batch)[0].numpy()


def measure_input(options: Options) -> Results:
    """Epochs of the input pipeline alone: from shards to batches that nobody reads.

    Returns:
        what `EpochClock` gives, `steps` an epoch, and `peak_rss_mib`.
    """
    clock = EpochClock(options.segments * options.copies)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        records = write_records(options, Path(directory) / "records")
        for epoch in range(options.epochs + 1):
            with clock:
                steps = sum(1 for _ in epoch_batches(records, options.batch_size, epoch))
    return {**clock.results(), "steps": steps, "peak_rss_mib": peak_rss_mib()}
