"""What the segments of a fold are like, in one pass: their lengths, labels, and rows of zeros."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tfrecords.manifest import Steps, Summary
from tfrecords.schema import LabelScale, Segment

#: MOSI's labels are rounded to seven classes.
LABEL_CLASSES = 7


@dataclass(frozen=True)
class Lengths:
    """How long a segment is: its words, and modality → steps."""

    words: int
    steps: Mapping[str, int]

    @classmethod
    def of(cls, segment: Segment) -> Lengths:
        """The lengths of a segment."""
        return cls(len(segment.tokens), {name: len(array) for name, array in segment.features.items()})


class SplitSummary:
    """Counts the segments of one fold.

    Args:
        label: the scale that the labels are counted on.
        is_aligned: tells of a modality whether its steps are the words'.
    """

    def __init__(self, label: LabelScale, is_aligned: Callable[[str], bool]) -> None:
        # Rounded, so that steps of a scale such as 1 to 5 have names that people write.
        self._values = np.unique(np.round(np.linspace(label.low, label.high, LABEL_CLASSES), 6))
        self._is_aligned = is_aligned
        self._steps: dict[str, Counter] = defaultdict(Counter)
        self._labels: Counter = Counter()
        self._rows: Counter = Counter()
        self._zero_rows: Counter = Counter()

    def add(self, lengths: Lengths, zero_rows: Mapping[str, int], label: float | None) -> None:
        """Adds a segment as it is stored.

        Args:
            lengths: its lengths.
            zero_rows: modality → rows that are all zeros.
            label: its label.
        """
        steps = {"aligned": lengths.words} if lengths.words else {}
        for name, rows in lengths.steps.items():
            steps["aligned" if self._is_aligned(name) else name] = rows
            self._rows[name] += rows
            self._zero_rows[name] += zero_rows[name]
        for stream, length in steps.items():
            self._steps[stream][length] += 1
        if label is not None:
            self._labels[int(np.abs(self._values - label).argmin())] += 1

    def result(self) -> Summary:
        """The summary of what was added."""
        return Summary(
            steps={stream: _summarize(lengths) for stream, lengths in sorted(self._steps.items())},
            labels={f"{value:g}": self._labels[index] for index, value in enumerate(self._values)},
            rows=dict(sorted(self._rows.items())),
            zero_rows={name: self._zero_rows[name] for name in sorted(self._rows)},
        )


def _summarize(lengths: Counter) -> Steps:
    each = np.repeat(list(lengths), list(lengths.values()))
    return Steps(float(each.mean()), float(np.percentile(each, 95)), int(each.max()))
