"""The table of ways to train that are compared, as `tools.cross_validate` finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmtrans.evaluation.metrics import METRICS
from mmtrans.report.numbers import interval_text, number_text

#: Metrics of a table: the key → its heading.
SHOWN = {name: METRICS[name].heading for name in ("mae", "pearson", "acc2_has0", "acc2_non0")}


def ways_lines(results: Mapping[str, Any]) -> list[str]:
    """The table of `tools.cross_validate`."""
    return list(
        markdown_table(["", "models", *SHOWN.values(), f"MAE against {results['against']}"], _ways(results["ways"]))
    )


def cell(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A number, with its interval where there is one."""
    interval = interval_text(low, high, 3).replace(" ", "\N{NO-BREAK SPACE}")
    return f"{number_text(value)} {interval}".strip()


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def _ways(ways: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, way in ways.items():
        difference = way["mae_difference"]
        beside = "" if difference is None else cell(difference["mean"], difference["low"], difference["high"])
        metrics = [cell(way[metric]["value"], *way[metric]["interval"]) for metric in SHOWN]
        yield [name, str(way["members"]), *metrics, beside]
