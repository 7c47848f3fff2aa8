"""What came out, in plain sentences that are made from the numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scipy.stats import spearmanr

from mmtrans.evaluation.uncertainty.bootstrap import MIN_VIDEOS
from mmtrans.grid.paper import PUBLISHED
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.compare import KINDS, Comparison, Results
from mmtrans.report.numbers import number_text
from mmtrans.report.plots import LEVEL

BASELINES = {
    "concat": "the concatenated features of all its modalities",
    "source": "the same regressor on its source alone, the same input at test time",
    "untrained": "its own encoder left untrained",
}

#: Fewer rows say nothing about an order.
MIN_RANKED = 5


def write_summary(grid: CollectedGrid, results: Results) -> list[str]:
    """Sentences for the top of a report, what limits it first."""
    return [*_limits(grid, results), *_errors(results), *_findings(results), *_against_paper(results)]


def _limits(grid: CollectedGrid, results: Results) -> Iterator[str]:
    split, videos, seeds = grid.description["metric_split"], results.largest.videos, grid.description["seeds"]
    if grid.num_finished < grid.num_expected:
        failed = f", {len(grid.failures)} failed" if grid.failures else ""
        yield f"The grid is not finished: {grid.num_finished} of {grid.num_expected} runs are there{failed}."
    if grid.others:
        yield f"Left out, as grid.json does not name them: {', '.join(grid.others)}."
    if grid.outdated:
        yield (
            f"Runs of an earlier version learned something else than newer runs beside them: "
            f"{', '.join(grid.outdated)}. The same `mmtrans grid` command trains them anew."
        )
    if videos < MIN_VIDEOS:
        yield (
            f"There are no intervals and no tests: the {split} split has {videos} videos, and resampling videos needs "
            f"at least {MIN_VIDEOS}."
        )
    elif max(len(row.seeds) for row in results.rows.values()) == 1:
        yield "There is one seed, so only videos are resampled: other seeds could give other numbers."
    if split == "valid":
        yield "The numbers are of the valid split, which also stopped the training, so they are too good."
    yield (
        f"{grid.num_finished} runs of {len(results.rows)} variants (seeds: {len(seeds)} each when complete) are "
        f"evaluated on {results.largest.segments} segments of {videos} videos, {split} split."
    )


def _errors(results: Results) -> Iterator[str]:
    errors = [(mae, row) for row in results.whole if (mae := row.figures["mae"].mean) is not None]
    ranked = sorted(errors, key=lambda pair: pair[0])
    name, constant = min(results.trivial.items(), key=lambda item: item[1]["mae"])
    if ranked:
        least, best = ranked[0]
        yield (
            f"The lowest mean absolute error is {number_text(least)}, of {best.variant.recipe}; the best "
            f"constant predictor ({name} of the train labels) has {number_text(constant['mae'])}."
        )
        worse = sum(mae >= constant["mae"] for mae, _ in ranked)
        if worse:
            yield f"{worse} of {len(ranked)} recipes are no better than that constant predictor."
    collapsed, total = sum(row.collapsed for row in results.whole), sum(len(row.seeds) for row in results.whole)
    yield f"{collapsed} of the {total} runs that are no control and saw all labels collapsed to (almost) a constant."


def _findings(results: Results) -> Iterator[str]:
    for kind in KINDS:
        family = results.comparisons[kind].values()
        if not family:
            if results.translations:
                yield f"No translation is held against {BASELINES[kind]}: the grid has no such run."
            continue
        text = f"Against {BASELINES[kind]}, {_counted(family, 'translations')}"
        untold = len(results.translations) - len(family)
        yield text + (f"; for {untold} more the grid has no such run." if untold else ".")

    if results.variants:
        yield f"Against the plain configuration, {_counted(results.variants.values(), 'rows of named variants')}."


def _counted(family: Collection[Comparison], what: str) -> str:
    """How many runs are better than their baselines, and how many tests say so."""
    better = sum(comparison.difference.mean < 0 for comparison in family)
    text = f"{better} of {len(family)} {what} have a lower error"
    tested = [(c.difference.mean, c.adjusted) for c in family if c.adjusted is not None]
    if tested:
        found = [mean for mean, adjusted in tested if adjusted < LEVEL]
        wins, losses = sum(d < 0 for d in found), sum(d > 0 for d in found)
        text += f"; after Holm's correction {wins} are better and {losses} worse at the {100 * LEVEL:g} % level"
    return text


def _against_paper(results: Results) -> Iterator[str]:
    rows = [row for row in results.whole if row.variant.recipe in PUBLISHED]
    pairs = [
        (PUBLISHED[row.variant.recipe]["binary_f1"], f1)
        for row in rows
        if (f1 := row.figures["binary_f1"].mean) is not None
    ]
    if len(pairs) >= MIN_RANKED:
        rank = spearmanr(*zip(*pairs, strict=True)).statistic
        difference = sum(ours - paper for paper, ours in pairs) / len(pairs)
        yield (
            f"Over the paper's {len(pairs)} rows, our binary F1 is {number_text(abs(difference))} "
            f"{'above' if difference > 0 else 'below'} the published on average; the rank correlation of the two "
            f"orders is {number_text(float(rank), 2)}. Only the same corpus and folds make such numbers comparable."
        )
