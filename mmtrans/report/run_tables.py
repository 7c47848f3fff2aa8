"""The tables of a report that say what was run, and how it went."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from mmtrans.evaluation.metrics import METRICS
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.compare import Results
from mmtrans.report.numbers import NONE, number_text
from mmtrans.report.table import Table

#: Of a single run.
COLLAPSED = {True: "yes", False: "no", None: NONE}


def failures_table(grid: CollectedGrid) -> Table:
    """The runs that failed, with their reasons."""
    caption = "Runs that failed; they are missing above. The same `mmtrans grid` command tries them again."
    return Table("Failed runs", caption, ["run", "reason"], sorted(grid.failures.items()), text_columns=2)


def runs_table(grid: CollectedGrid, out_dir: Path) -> Table:
    """Every run by itself; its name leads to its explorer page where it has one.

    Args:
        grid: the runs.
        out_dir: directory of the report.
    """
    metrics = ("mae", "pearson", "acc2_has0", "binary_f1", "seven_f1")
    rows, links = [], {}
    for variant, trained in grid.trained.items():
        for course, m in zip(trained.courses, trained.metrics, strict=True):
            page = next(iter(sorted(course.path.glob("explore*.html"))), None)
            if page is not None:
                links[len(rows)] = quote(Path(os.path.relpath(page, out_dir)).as_posix())
            figures = [number_text(m[name]) for name in metrics]
            ending = course.ending or NONE
            rows.append([variant.title, ending, str(course.seed), *figures, COLLAPSED[m["collapsed"]]])
    columns = ["run", "epochs", "seed", *(METRICS[name].heading for name in metrics), "collapsed"]
    caption = (
        "One row a seed. Epochs of each phase, of those that were allowed, and what ended it: patience, or the limit, "
        "where more might have helped."
    )
    if links:
        caption += " A run's name leads to its explorer page."
    return Table("Every run", caption, columns, rows, text_columns=2, folded=True, links=links)


def training_table(grid: CollectedGrid) -> Table:
    """How long the phases of each variant were trained, and how many of its runs ended at the limit of epochs."""
    rows = []
    for variant, trained in grid.trained.items():
        courses = [course for course in trained.courses if course.ending]
        if courses:
            by_phase = zip(*(course.phases for course in courses), strict=True)
            epochs = [sorted(phase.epoch for phase in phases) for phases in by_phase]
            spans = [f"{found[0]}" if found[0] == found[-1] else f"{found[0]} to {found[-1]}" for found in epochs]
            limited = sum(course.is_limited for course in courses)
            rows.append([variant.title, ", then ".join(spans), f"{limited} of {len(courses)}"])
    caption = (
        "Epochs of each phase, over the seeds; and runs of which a phase was stopped by the limit of epochs, where "
        "more might have helped."
    )
    return Table("Training", caption, ["run", "epochs", "stopped by the limit"], rows)


def provenance_table(grid: CollectedGrid, results: Results) -> Table:
    """Records, label, versions and the whole configuration."""
    description = grid.description
    facts = {
        "records": description["records"],
        "manifest sha256": description["manifest_hash"],
        "split": description["metric_split"],
        "segments": str(results.largest.segments),
        "videos": str(results.largest.videos),
        "label": f"{grid.scale.name} in [{grid.scale.low:g}, {grid.scale.high:g}], neutral {grid.scale.neutral:g}",
        "seeds": ", ".join(map(str, description["seeds"])),
        "runs": f"{grid.num_finished} of {grid.num_expected}",
        **{f"version of {name}": str(version) for name, version in description["versions"].items()},
        **{f"--{name.replace('_', '-')}": str(value) for name, value in description["config"].items()},
    }
    return Table("Provenance", "What the numbers rest on.", ["", ""], list(facts.items()), text_columns=2, folded=True)
