"""The plot of robustness: error against the level of each corruption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmtrans.evaluation.shapes import CurveFigures
from mmtrans.plotting import BLUE, INK, MUTED, ORANGE, new_figure, save, tidy
from mmtrans.system.escape import for_plot

#: Corruption → what a panel's title and its axis say.
PANELS = {
    "missing": ("modality missing", "share of segments"),
    "dropped": ("steps dropped", "share of steps"),
    "noise": ("Gaussian noise", "train standard deviations"),
    "shuffled": ("steps shuffled", "share of steps"),
}

#: Modality → colour and marker of its curve. The markers tell them apart in black and white.
CURVE_STYLES = {"text": (BLUE, "o"), "audio": (ORANGE, "s"), "video": ("#0f766e", "^")}


def plot_robustness(path: Path, curves: Mapping[str, Mapping[str, CurveFigures]], constant: float, title: str) -> None:
    """Draws MAE against the level of each corruption, one panel a corruption, one curve a modality.

    Args:
        path: the image to write.
        curves: corruption → modality → curve.
        constant: MAE of the best constant predictor, where a model is of no use any more.
        title: what was evaluated, with the split: `T->A, test`.
    """
    figure = new_figure(8.6, 7.0)
    panels = figure.subplots(2, 2, sharey=True)
    for axes, (kind, found) in zip(panels.ravel(), curves.items(), strict=True):
        name, unit = PANELS[kind]
        axes.axhline(constant, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="best constant")
        for modality, curve in found.items():
            color, marker = CURVE_STYLES[modality]
            style = {"linewidth": 1.8} if curve["read"] else {"linewidth": 1, "alpha": 0.5, "linestyle": ":"}
            label = modality if curve["read"] else f"{modality} (not read)"
            axes.plot(
                curve["levels"], curve["metrics"]["mae"], color=color, marker=marker, markersize=4, label=label, **style
            )
        axes.set_title(name, fontsize=10.5, color=INK, loc="left")
        axes.set_xlabel(unit, color=INK, fontsize=9.5)
        tidy(axes)
    for axes in panels[:, 0]:
        axes.set_ylabel("MAE (label units)", color=INK)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, labelcolor=INK)
    figure.suptitle(
        for_plot(f"{title}: one modality corrupted at a time", 120), fontsize=12, fontweight="bold", color=INK
    )
    save(figure, path)
