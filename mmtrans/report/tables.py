"""The tables of a report, as text cells: one home for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mmtrans.evaluation.metrics import METRICS
from mmtrans.grid.paper import PUBLISHED, PUBLISHED_METRICS, remarks_on
from mmtrans.grid.variants import Variant
from mmtrans.recipe import LETTER_OF, parse
from mmtrans.report.collect import CollectedGrid
from mmtrans.report.compare import QUALITIES, Comparison, Results, Row
from mmtrans.report.numbers import NONE, interval_text, number_text, p_value_text, spread_text
from mmtrans.report.rivals import rivals_table
from mmtrans.report.run_tables import failures_table, provenance_table, runs_table, training_table
from mmtrans.report.table import Table

#: The metrics of the table of what was measured.
MEASURED = ("mae", "pearson", "acc2_has0", "acc2_non0", "acc7", "extreme_recall")

KIND_HEADINGS = {"concat": "all its modalities, concatenated", "source": "source alone", "untrained": "untrained"}
FUSION_HEADINGS = {"concat": "the same features, concatenated", "text": "the words alone"}

ROBUSTNESS_HEADINGS = {
    "clean": "MAE clean ↓",
    "missing": "missing",
    "dropped": "steps dropped",
    "noise": "noise",
    "shuffled": "steps shuffled",
}

_CLASSES = (
    "Support-weighted precision, recall and F1; ours are mean ± standard deviation over seeds. “Needs” are the "
    "modalities that must be there at test time."
)
_BENEATH = "Beneath: constant predictors that know the train labels only."

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def make_tables(grid: CollectedGrid, results: Results, out_dir: Path) -> list[Table]:
    """All tables, in the order of reading; those that would be empty are left out.

    Args:
        grid: the runs.
        results: their numbers.
        out_dir: directory of the report, from which links lead on.
    """
    seven = any(row.figures["acc7"].mean is not None for row in results.whole)
    tasks = {"binary": "binary", **({"seven": "seven classes"} if seven else {})}
    if grid.is_papers_corpus:
        first = [_paper_table(results, task, f"Paper beside measured: {name}") for task, name in tasks.items()]
        last = []
    else:
        first = [_classes_table(results, task, f"Measured: {name}") for task, name in tasks.items()]
        last = [_published_table(results)]
    tables = [
        *first,
        _measured_table(results),
        _comparison_table(results),
        _fusions_table(results),
        rivals_table(grid),
        _controls_table(results),
        _variants_table(grid, results),
        _quality_table(results),
        _robustness_table(results),
        _labels_table(results),
        training_table(grid),
        failures_table(grid),
        runs_table(grid, out_dir),
        *last,
        provenance_table(grid, results),
    ]
    return [table for table in tables if table.rows]


def _marked(rows: Iterable[Row], task: str) -> tuple[list[str], list[str]]:
    """Recipes with the numbers of their footnotes, and the footnotes."""
    names, notes = [], []
    for row in rows:
        own = remarks_on(row.variant.recipe, task)
        notes += [note for note in own if note not in notes]
        marks = " ".join(str(notes.index(note) + 1).translate(_SUPERSCRIPTS) for note in own)
        names.append(f"{row.variant.recipe} {marks}".strip())
    return names, notes


def _needs(recipe: str) -> str:
    return " ".join(LETTER_OF[name] for name in parse(recipe).inputs.modalities)


def _paper_table(results: Results, task: str, title: str) -> Table:
    names, notes = _marked(results.whole, task)
    metrics = [f"{task}_{score}" for score in ("precision", "recall", "f1")]
    rows = []
    for name, row in zip(names, results.whole, strict=True):
        paper = PUBLISHED.get(row.variant.recipe, {})
        pairs = [cell for m in metrics for cell in (number_text(paper.get(m), 2), spread_text(row.figures[m]))]
        rows.append([name, _needs(row.variant.recipe), *pairs, f"{row.collapsed} of {len(row.seeds)}"])
    beneath = [
        [f"constant: {name}", NONE, *(cell for m in metrics for cell in (NONE, number_text(values[m]))), NONE]
        for name, values in results.trivial.items()
    ]
    columns = ["recipe", "needs", *(f"{s} {who}" for s in ["P", "R", "F1"] for who in ("paper", "ours"))]
    caption = (
        f"{_CLASSES} A collapsed seed's predictions, or their signs, are (almost) constant where those of the labels "
        f"are not. {_BENEATH}"
    )
    return Table(title, caption, [*columns, "collapsed"], rows, beneath, 2, notes)


def _classes_table(results: Results, task: str, title: str) -> Table:
    """What was measured, where the paper's numbers are of another corpus."""
    metrics = [f"{task}_{score}" for score in ("precision", "recall", "f1")]
    rows = [
        [
            row.variant.recipe,
            _needs(row.variant.recipe),
            *(spread_text(row.figures[m]) for m in metrics),
            f"{row.collapsed} of {len(row.seeds)}",
        ]
        for row in results.whole
    ]
    beneath = [
        [f"constant: {name}", NONE, *(number_text(values[m]) for m in metrics), NONE]
        for name, values in results.trivial.items()
    ]
    caption = f"{_CLASSES} A collapsed seed's predictions, or their signs, are (almost) constant. {_BENEATH}"
    return Table(title, caption, ["recipe", "needs", "P", "R", "F1", "collapsed"], rows, beneath, 2)


