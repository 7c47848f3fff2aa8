"""The figures of a measurement: medians with their spread, and ratios between variants."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

#: Endings of the figures that are rates, the ones that variants are compared by.
RATES = ("segments_per_s", "beam_tokens_per_s")

_SPREAD = ("_low", "_high")

#: Name of a figure → its value, `None` where the system does not tell it.
Results = dict[str, float | None]


class Line(TypedDict):
    """What is read of a line that a process prints: figures, which a comparator may nest."""

    results: Mapping[str, object]


class Ratio(TypedDict):
    """One rate of ours divided by theirs: median and spread over the rounds; and the medians of both."""

    figure: str
    ratio: float
    ratio_low: float
    ratio_high: float
    ours: float
    theirs: float


def spread(name: str, values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """`{name: median, name_low: smallest, name_high: largest}` of one figure's repeats."""
    figures = (statistics.median(values), min(values), max(values))
    return {f"{name}{end}": round(value, digits) for end, value in zip(("", *_SPREAD), figures, strict=True)}


def flatten(results: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yields the numbers of nested results by their path, e.g. `frames/packed/segments_per_s`."""
    for name, value in results.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}{name}", value


def summarize(lines: Sequence[Line]) -> dict[str, float]:
    """The spread of every figure over the `results` of several processes.

    A process' own lows and highs (of its epochs) are left out: what varies between processes is the larger part.
    """
    columns: dict[str, list[float]] = {}
    for line in lines:
        for name, value in flatten(line["results"]):
            if not name.endswith(_SPREAD):
                columns.setdefault(name, []).append(value)
    return {key: value for name, values in columns.items() for key, value in spread(name, values).items()}


def ratios(ours: Sequence[Line], theirs: Sequence[Line]) -> list[Ratio]:
    """Ours divided by theirs, for every rate of theirs that we have too.

    Neighbours in time are compared, round by round, since a machine's speed drifts.

    Args:
        ours: our lines, one a round.
        theirs: the comparator's lines, one a round; a rate need not be in each.

    Returns:
        the ratio of each rate, by its path in theirs.

    Raises:
        ValueError: nothing to compare.
    """
    pairs: dict[str, list[tuple[float, float]]] = {}
    for mine, other in zip(ours, theirs, strict=True):
        own = dict(flatten(mine["results"]))
        for path, value in flatten(other["results"]):
            rate = next((rate for rate in RATES if path.endswith(rate) and rate in own), None)
            if rate is not None and value > 0:
                pairs.setdefault(path, []).append((own[rate], value))
    if not pairs:
        own, other = (sorted(dict(flatten(lines[0]["results"]))) for lines in (ours, theirs))
        raise ValueError(
            f"Nothing to compare. Expected results that end in {' or '.join(RATES)} on both sides. "
            f"Received: ours={own}, theirs={other}. Choose another measurement or comparator."
        )
    return [_ratio(path, values) for path, values in pairs.items()]


def _ratio(path: str, rounds: Sequence[tuple[float, float]]) -> Ratio:
    found = spread("ratio", [mine / other for mine, other in rounds])
    return {
        "figure": path,
        "ratio": found["ratio"],
        "ratio_low": found["ratio_low"],
        "ratio_high": found["ratio_high"],
        "ours": statistics.median(mine for mine, _ in rounds),
        "theirs": statistics.median(other for _, other in rounds),
    }
