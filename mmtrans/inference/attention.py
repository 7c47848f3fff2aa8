"""The attention of translated segments: which are drawn, and what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmtrans.evaluation.attention_prior import prior_weights
from mmtrans.inference.translate import Translated, features_r2
from mmtrans.plotting.attention import plot_attention
from mmtrans.runs.run import Run


def draw_attention(path: Path | None, run: Run, item: Translated) -> Figure:
    """Draws the attention of a segment's best hypothesis, beside it what is left without the distance that it started
    from; and says the R² of the segment's frames.

    Args:
        path: the image to write; `None` for none.
        run: the run that has translated it.
        item: the segment.
    """
    best = item.hypotheses[0]
    weights, prior = best.attention_weights, None
    if item.positions is not None:
        is_source = np.ones((1, 1, weights.shape[1]), dtype=bool)
        prior = prior_weights(item.positions[None, : len(weights)], is_source)[0]
    return plot_attention(path, weights, item.words, best.tokens, item.id, prior=prior, r2=features_r2(run, [item]))


def worst(run: Run, translated: Sequence[Translated], count: int) -> list[Translated]:
    """The segments that are translated worst: by R² of their frames; of tokens by log P of a step.

    Segments whose R² nobody knows, as they have no target, are none of them.
    """
    values = [(_quality(run, item), number) for number, item in enumerate(translated)]
    known = sorted((value, number) for value, number in values if value is not None)
    return [translated[number] for _, number in known[:count]]


def _quality(run: Run, item: Translated) -> float | None:
    best = item.hypotheses[0]
    if best.log_prob is None:
        return features_r2(run, [item])
    return best.log_prob / len(best.attention_weights)