def _published_table(results: Results) -> Table:
    names, notes = _marked(results.whole, "binary")
    rows = [
        [name, *(number_text(PUBLISHED[row.variant.recipe].get(metric), 2) for metric in PUBLISHED_METRICS)]
        for name, row in zip(names, results.whole, strict=True)
        if row.variant.recipe in PUBLISHED
    ]
    caption = "What the paper reports of these recipes, of the whole CMU-MOSI. This grid is of another corpus."
    columns = ["recipe", *(METRICS[metric].heading for metric in PUBLISHED_METRICS)]
    return Table("The paper's numbers, of another corpus", caption, columns, rows, notes=notes, folded=True)


def _measured_table(results: Results) -> Table:
    rows = [
        [
            row.variant.recipe,
            *(f"{spread_text(f)}\n{interval_text(f.low, f.high)}".strip() for f in (row.figures[m] for m in MEASURED)),
        ]
        for row in results.whole
    ]
    beneath = [
        [f"constant: {name}", *(number_text(values[m]) for m in MEASURED)] for name, values in results.trivial.items()
    ]
    caption = (
        "Mean ± standard deviation over seeds, and 95 % intervals of the mean over videos and seeds. "
        "MAE in label units; ±3 are the classes at both ends."
    )
    headings = [METRICS[name].heading_with_arrow for name in MEASURED]
    return Table("Measured, with intervals", caption, ["recipe", *headings], rows, beneath)


def _comparison_table(results: Results) -> Table:
    columns, rows = _families(results, results.comparisons, KIND_HEADINGS)
    caption = (
        "Difference in mean absolute error, translation minus baseline, on the segments that both scored: negative is "
        "better than the baseline. In brackets 95 % intervals. Tests resample videos and seeds; Holm's correction is "
        "over all translations that were tested against one kind of baseline."
    )
    return Table("Translations against their baselines", caption, ["translation", *columns], rows)


def _fusions_table(results: Results) -> Table:
    columns, rows = _families(results, results.fusions, FUSION_HEADINGS)
    caption = (
        "Difference in mean absolute error, fusion minus baseline, on the segments that both scored: negative is "
        "better than the baseline. In brackets 95 % intervals. Tests resample videos and seeds; Holm's correction is "
        "over all fusions that were tested against one kind of baseline. All rows have the same records, training and "
        "metrics; the papers of these models have others."
    )
    return Table("Fusion models against baselines", caption, ["fusion", *columns], rows)


