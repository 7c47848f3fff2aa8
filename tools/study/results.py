"""What a study found: the error of each row in each world, against that of one row with the same labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypedDict

import numpy as np

from mmtrans.evaluation.shapes import Evaluated, read_split
from mmtrans.evaluation.uncertainty.seeds import seed_intervals
from mmtrans.grid.variants import Variant
from mmtrans.recipe import Recipe, parse
from mmtrans.report.collect import CollectedGrid, Trained
from mmtrans.report.compare import compare_runs
from mmtrans.report.numbers import interval_text, number_text
from mmtrans.runs.labels import Labels


class Estimated(TypedDict):
    """A number with its 95 % interval over videos and seeds, if there is one."""

    value: float
    low: float | None
    high: float | None


class _Ranked(TypedDict, total=False):
    """`valid_mae` is the MAE on valid of a row that reads what that one reads which all are held against, else `None`;
    earlier files lack it."""

    valid_mae: float | None


class Cell(_Ranked):
    """A row with some share of the train labels.

    `train_labels` and `valid_labels` are the most that a run of it has seen. `difference` is that of the MAE to the row
    that all are held against, of the seeds that both have, negative where this row is better; of one seed it has no
    interval. It is `None` for that row itself.
    """

    row: str
    label_fraction: float
    train_labels: int
    valid_labels: int
    seeds: int
    mae: Estimated
    difference: Estimated | None


class _Ceilings(TypedDict, total=False):
    ceilings: dict[str, float]


class World(_Ceilings):
    """What was found in a world; `ceilings` has the MAE that each reader reaches at best on the split's segments."""

    split: str
    segments: int
    videos: int
    cells: list[Cell]


class Results(TypedDict):
    """What was found in all worlds; `against` is the recipe that rows are held against."""

    against: str
    worlds: dict[str, World]


#: What rows are ranked in → row → its error.
Cases = dict[str, dict[str, float]]


def world_results(grid: CollectedGrid, against: str, without: Iterable[tuple[str, Trained]] = ()) -> World:
    """What the grid of a world found.

    Args:
        grid: the grid.
        against: the recipe that rows are held against, with the same labels.
        without: rows that were scored again where test lacks a modality, by their titles.
    """
    rows = [*((title_of(variant), trained) for variant, trained in grid.trained.items()), *without]
    largest = max((trained for _, trained in rows), key=lambda trained: len(trained.ids))
    return {
        "split": grid.description["metric_split"],
        "segments": len(largest.ids),
        "videos": len(set(largest.videos)),
        "cells": [_cell(title, trained, grid, against) for title, trained in rows],
    }


def title_of(variant: Variant) -> str:
    """The name of a row, whatever its share of the labels."""
    return replace(variant, label_fraction=1.0).title


def _cell(title: str, trained: Trained, grid: CollectedGrid, against: str) -> Cell:
    share, difference = trained.variant.label_fraction, None
    beside = grid.trained.get(Variant(against, label_fraction=share))
    if beside is not None and beside is not trained:
        # A seed draws the labels that are left, so rows that have not finished the same seeds are no fair pair.
        common = set(trained.seeds) & set(beside.seeds)
        if common:
            found = compare_runs(_of_seeds(trained, common), _of_seeds(beside, common)).difference
            low, high = (found.low, found.high) if len(common) > 1 else (None, None)
            difference = Estimated(value=found.mean, low=low, high=high)
    intervals = seed_intervals(trained.predictions, trained.labels, trained.videos, grid.scale)
    low, high = intervals["mae"]
    return {
        "row": title,
        "label_fraction": share,
        "train_labels": _most(trained.labels_seen, "train"),
        "valid_labels": _most(trained.labels_seen, "valid"),
        "seeds": len(trained.seeds),
        "mae": {"value": float(np.abs(trained.predictions - trained.labels).mean()), "low": low, "high": high},
        "difference": difference,
        "valid_mae": _valid_mae(trained) if _reads(trained.recipe) == _reads(parse(against)) else None,
    }


def _reads(recipe: Recipe) -> set[str]:
    """The modalities that a recipe reads, whatever joins them."""
    return set(recipe.inputs.modalities)


def _of_seeds(trained: Trained, seeds: set[int]) -> Trained:
    """The runs of some of the seeds."""
    rows = [row for row, seed in enumerate(trained.seeds) if seed in seeds]
    return replace(trained, seeds=tuple(sorted(seeds)), predictions=trained.predictions[rows])


def _valid_mae(trained: Trained) -> float | None:
    found = [read_split(course.path / "metrics.json", "valid", Evaluated) for course in trained.courses]
    errors = [metrics["mae"] for metrics in found if metrics is not None and metrics["mae"] is not None]
    return float(np.mean(errors)) if errors and len(errors) == len(found) else None


def _most(labels: tuple[dict[str, Labels], ...], split: str) -> int:
    return max((seen[split]["seen"] for seen in labels), default=0)


def shares_of(results: Results) -> list[float]:
    """The shares of the labels of a study, ascending."""
    return sorted({cell["label_fraction"] for world in results["worlds"].values() for cell in world["cells"]})


def rows_of(results: Results) -> list[str]:
    """The rows of a study that are held against another, in its order."""
    cells = (cell for world in results["worlds"].values() for cell in world["cells"])
    return list(dict.fromkeys(cell["row"] for cell in cells if cell["difference"] is not None))


