"""The table of fusion models beside what their papers' models are known to reach."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from mmtrans.evaluation.metrics import METRICS
from mmtrans.recipe import Features, Fusion
from mmtrans.report.collect import CollectedGrid, Trained
from mmtrans.report.numbers import NONE, number_text
from mmtrans.report.table import Table

#: Metrics of the published numbers, as in metrics.json.
METRICS_SHOWN = ("mae", "pearson", "acc2_has0", "acc2_non0", "acc7")


class Published(NamedTuple):
    """What a method is known to reach on CMU-MOSI.

    Attributes:
        metrics: the numbers, in the order of `METRICS_SHOWN`; `None` where there is none.
        words: what its words are.
    """

    metrics: tuple[float | None, ...]
    words: str = "GloVe"


#: Method → its row of the scoreboard of the CMU Multimodal SDK.
PUBLISHED: Mapping[str, Published] = {
    "bclstm": Published((1.079, 0.581, 0.739, None, 0.287)),
    "mvlstm": Published((1.019, 0.601, 0.739, None, 0.332)),
    "tfn": Published((0.970, 0.633, 0.739, None, 0.321)),
    "marn": Published((0.968, 0.625, 0.771, None, 0.347)),
    "mfn": Published((0.965, 0.632, 0.774, None, 0.341)),
    "lmf": Published((0.912, 0.668, 0.764, None, 0.328)),
    "mult": Published((0.871, 0.698, None, 0.830, 0.400)),
    "misa": Published((0.783, 0.761, 0.818, 0.834, 0.423), "BERT, fine-tuned"),
}

_CAPTION = (
    "Parameters of each model, those that do not move among them; seconds of an epoch on this grid's machine, without "
    "validation, the median over epochs and seeds. Published are numbers of the scoreboard of the CMU Multimodal SDK, "
    "of CMU-MOSI's official folds. They are of one run each, without intervals; of other features than these, which "
    "stand under words; of a loss, a search and a choice of the epoch of each paper's own. Only the order of magnitude "
    "is comparable."
)


def rivals_table(grid: CollectedGrid) -> Table:
    """Fusion models and the features that they read: sizes, speed, what is read at test, and published numbers."""
    trained = [found for variant, found in grid.trained.items() if not variant.name and variant.label_fraction == 1]
    rows = []
    if any(isinstance(found.recipe, Fusion) for found in trained):
        rows = [_row(found) for found in trained if isinstance(found.recipe, Features)]
    headings = [f"published {METRICS[name].heading}" for name in METRICS_SHOWN]
    columns = ["recipe", "reads at test", "published with words", "parameters", "s an epoch", *headings]
    return Table("Fusion models: sizes, and published numbers", _CAPTION, columns, rows, text_columns=3)


def _row(found: Trained) -> list[str]:
    recipe = found.recipe
    method = recipe.method if isinstance(recipe, Fusion) else None
    published = PUBLISHED.get(method) if method else None
    numbers = published.metrics if published else (None,) * len(METRICS_SHOWN)
    counts = {course.parameters for course in found.courses}
    seconds = [
        labels["train"]["seen"] / course.speed
        for course, labels in zip(found.courses, found.labels_seen, strict=False)
        if course.speed
    ]
    return [
        str(recipe),
        "whole videos, test segments beside each other" if recipe.inputs.reads_videos else "each segment by itself",
        published.words if published else NONE,
        f"{max(counts):,}" if counts - {0} else NONE,
        number_text(median(seconds), 2) if seconds else NONE,
        *(number_text(value) for value in numbers),
    ]
