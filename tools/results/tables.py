"""Tables of files of figures, in Markdown, one form for each tool that writes such files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmtrans.evaluation.metrics import METRICS
from tools.figures.ways import SHOWN, cell, markdown_table, ways_lines
from tools.study.rank import Ranked
from tools.study.results import Cell, World, clear_sign, table_lines

#: Figures of a translation → their headings.
_TRANSLATION = {
    "translation/r2": "R² of what is decoded",
    "translation/source_shuffled_r2": "from another segment's source",
    "translation/copy_last_r2": "of the frame before",
    "translation/teacher_forced_r2": "where it is fed true frames",
}


def table_of(content: Mapping[str, Any], asked: Sequence[str]) -> list[str]:
    """The table of a file.

    Args:
        content: what the file holds.
        asked: of `runs` the split and its metrics, of `lines` without a comparator the figures, of `worlds` the world,
            or nothing for a row a recipe and a column a world; else empty.
    """
    if "ways" in content:
        return ways_lines(content)
    if "mean_ranks" in content:
        return list(_rank_lines(content["cases"], content["mean_ranks"]))
    if "worlds" in content and not asked:
        return list(_world_lines(content["worlds"]))
    if "worlds" in content:
        return list(table_lines(content["worlds"][asked[0]], content["against"]))
    if "ensembles" in content:
        return list(_ensemble_lines(content["ensembles"]))
    if "runs" in content:
        return list(_run_lines(content["runs"], *asked))
    if "ratio" in content["lines"][-1]:
        return list(_ratio_lines(content["lines"]))
    return list(_figure_lines(content["lines"][-1]["results"], asked))


def at(content: Any, path: str) -> Any:
    """What lies at a path of keys and places: `ways/all/mae/value`, `lines/-1/results/cpu_s`."""
    for key in path.split("/"):
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def _world_lines(worlds: Mapping[str, World]) -> Iterator[str]:
    """MAE of each row in each world, bold where it is below that of the row which all are held against, by an interval
    clear of zero. The last rows are what readers can reach."""
    rows: dict[str, list[str]] = {}
    for place, world in enumerate(worlds.values()):
        readers = {f"*ceiling: {reader}*": cell(value) for reader, value in world.get("ceilings", {}).items()}
        for name, text in [*((each["row"], _error(each)) for each in world["cells"]), *readers.items()]:
            rows.setdefault(name, [""] * len(worlds))[place] = text
    yield from markdown_table(["MAE", *worlds], ([name, *texts] for name, texts in rows.items()))


def _error(found: Cell) -> str:
    mae, difference = found["mae"], found["difference"]
    text = cell(mae["value"], mae["low"], mae["high"])
    return f"**{text}**" if difference is not None and clear_sign(difference) < 0 else text


def _rank_lines(cases: Mapping[str, Mapping[str, Ranked]], means: Mapping[str, float]) -> Iterator[str]:
    """Error and rank of each row in each case, the lowest error bold, and the means of the ranks."""
    rows = list(next(iter(cases.values())))
    lines = [[case, *(_ranked(found[row]) for row in rows)] for case, found in cases.items()]
    best = min(means.values())
    last = [f"**{means[row]:.1f}**" if means[row] == best else f"{means[row]:.1f}" for row in rows]
    yield from markdown_table(["MAE (rank)", *rows], [*lines, ["mean rank", *last]])


def _ranked(found: Ranked) -> str:
    text = f"{cell(found['error'])} ({found['rank']})"
    return f"**{text}**" if found["rank"] == 1 else text


def _ensemble_lines(ensembles: Mapping[str, Any]) -> Iterator[str]:
    seeds = sorted({seed for each in ensembles.values() for seed in each["seeds"]}, key=int)
    head = ["MAE", *(f"seed {seed}" for seed in seeds), "mean", "ensemble", *list(SHOWN.values())[1:]]
    rows = []
    for name, each in ensembles.items():
        of_all = each["ensemble"]
        cells = [cell(each["seeds"][seed]) if seed in each["seeds"] else "" for seed in seeds]
        cells += [cell(each["mean"]), cell(of_all["mae"], of_all["mae_low"], of_all["mae_high"])]
        rows.append([name, *cells, *(cell(of_all[metric]) for metric in list(SHOWN)[1:])])
    yield from markdown_table(head, rows)


def _run_lines(runs: Mapping[str, Any], split: str, *metrics: str) -> Iterator[str]:
    headings = {**{name: metric.heading for name, metric in METRICS.items()}, **_TRANSLATION}
    rows = ([f"`{name}`", *(cell(at(run[split], metric)) for metric in metrics)] for name, run in runs.items())
    yield from markdown_table(["", *(headings[metric] for metric in metrics)], rows)


def _figure_lines(figures: Mapping[str, float | None], asked: Sequence[str]) -> Iterator[str]:
    rows = ([f"`{name}`", *(str(figures.get(name + end, "")) for end in ("", "_low", "_high"))] for name in asked)
    yield from markdown_table(["", "median", "lowest", "highest"], rows)


def _ratio_lines(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each rate of a comparator beside ours: medians, and the ratio with its lowest and highest round."""
    compared = [line for line in lines if "ratio" in line]
    rows = (
        [
            f"`{line['figure']}`",
            str(line["ours"]),
            str(line["theirs"]),
            cell(line["ratio"], line["ratio_low"], line["ratio_high"]),
            str(line["rounds"]),
        ]
        for line in compared
    )
    yield from markdown_table(["", "ours", f"`{compared[0]['against']}`", "ratio [lowest to highest]", "rounds"], rows)
