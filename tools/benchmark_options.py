"""The options of a measurement."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path

from mmtrans.bounds import check_number

_COUNTS = ("segments", "units", "epochs", "batch_size", "threads", "repeats", "copies", "jobs", "tasks")


@dataclass(frozen=True)
class Options:
    """Size and manner of a measurement.

    Args:
        segments: segments of the made corpora.
        units: units of the encoder (each direction), the decoder and the attention.
        epochs: number of measured epochs, after one that warms up.
        batch_size: segments in a batch.
        threads: threads of each process.
        repeats: number of processes, each measuring once.
        copies: number of times that training and input read the corpus' shards in an epoch, as a longer corpus would
            be.
        deterministic: whether operations are deterministic, as `mmtrans train` has it.
        source: corpus to convert; `None` makes a synthetic one.
        profile: directory that receives a TensorBoard trace; `None` for none.
        encoder: folder of the text encoder that is tuned; `None` for one of MiniLM's sizes with random weights.
        jobs: worker processes of a grid and of a conversion.
        tasks: empty tasks that are scheduled.
        recipes: recipes of a grid, as `mmtrans grid` takes them.
        tree: checkout whose code does the same grid; `None` for none.
        python: what runs a comparator, or that checkout's code.

    Raises:
        ValueError: a count under 1, or too large.
        FileNotFoundError: no such source, or no mmtrans in the tree.
    """

    segments: int = 1284
    units: int = 128
    epochs: int = 5
    batch_size: int = 32
    threads: int = 2
    repeats: int = 1
    copies: int = 1
    deterministic: bool = True
    source: str | None = None
    profile: str | None = None
    encoder: str | None = None
    jobs: int = 1
    tasks: int = 10_000
    recipes: str = "paper"
    tree: str | None = None
    python: str = sys.executable

    def __post_init__(self) -> None:
        for name in _COUNTS:
            check_number("--" + name.replace("_", "-"), getattr(self, name), low=1)
        if self.source is not None and not Path(self.source).exists():
            raise FileNotFoundError(
                f"There is no such source. Expected a corpus. Received: source={self.source!r}. Check its path."
            )
        if self.tree is not None and not (Path(self.tree) / "mmtrans").is_dir():
            raise FileNotFoundError(
                f"There is no mmtrans there. Expected a checkout of it. Received: tree={self.tree!r}. Check its path."
            )

    def flags(self) -> list[str]:
        """The command line that gives these options again, for one process."""
        flags = []
        for field in fields(self):
            value, flag = getattr(self, field.name), field.name.replace("_", "-")
            if field.name == "repeats" or value is None:
                continue
            if isinstance(value, bool):
                flags.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                flags += [f"--{flag}", str(value)]
        return flags