def _families(
    results: Results, families: Mapping[str, Mapping[str, Comparison]], headings: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Headings of all columns but the first, and rows, of comparisons by kind and recipe."""
    kinds = [kind for kind, family in families.items() if family]
    rows = []
    for row in results.whole:
        family = [families[kind].get(row.variant.recipe) for kind in kinds]
        if any(family):
            rows.append([row.variant.recipe, *(cell for comparison in family for cell in _compared(comparison))])
    columns = [name for kind in kinds for name in (f"MAE against {headings[kind]}", "p", "p (Holm)")]
    return columns, rows


def _compared(comparison: Comparison | None, named: bool = True) -> tuple[str, str, str]:
    """Difference, beneath it the baseline if `named` and not the same recipe, and p-values."""
    if comparison is None:
        return NONE, NONE, NONE
    difference = comparison.difference
    sign = "+" if difference.mean > 0 else ""
    cell = f"{sign}{number_text(difference.mean)} {interval_text(difference.low, difference.high, 3)}".strip()
    name = f"\n{comparison.baseline.recipe}" if named and not comparison.baseline.untrained else ""
    return cell + name, p_value_text(difference.p_value), p_value_text(comparison.adjusted)


def _controls_table(results: Results) -> Table:
    rows, metrics = [], ("mae", "acc2_has0")
    for row in results.translations:
        recipe = parse(row.variant.recipe)
        controls = [results.rows.get(v) for v in (Variant(str(recipe), untrained=True), Variant(str(recipe.inputs)))]
        if any(controls):
            shown = [row, *controls]
            cells = [NONE if r is None else spread_text(r.figures[m]) for m in metrics for r in shown]
            rows.append([str(recipe), str(recipe.inputs), *cells])
    who = ("trained", "untrained", "source")
    columns = ["translation", "source", *(f"{METRICS[metric].heading} {name}" for metric in metrics for name in who)]
    caption = (
        "What the translation adds: its encoder as trained, the same encoder as initialised and frozen, and the same "
        "regressor on the source features themselves. All three read the same input at test time."
    )
    return Table("Controls", caption, columns, rows, text_columns=2)


def _variants_table(grid: CollectedGrid, results: Results) -> Table:
    rows = []
    for variant, row in results.rows.items():
        if variant.name:
            plain, comparison = results.rows.get(variant.plain), results.variants.get(variant)
            cells = [NONE if r is None else spread_text(r.figures["mae"]) for r in (row, plain)]
            rows.append([variant.title, *cells, *_compared(comparison, named=False)])
    fields = "; ".join(
        f"{name}: {', '.join(f'{field}={value}' for field, value in fields.items())}"
        for name, fields in grid.description.get("variants", {}).items()
    )
    caption = (
        f"The same recipes with some fields of the configuration changed ({fields}). The difference in mean absolute "
        "error is to the plain configuration with the same labels: negative is better. In brackets 95 % intervals. "
        "Tests resample videos and seeds; Holm's correction is over all rows."
    )
    columns = ["variant", "MAE", "MAE plain", "difference", "p", "p (Holm)"]
    return Table("Variants", caption, columns, rows)


def _quality_table(results: Results) -> Table:
    rows = [
        [row.variant.recipe, *(spread_text(row.quality[name]) for name in QUALITIES)]
        for row in results.translations
        if row.quality
    ]
    columns = ["translation", "R² free-running", "sources shuffled", "teacher-forced", "copying the last frame"]
    caption = (
        "Quality of the last translation on standardised targets, R² against the train mean. A translation that uses "
        "its source is better than with sources shuffled."
    )
    return Table("Translation", caption, columns, rows)


def _robustness_table(results: Results) -> Table:
    rows = [
        [variant.title, modality, *(spread_text(figures[kind]) for kind in ROBUSTNESS_HEADINGS)]
        for variant, row in results.rows.items()
        for modality, figures in row.robustness.items()
    ]
    caption = (
        "MAE when one modality is corrupted, mean over the levels: shares of 0 to 1 of segments or steps, noise of 0 "
        "to 2.5 train standard deviations. ± is the standard deviation over the seeds that have curves. A modality "
        "that a run does not read when it predicts has no row: it changes nothing."
    )
    return Table("Robustness", caption, ["run", "modality", *ROBUSTNESS_HEADINGS.values()], rows, text_columns=2)


def _labels_table(results: Results) -> Table:
    fractions = sorted({variant.label_fraction for variant in results.rows})
    if len(fractions) == 1:
        return Table("Few labels", "", [], [])
    variants = [variant for variant in results.rows if variant.label_fraction == 1]
    rows = []
    for variant in variants:
        found = [results.rows.get(replace(variant, label_fraction=fraction)) for fraction in fractions]
        rows.append([variant.title, *(NONE if row is None else spread_text(row.figures["mae"]) for row in found)])
    columns = ["", *(f"{100 * fraction:g} % of labels" for fraction in fractions)]
    return Table("Few labels", "MAE when the sentiment phase sees a share of the train labels.", columns, rows)
