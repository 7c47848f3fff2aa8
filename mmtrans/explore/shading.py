"""Where a regressor looks in its steps, and how much of its score each of them makes."""

from __future__ import annotations

from collections.abc import Sequence

from mmtrans.explore.reading import Source
from mmtrans.explore.shapes import Row, rounded
from mmtrans.inference.predict import BATCH_SIZE, Scorer
from mmtrans.runs.run import Run

#: Why a run that reads steps at their own rate has neither.
NO_WORDS = "This run reads {} at steps of their own rate, and not words: there is nothing to shade."

_ONE_STEP = "This run's regressor reads one step, the encoder's final state: it pays attention to nothing else."

_POOLED = {
    "last": "This run's regressor takes the last step alone: it has no attention.",
    "mean": "This run's regressor takes the mean of all steps: it has no attention.",
}


def shade(run: Run, sources: Sequence[Source]) -> tuple[list[Row] | None, list[Row] | None, dict[str, str]]:
    """Attention weights and influence of the words of segments, `None` where a run has none, and sentences why.

    Args:
        run: a trained run.
        sources: the segments.

    Returns:
        a row a segment of each, and view → sentence.
    """
    unaligned = [name for name in run.recipe.inputs.modalities if name in run.unaligned]
    if unaligned:
        return None, None, {"words": NO_WORDS.format(unaligned[0])}
    scorer = Scorer.open(run.path)
    attention, influence = [], []
    for start in range(0, len(sources), BATCH_SIZE):
        some = [source.features for source in sources[start : start + BATCH_SIZE]]
        for features, score, weights in zip(some, *scorer.score(some), strict=True):
            steps = len(next(iter(features.values())))
            attention.append(rounded(weights[:steps]))
            influence.append(rounded(scorer.influence(features, score)))
    why = _no_attention(run)
    return None if why else attention, influence, {"attention": why} if why else {}


def _no_attention(run: Run) -> str:
    regressor = run.config.regressor
    if regressor.representation == "final" and run.has_translation:
        return _ONE_STEP
    return _POOLED.get(regressor.pooling, "")
