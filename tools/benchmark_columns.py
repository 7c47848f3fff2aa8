"""What wide texts cost: training and its input at two widths, epoch by epoch in turns, and the size of the records."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmtrans.config import Config
from mmtrans.data.batch import Selection
from mmtrans.training.loop import train_epoch
from mmtrans.training.monitor import Monitor
from mmtrans.training.progress import Progress
from mmtrans.training.train import make_deterministic
from tools.benchmark_figures import Results, spread
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib
from tools.benchmark_train import EpochClock, epoch_batches, make_step, write_records

#: Columns of GloVe's vectors, and of three layers of MiniLM with GloVe beside them.
WIDTHS = (300, 1452)

SELECTION = Selection("train", ("text",), labelled=True)


class Width:
    """Training of recipe `T`, as it is by default, on texts of so many columns; and its input alone.

    Args:
        options: segments and batch size.
        dim: columns of the text.
        directory: an existing directory, which receives records and run.
    """

    def __init__(self, options: Options, dim: int, directory: Path):
        self.records = write_records(options, directory / "records", {"text": dim})
        self.config = Config(recipe="T", batch_size=options.batch_size)
        self.train_step, self.objective = make_step(self.records, self.config, directory / "run", SELECTION)
        segments = options.segments * options.copies
        self.train_clock, self.input_clock = EpochClock(segments), EpochClock(segments)

    def run(self, epoch: int, monitor: Monitor) -> None:
        """One epoch of training, and one of batches that nobody reads."""
        batch_size = self.config.optimisation.batch_size
        with self.train_clock:
            train_epoch(self.train_step, epoch_batches(self.records, batch_size, epoch, SELECTION), Progress(), monitor)
        with self.input_clock:
            sum(1 for _ in epoch_batches(self.records, batch_size, epoch, SELECTION))

    def results(self) -> dict[str, float]:
        """Rates and seconds of training and of its input, parameters, and bytes of a segment."""
        shards = self.records.shards("train")
        return {
            **{f"train_{name}": value for name, value in self.train_clock.results().items()},
            **{f"input_{name}": value for name, value in self.input_clock.results().items()},
            "parameters": self.objective.model.count_params(),
            "segment_bytes": round(sum(shard.bytes for shard in shards) / sum(shard.segments for shard in shards)),
        }


def measure_columns(options: Options) -> Results:
    """Epochs of both widths in turns, so that what a busy machine does to one it does to the other.

    Returns:
        what `Width.results` gives, for each width under its name, as `1452_train_segments_per_s`; `train_ratio` and
        `input_ratio`, how much of its rate at the first width each keeps at the second, by the rounds' median; and
        `peak_rss_mib`.
    """
    if options.deterministic:
        make_deterministic()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        monitor = Monitor("benchmark", options.epochs, 1, None, quiet=True)
        widths = [Width(options, dim, Path(directory) / str(dim)) for dim in WIDTHS]
        with monitor:
            for epoch in range(options.epochs + 1):
                for width in widths:
                    width.run(epoch, monitor)
    narrow, wide = widths
    return {
        **{
            f"{dim}_{key}": value
            for dim, width in zip(WIDTHS, widths, strict=True)
            for key, value in width.results().items()
        },
        **spread("train_ratio", ratios(narrow.train_clock, wide.train_clock)),
        **spread("input_ratio", ratios(narrow.input_clock, wide.input_clock)),
        "peak_rss_mib": peak_rss_mib(),
    }


def ratios(narrow: EpochClock, wide: EpochClock) -> list[float]:
    """The second clock's rate divided by the first one's, epoch by epoch, without the first, which warms up."""
    return [ours / theirs for ours, theirs in zip(narrow.wall_seconds[1:], wide.wall_seconds[1:], strict=True)]
