"""The numbers of a report: means, deviations and intervals of each variant, and tests against others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from mmtrans.evaluation.metrics import METRICS
from mmtrans.evaluation.shapes import Curves, Figures
from mmtrans.evaluation.uncertainty.bootstrap import holm
from mmtrans.evaluation.uncertainty.seeds import Difference, compare_seeds, seed_intervals
from mmtrans.grid.variants import Variant
from mmtrans.recipe import Features, Fusion, Recipe, Translation, modalities_of, parse
from mmtrans.report.collect import CollectedGrid, Trained

Key = TypeVar("Key")

#: What translations are held against. The last one exists only in a grid with controls.
KINDS = ("concat", "source", "untrained")

#: What fusion models are held against: the same features concatenated, and the words alone.
FUSION_KINDS = ("concat", "text")

#: Figures of a translation that are shown side by side.
QUALITIES = ("r2", "source_shuffled_r2", "teacher_forced_r2", "copy_last_r2")


@dataclass(frozen=True)
class Estimate:
    """A number over seeds: mean, deviation (`None` for one seed) and 95 % interval (`None` where there is none).

    `mean` is `None` where the number is undefined for a seed.
    """

    mean: float | None
    std: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A variant in numbers.

    Attributes:
        variant: recipe, control, share of labels.
        seeds: the seeds that were trained.
        figures: metric → figure.
        quality: name → figure of the quality of the translation; empty for a baseline.
        robustness: modality that is read → `clean` or corruption → figure of the mean height of the curve of MAE; empty
            where no seed has curves.
        curves: corruption → modality that is read → `(levels, MAE)`, means over the seeds that have curves.
        collapsed: how many seeds predict (almost) a constant, of those of which it can be told.
        segments: number of segments that were scored.
        videos: number of videos that the segments come from.
    """

    variant: Variant
    seeds: tuple[int, ...]
    figures: dict[str, Estimate]
    quality: dict[str, Estimate]
    robustness: dict[str, dict[str, Estimate]]
    curves: dict[str, dict[str, tuple[list[float], list[float]]]]
    collapsed: int
    segments: int
    videos: int


@dataclass(frozen=True)
class Comparison:
    """Runs against a baseline by mean absolute error: negative is better than the baseline.

    The runs are a translation or a fusion, and the baseline is of some kind; or a named variant, and the same plain.

    Attributes:
        baseline: the variant that the runs are compared with.
        segments: number of segments that both scored.
        difference: runs minus baseline, with interval and p-value.
        adjusted: Holm's p-value within the family of all comparisons with this kind of baseline, or `None`.
    """

    baseline: Variant
    segments: int
    difference: Difference
    adjusted: float | None = None


@dataclass(frozen=True)
class Results:
    """All numbers of a report.

    Attributes:
        rows: variant → its numbers, in the grid's order.
        comparisons: kind → recipe → comparison, in the grid's order.
        fusions: kind → recipe of a fusion → comparison, in the grid's order.
        variants: named variant → its comparison with the same recipe and labels in the plain configuration.
        trivial: name of a constant predictor → its metrics.
    """

    rows: dict[Variant, Row]
    comparisons: dict[str, dict[str, Comparison]]
    fusions: dict[str, dict[str, Comparison]]
    variants: dict[Variant, Comparison]
    trivial: dict[str, Figures]

    @property
    def whole(self) -> list[Row]:
        """Rows of the recipes themselves: no control, no named variant, all labels."""
        return [row for variant, row in self.rows.items() if variant == Variant(variant.recipe)]

    @property
    def translations(self) -> list[Row]:
        """Those rows of `whole` that are translations."""
        return [row for row in self.whole if isinstance(parse(row.variant.recipe), Translation)]

    @property
    def largest(self) -> Row:
        """The row that scored most segments; the trivial predictors are of the same."""
        return max(self.rows.values(), key=lambda row: row.segments)


def compute(grid: CollectedGrid, draws: int = 10_000) -> Results:
    """Computes a report.

    Args:
        grid: the runs.
        draws: resamples of each interval and test.
    """
    rows = {variant: _row(grid, trained, draws) for variant, trained in grid.trained.items()}
    most = max(grid.trained.values(), key=lambda trained: len(trained.ids))
    comparisons = {kind: dict(_comparisons(grid, kind, Translation, draws)) for kind in KINDS}
    fusions = {kind: dict(_comparisons(grid, kind, Fusion, draws)) for kind in FUSION_KINDS}
    variants = {
        variant: compare_runs(trained, grid.trained[variant.plain], draws)
        for variant, trained in grid.trained.items()
        if variant.name and variant.plain in grid.trained
    }
    of_translations, of_fusions = (
        {kind: _adjusted(family) for kind, family in families.items()} for families in (comparisons, fusions)
    )
    baselines = most.metrics[0]["baselines"]
    trivial = {name: baselines[name] for name in ("mean", "median", "majority")}
    return Results(rows, of_translations, of_fusions, _adjusted(variants), trivial)