def valid_errors(results: Results) -> Cases:
    """World and share of the labels → row → its MAE on valid, of rows that have one."""
    cases: Cases = {}
    for name, world in results["worlds"].items():
        for cell in sorted(world["cells"], key=lambda cell: cell["label_fraction"]):
            if (error := cell.get("valid_mae")) is not None:
                cases.setdefault(f"{name}, {share_text(cell)}", {})[cell["row"]] = error
    return cases


def ranks_of(cases: Cases) -> dict[str, dict[str, int]]:
    """Case → row → its rank by its error, from 1; rows with the same error share one.

    Rows are ranked that all cases have, in the order of the first case.
    """
    errors = list(cases.values())
    rows = [row for row in (errors[0] if errors else {}) if all(row in of_case for of_case in errors)]
    return {
        case: {row: 1 + sum(of_case[other] < of_case[row] for other in rows) for row in rows}
        for case, of_case in cases.items()
    }


def mean_ranks(cases: Cases) -> dict[str, float]:
    """Row → the mean of its ranks over all cases, as of `ranks_of`; the best row first."""
    ranks = list(ranks_of(cases).values())
    means = {row: float(np.mean([of_case[row] for of_case in ranks])) for row in (ranks[0] if ranks else {})}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def findings(results: Results) -> Iterator[str]:
    """Where rows have a lower error than the one that they are held against, a sentence a row."""
    against = results["against"]
    for row in rows_of(results):
        found = [
            (cell["difference"], f"{name} with {share_text(cell)}")
            for name, world in results["worlds"].items()
            for cell in world["cells"]
            if cell["row"] == row and cell["difference"] is not None
        ]
        better = [place for difference, place in found if clear_sign(difference) < 0]
        worse = sum(clear_sign(difference) > 0 for difference, _ in found)
        if better:
            yield (
                f"{row} has a lower error than {against}, by an interval clear of zero, in {len(better)} of "
                f"{len(found)} cases, and a higher one in {worse}: {'; '.join(better)}."
            )
            continue
        nearest, place = min(found, key=lambda case: case[0]["value"])
        yield (
            f"{row} has nowhere a lower error than {against} by an interval clear of zero, and a higher one in {worse} "
            f"of {len(found)} cases; at best {_text(nearest)} in {place}."
        )


def clear_sign(difference: Estimated) -> int:
    """The sign of a difference whose interval does not hold zero; 0 of others."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        return 0
    return (low > 0) - (high < 0)


def share_text(cell: Cell) -> str:
    """How many labels a row had: `2 % of the labels`."""
    return "all labels" if cell["label_fraction"] == 1 else f"{100 * cell['label_fraction']:g} % of the labels"


def to_markdown(results: Results) -> str:
    """What was found in words, and a table for each world."""
    against = results["against"]
    lines = [
        f"MAE, and its difference to that of {against} with the same labels, with 95 % intervals over videos and "
        "seeds, which are not corrected for their number. Negative is better.",
        "",
        *(f"- {sentence}" for sentence in findings(results)),
    ]
    if ranks := mean_ranks(valid_errors(results)):
        listed = ", ".join(f"{row} {rank:.1f}" for row, rank in ranks.items())
        lines += ["", f"Mean ranks by the MAE on valid, of rows that read what {against} reads: {listed}."]
    for name, world in results["worlds"].items():
        amount = f"{world['split']} split: {world['segments']} segments of {world['videos']} videos."
        lines += ["", f"## {name}", "", amount, ""]
        lines += [*table_lines(world, against), *_ceilings(world)]
    return "\n".join(lines) + "\n"


def table_lines(world: World, against: str) -> Iterator[str]:
    """The table of a world, in Markdown: a row a line, a share of the labels two columns."""
    shares = sorted({cell["label_fraction"] for cell in world["cells"]})
    cells = {(cell["row"], cell["label_fraction"]): cell for cell in world["cells"]}
    most = max(cell["seeds"] for cell in world["cells"])
    head = [""]
    for share in shares:
        seen = [cell for cell in cells.values() if cell["label_fraction"] == share]
        counts = [max(cell[name] for cell in seen) for name in ("train_labels", "valid_labels")]
        head += [f"{share_text(seen[0])}: {counts[0]} of train, {counts[1]} of valid", f"against {against}"]
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in dict.fromkeys(cell["row"] for cell in world["cells"]):
        texts = [row]
        for share in shares:
            cell = cells.get((row, share))
            if cell is None:
                texts += ["", ""]
                continue
            missing = f", {cell['seeds']} of {most} seeds" if cell["seeds"] < most else ""
            texts += [_text(cell["mae"]) + missing, _text(cell["difference"])]
        yield "| " + " | ".join(texts) + " |"


def _ceilings(world: World) -> list[str]:
    """What readers can reach at best, as a paragraph, where it is known."""
    found = world.get("ceilings", {})
    listed = ", ".join(f"{reader} {number_text(error)}" for reader, error in found.items())
    return ["", f"Least MAE that the equations allow, by reader: {listed}."] if found else []


def _text(number: Estimated | None) -> str:
    if number is None:
        return ""
    return f"{number_text(number['value'])} {interval_text(number['low'], number['high'], 3)}".strip()
