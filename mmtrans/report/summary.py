"""What came out, in plain sentences that are made from the numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from scipy.stats import spearmanr

from mmtrans.config import Config
from mmtrans.evaluation.uncertainty.bootstrap import MIN_VIDEOS
from mmtrans.grid.paper import PUBLISHED, corpus_line
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.compare import KINDS, Comparison, Results
from mmtrans.report.numbers import number_text
from mmtrans.report.plots import LEVEL
from mmtrans.runs.corpus import corpus_text
from mmtrans.runs.labels import Labels

BASELINES = {
    "concat": "the concatenated features of all its modalities",
    "source": "the same regressor on its source alone, the same input at test time",
    "untrained": "its own encoder left untrained",
}

FUSION_BASELINES = {"concat": "the same features, concatenated", "text": "the words alone"}

#: Share of the runs from which on it matters that they ended at the limit of epochs.
MANY_LIMITED = 0.25

#: Fewer rows say nothing about an order.
MIN_RANKED = 5


def write_summary(grid: CollectedGrid, results: Results) -> list[str]:
    """Sentences for the top of a report, what limits it first."""
    against_paper = _against_paper(results) if grid.is_papers_corpus else ()
    return [*_limits(grid, results), *_errors(results), *_findings(results), *against_paper]


def banner(grid: CollectedGrid) -> str:
    """Why the paper's numbers are no contest here; empty where they are of the same corpus."""
    if grid.is_papers_corpus:
        return ""
    if grid.corpus is None:
        return (
            "Nobody knows which corpus this is, as neither the runs nor their records tell: the paper's numbers, of "
            f"{corpus_line()}, stand at the end, and are no contest."
        )
    return (
        f"This is not the corpus of the paper. The runs here are of {corpus_text(grid.corpus)}. The paper used "
        f"{corpus_line()}: its numbers stand at the end, and are no contest."
    )


def title_facts(grid: CollectedGrid, results: Results) -> dict[str, str]:
    """What a page says beneath its title: corpus, what was evaluated, how long the training was, versions."""
    description, config = grid.description, Config(**grid.description["config"])
    seeds = description["seeds"]
    corpus = grid.corpus
    amounts = corpus_text(corpus).partition(": ")[2] if corpus else corpus_text(None)
    versions = {name: version for name, version in description["versions"].items() if name != "numpy"}
    return {
        "corpus": f"CMU-MOSI, as in the paper; {amounts}" if grid.is_papers_corpus else amounts,
        "format and folds": f"{corpus['format']}; {corpus['folds']}" if corpus else "unknown",
        "evaluated on": f"{description['metric_split']}: {results.largest.segments:,} segments of "
        f"{results.largest.videos:,} videos",
        "runs": f"{grid.num_finished} of {grid.num_expected}; seeds {', '.join(map(str, seeds))}",
        "training": f"at most {config.optimisation.epochs} epochs a phase, patience {config.optimisation.patience}; "
        f"{_length(grid)}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _length(grid: CollectedGrid) -> str:
    """How long the phases were trained, and what ended them."""
    phases = [phase for course in grid.courses for phase in course.phases if phase.epoch and phase.stopped_by]
    if not phases:
        return "how long the runs were trained is not known"
    epochs = sorted(phase.epoch for phase in phases)
    limited = sum(phase.stopped_by == "epochs" for phase in phases)
    return f"median {epochs[len(epochs) // 2]} epochs, {limited} of {len(phases)} phases stopped by the limit"


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
    limited = [course for course in grid.courses if course.is_limited]
    if limited and len(limited) >= MANY_LIMITED * len(grid.courses):
        limit = max(phase.limit for course in limited for phase in course.phases)
        yield (
            f"Stopped by the epoch limit: {len(limited)} of {len(grid.courses)} runs reached the limit of "
            f"{limit} epochs, so differences between recipes may be those of their speed. More --epochs go on from "
            f"there."
        )
    if videos < MIN_VIDEOS:
        yield (
            f"There are no intervals and no tests: the {split} split has {videos} videos, and resampling videos needs "
            f"at least {MIN_VIDEOS}."
        )
    elif max(len(row.seeds) for row in results.rows.values()) == 1:
        yield "There is one seed, so only videos are resampled: other seeds could give other numbers."
    yield from _few_labels(grid)
    if split == "valid":
        yield "The numbers are of the valid split, which also stopped the training, so they are too good."
    yield (
        f"{grid.num_finished} runs of {len(results.rows)} variants (seeds: {len(seeds)} each when complete) are "
        f"evaluated on {results.largest.segments} segments of {videos} videos, {split} split."
    )


def _few_labels(grid: CollectedGrid) -> Iterator[str]:
    """How many labels runs have seen from which some were hidden."""
    found: dict[float, list[dict[str, Labels]]] = {}
    for variant, trained in grid.trained.items():
        if variant.label_fraction < 1 and trained.labels_seen:
            found.setdefault(variant.label_fraction, []).extend(trained.labels_seen)
    parts = [
        f"with {100 * share:g} % of the train labels {_counts(runs, 'train')} of them, {_choice(runs)}"
        for share, runs in sorted(found.items())
    ]
    if parts:
        yield f"Labels that runs have seen: {'; '.join(parts)}."


def _choice(runs: Iterable[Mapping[str, Labels]]) -> str:
    """What chose the epoch of runs."""
    runs = list(runs)
    if all("valid" in run and not run["valid"]["seen"] for run in runs):
        return "in a number of steps that was fixed"
    return f"beside {_counts(runs, 'valid')} valid labels that chose the epoch"


def _counts(runs: Iterable[Mapping[str, Labels]], split: str) -> str:
    """The numbers of labels of a split that runs have seen: one, or from the least to the most."""
    counts = [run[split]["seen"] for run in runs if split in run]
    if not counts:
        return "unknown"
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"


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

    for kind, family in results.fusions.items():
        if family:
            yield f"Against {FUSION_BASELINES[kind]}, {_counted(family.values(), 'fusion models')}."
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
