"""The plot of a recording's course: the score of each of its segments over the time in which they are spoken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmtrans.plotting import BLUE, INK, MUTED, ORANGE, new_figure, save, tidy
from mmtrans.system.escape import for_plot
from tfrecords.schema import LabelScale

#: A segment of a recording: start and end in seconds, and its score.
Scored = tuple[float, float, float]

#: Recordings that are drawn at most.
MOST_RECORDINGS = 12


def plot_course(path: Path, recordings: Mapping[str, Sequence[Scored]], label: LabelScale) -> None:
    """Draws a panel for each recording: a bar a segment, from the neutral point to its score.

    Args:
        path: the image to write.
        recordings: name → segments; of many the first are drawn.
        label: the scale of the scores.
    """
    shown = list(recordings.items())[:MOST_RECORDINGS]
    figure = new_figure(8.6, 1.2 + 1.9 * len(shown))
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (name, segments) in zip(panels, shown, strict=True):
        starts = [start for start, _, _ in segments]
        heights = [score - label.neutral for _, _, score in segments]
        axes.bar(
            starts,
            heights,
            [end - start for start, end, _ in segments],
            bottom=label.neutral,
            align="edge",
            color=[BLUE if height >= 0 else ORANGE for height in heights],
            edgecolor="white",
            linewidth=0.5,
        )
        axes.axhline(label.neutral, color=MUTED, linewidth=1)
        scores = [score for _, _, score in segments]
        axes.set_ylim(min(label.low, *scores), max(label.high, *scores))
        axes.set_title(for_plot(name, 80), fontsize=10.5, color=INK, loc="left")
        axes.set_ylabel(for_plot(label.name, 20), color=INK, fontsize=9.5)
        tidy(axes)
    panels[-1].set_xlabel("seconds", color=INK, fontsize=9.5)
    save(figure, path)
