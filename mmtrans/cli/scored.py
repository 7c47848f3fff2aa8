"""What a terminal shows of scored texts: the score, and each word with what it adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from mmtrans.system.console import Console
from mmtrans.system.escape import for_terminal

if TYPE_CHECKING:
    from mmtrans.inference.predict import Prediction
    from tfrecords.schema import LabelScale

#: A word that changes the score by less than this share of the label's range is shown without its number.
LEAST_SHARE = 0.005

_STYLES = {"positive": "green", "negative": "red", "neutral": "yellow"}


def show_scored(predictions: list[Prediction], label: LabelScale) -> None:
    """Prints predictions, with influences, and says once what the numbers are.

    Args:
        predictions: what texts got.
        label: the scale of the scores.
    """
    console = Console()
    for prediction in predictions:
        style = f"bold {_STYLES[prediction.polarity]}"
        console.print(Text.assemble((f"{prediction.score:+.2f} {prediction.polarity}", style)))
        console.print(words_of(prediction, (label.high - label.low) * LEAST_SHARE))
    legend = f"Score: {label.name}, {label.low:g} to {label.high:g}; {label.neutral:g} is neutral."
    if any(len(prediction.words) > 1 for prediction in predictions):
        legend += " Beside a word: what it adds, the score less that without it."
    console.print(legend)


def words_of(prediction: Prediction, least: float) -> Text:
    """The words in one line, each with its influence where that is at least so large; the largest ones are bold."""
    line = Text("  ")
    influence = [] if prediction.influence is None else prediction.influence.tolist()
    largest = max((abs(value) for value in influence if value == value), default=0.0)
    for number, word in enumerate(prediction.words):
        value = influence[number] if number < len(influence) else float("nan")
        shown = for_terminal(word)
        if not abs(value) >= least:
            line.append(shown)
        else:
            style = "green" if value > 0 else "red"
            line.append(f"{shown} ({value:+.2f})", f"bold {style}" if abs(value) >= largest / 2 else style)
        line.append(" ")
    line.rstrip()
    return line