def _row(grid: CollectedGrid, trained: Trained, draws: int) -> Row:
    intervals = seed_intervals(trained.predictions, trained.labels, trained.videos, grid.scale, draws=draws)
    translations = [quality for metrics in trained.metrics if (quality := metrics.get("translation"))]
    return Row(
        trained.variant,
        trained.seeds,
        {name: _estimate([m[name] for m in trained.metrics], *intervals[name]) for name in METRICS},
        {name: _estimate([t[name] for t in translations]) for name in QUALITIES} if translations else {},
        _robustness(trained.robustness),
        _mean_curves(trained.robustness),
        sum(metrics["collapsed"] is True for metrics in trained.metrics),
        len(trained.ids),
        len(set(trained.videos)),
    )


def _robustness(seeds: Sequence[Curves]) -> dict[str, dict[str, Estimate]]:
    curves = [seed.curves for seed in seeds]
    if not curves:
        return {}
    result: dict[str, dict[str, Estimate]] = {}
    for kind, of_kind in curves[0].items():
        for modality in (name for name, curve in of_kind.items() if curve.read):
            found = [each[kind][modality] for each in curves]
            figures = result.setdefault(modality, {"clean": _estimate([c.errors[0] for c in found])})
            figures[kind] = _estimate([c.area["mae"] for c in found])
    return result


def _mean_curves(seeds: Sequence[Curves]) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    curves = [seed.curves for seed in seeds]
    return {
        kind: {
            modality: (curve.levels, np.mean([c[kind][modality].errors for c in curves], 0).tolist())
            for modality, curve in of_kind.items()
            if curve.read
        }
        for kind, of_kind in (curves[0] if curves else {}).items()
    }


def _estimate(values: Sequence[float | None], low: float | None = None, high: float | None = None) -> Estimate:
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return Estimate(None)
    return Estimate(float(np.mean(defined)), float(np.std(defined, ddof=1)) if len(defined) > 1 else None, low, high)


def baseline_of(kind: str, recipe: Recipe, trained: Sequence[Variant]) -> Variant | None:
    """What a translation or a fusion is held against, or `None` where `trained` has no such run.

    `concat`: the features of all modalities that it reads or writes, in any order, which at test time needs more than
    a translation; `source`: the features that it reads; `text`: the words alone; `untrained`: its own shape with an
    encoder that was never trained.
    """
    if kind == "untrained":
        wanted = Variant(str(recipe), untrained=True)
        return wanted if wanted in trained else None
    if kind == "text":
        modalities = {"text"}
    else:
        modalities = set(recipe.inputs.modalities if kind == "source" else modalities_of(recipe))
    same = [v for v in trained if v == Variant(v.recipe) and _is_baseline(parse(v.recipe), modalities)]
    # Of two orders of the same features the translation's own is the nearer baseline.
    return min(same, key=lambda v: v.recipe != str(recipe.inputs), default=None)


def _is_baseline(recipe: Recipe, modalities: set[str]) -> bool:
    return type(recipe) is Features and set(recipe.modalities) == modalities


def _comparisons(grid: CollectedGrid, kind: str, form: type[Recipe], draws: int) -> Iterator[tuple[str, Comparison]]:
    """Recipe → its comparison with a kind of baseline, of the recipes of a form."""
    for variant, trained in grid.trained.items():
        recipe = trained.recipe
        if variant != Variant(variant.recipe) or not isinstance(recipe, form):
            continue
        baseline = baseline_of(kind, recipe, tuple(grid.trained))
        if baseline is not None:
            yield variant.recipe, compare_runs(trained, grid.trained[baseline], draws)


def compare_runs(a: Trained, b: Trained, draws: int = 10_000) -> Comparison:
    """Compares the absolute errors of the runs of two variants on the segments that both scored."""
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    ours, theirs = (np.abs(x.predictions[:, i] - x.labels[i]) for x, i in ((a, in_a), (b, in_b)))
    return Comparison(b.variant, len(in_a), compare_seeds(ours, theirs, [a.videos[i] for i in in_a], draws=draws))


def _adjusted(family: dict[Key, Comparison]) -> dict[Key, Comparison]:
    tested = {name: p for name, comparison in family.items() if (p := comparison.difference.p_value) is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))
    return {name: replace(comparison, adjusted=adjusted.get(name)) for name, comparison in family.items()}
