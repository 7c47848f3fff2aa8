"""Where a regressor looks in its steps, and how much of its score each of them makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmtrans.data.videos import video_rows
from mmtrans.explore.reading import Source
from mmtrans.explore.shapes import Row, rounded
from mmtrans.inference.predict import BATCH_SIZE
from mmtrans.inference.scorer import Scorer
from mmtrans.runs.run import Run
from tfrecords.schema import video_of

#: Why a run that reads steps at their own rate has neither.
NO_WORDS = "This run reads {} at steps of their own rate, and not words: there is nothing to shade."

_ONE_STEP = "This run's regressor reads one step, the encoder's final state: it pays attention to nothing else."

_POOLED = {
    "last": "This run's regressor takes the last step alone: it has no attention.",
    "mean": "This run's regressor takes the mean of all steps: it has no attention.",
}


def shade(
    run: Run, sources: Sequence[Source], shown: Sequence[str]
) -> tuple[list[Row] | None, list[Row] | None, dict[str, str]]:
    """Attention weights and influence of the words of segments, `None` where a run has none, and sentences why.

    Args:
        run: a trained run.
        sources: what the run reads, the neighbours of segments among it.
        shown: ids of the segments.

    Returns:
        a row a segment of each, in the order of `shown`, and view → sentence.
    """
    unaligned = [name for name in run.recipe.inputs.modalities if name in run.unaligned]
    if unaligned:
        return None, None, {"words": NO_WORDS.format(unaligned[0])}
    scorer = Scorer.open(run.path)
    of_id = {source.id: source for source in sources}
    attention, influence = dict[str, Row](), dict[str, Row]()
    for some in _together(scorer, of_id, shown):
        features = [source.features for source in some]
        scores, weights = scorer.score(features, [source.id for source in some])
        # Without neighbours each is a video of its own.
        shares = scorer.influences(features, scores) if scorer.reads_videos else map(scorer.influence, features, scores)
        for source, own, share in zip(some, weights, shares, strict=True):
            attention[source.id], influence[source.id] = rounded(own[: source.steps]), rounded(share)
    why = _no_attention(run)
    looks = None if why else [attention[id_] for id_ in shown]
    return looks, [influence[id_] for id_ in shown], {"attention": why} if why else {}


def _together(scorer: Scorer, of_id: Mapping[str, Source], shown: Sequence[str]) -> Iterator[list[Source]]:
    """The segments that are scored at a time: whole videos where the model reads them."""
    if scorer.reads_videos:
        wanted, ids = {video_of(id_) for id_ in shown}, list(of_id)
        for video, rows in video_rows(ids).items():
            if video in wanted:
                yield [of_id[ids[row]] for row in rows]
        return
    for start in range(0, len(shown), BATCH_SIZE):
        yield [of_id[id_] for id_ in shown[start : start + BATCH_SIZE]]


def _no_attention(run: Run) -> str:
    regressor = run.config.regressor
    if regressor.representation == "final" and run.has_translation:
        return _ONE_STEP
    return _POOLED.get(regressor.pooling, "")
