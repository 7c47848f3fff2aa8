"""Kinds of labels: outliers, other scales, one value only, what float32 cannot hold, and a stated range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.sources.format_files import truth
from tests.sources.kinds import WRITE, Kinds, Row
from tfrecords.schema import LabelScale

MOSI = (-3.0, 3.0, 0.0)


def _kind(
    change: Callable[[str, float], float],
    scale: tuple[float, float, float],
    *,
    not_finite: int = 1,
    options: Mapping[str, object] | None = None,
) -> dict[str, Row]:
    """What every format makes of labels that are changed, each by its split and its value so far; one is NaN."""

    def of_format(format: str) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            segments = truth()
            for segment in segments:
                segment.label = change(segment.split, segment.label)
            with np.errstate(over="ignore"):
                return WRITE[format](folder, segments)

        return write

    def check(corpus, segments) -> None:
        assert corpus.label == LabelScale("sentiment", *scale)
        with np.errstate(over="ignore"):
            labels = [np.float32(change(s.split, s.label)) for s in truth() if not np.isnan(s.label)]
        found = {segment.label for segment in segments.values() if segment.label is not None}
        finite = {float(label) for label in labels if np.isfinite(label)}
        assert {np.float32(label) for label in found} == {np.float32(label) for label in finite}
        # An empty cell of a table is no label, and no damaged one.
        damaged = not_finite - (corpus.format == "neutral")
        assert corpus.cleaning["labels: not finite, kept without a label"] == damaged

    return {format: Row(of_format(format), check=check, options=options or {}) for format in WRITE}


KINDS: Kinds = {
    "an outlier among sentiments": _kind(lambda split, label: 11 / 3 if label == 2.5 else label, MOSI),
    "labels of one sign": _kind(lambda split, label: abs(label) + 1, (1.0, 4.0, 2.5)),
    "classes 0 and 1": _kind(lambda split, label: label if np.isnan(label) else float(label > 0), (0.0, 1.0, 0.5)),
    "labels beyond float32": _kind(
        lambda split, label: {1.8: 1e39, -0.5: -1e308}.get(label, label), MOSI, not_finite=3
    ),
    "a stated range": _kind(lambda split, label: label + 7, (0.0, 12.0, 5.0), options={"label_range": (0, 12, 5)}),
    "a stated range that is none": {
        format: Row(
            WRITE[format],
            refused=r"range of the label is not understood.*LOW under HIGH.*label_range=5\.0, 1\.0",
            options={"label_range": (5, 1)},
        )
        for format in WRITE
    },
}
