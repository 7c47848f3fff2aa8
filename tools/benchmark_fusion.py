"""Measurement of fusion models: training on text 300, audio 74 and video 47 wide, as long as MOSI's train fold."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmtrans.config import Config
from mmtrans.data.batch import Selection
from mmtrans.recipe import parse
from mmtrans.training.loop import train_epoch
from mmtrans.training.monitor import Monitor
from mmtrans.training.progress import Progress
from mmtrans.training.train import make_deterministic
from tools.benchmark_figures import Results
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib
from tools.benchmark_train import EpochClock, epoch_batches, make_step, write_records

#: Columns of GloVe vectors, and of COVAREP and FACET features.
DIMS = {"text": 300, "audio": 74, "video": 47}


def fusion_config(options: Options) -> Config:
    """The recipe with its default sizes, read one way, as in the comparator.

    Raises:
        ValueError: the recipe is not one of all three modalities.
    """
    recipe = parse(options.recipes)
    if set(recipe.inputs.modalities) != set(DIMS):
        raise ValueError(
            f"No fusion to measure. Expected --recipes with one recipe of T, A and V, such as 'tfn(T,A,V)'. "
            f"Received: recipes={options.recipes!r}. Name one."
        )
    return Config(recipe=str(recipe), batch_size=options.batch_size, bidirectional=False)


def measure_fusion(options: Options) -> Results:
    """Epochs of the training loop, with its pipeline and without validation and checkpoints.

    Returns:
        what `EpochClock` gives, the tracing in `first_epoch_s`; `steps` an epoch, `parameters`, the last `loss`, and
        `peak_rss_mib`.
    """
    if options.deterministic:
        make_deterministic()
    config = fusion_config(options)
    whole_videos = parse(config.plan.recipe).inputs.reads_videos
    selection = Selection("train", tuple(DIMS), labelled=True, whole_videos=whole_videos)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        records = write_records(options, Path(directory) / "records", DIMS)
        train_step, objective = make_step(records, config, Path(directory) / "run", selection)
        clock = EpochClock(options.segments * options.copies)
        with Monitor("benchmark", options.epochs, 1, None, quiet=True) as monitor:
            for epoch in range(options.epochs + 1):
                progress = Progress()
                with clock:
                    batches = epoch_batches(records, options.batch_size, epoch, selection)
                    train_epoch(train_step, batches, progress, monitor)
    return {
        **clock.results(),
        "steps": progress.step,
        "parameters": objective.model.count_params(),
        "loss": round(progress.losses[-1], 4),
        "peak_rss_mib": peak_rss_mib(),
    }
