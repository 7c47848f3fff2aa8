"""Repeated measurements, each in a process of its own, alternating with a comparator's."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from tools.benchmark_figures import Line, Ratio, ratios, summarize
from tools.benchmark_process import run_measured


class OwnLine(Line):
    """A line of ours, with the name of the measurement."""

    bench: str


class TheirLine(Line, total=False):
    """A line of a comparator, which may have a name."""

    bench: str


class Summarized(TypedDict):
    """The spread of every figure over several processes."""

    bench: str
    summary_of: int
    results: dict[str, float]


class RatioLine(Ratio):
    """A ratio, with the two that are compared and the number of rounds."""

    bench: str
    against: str
    rounds: int


@dataclass(frozen=True)
class Comparator:
    """Somebody else's benchmark: a script that prints one JSON line with numbers under `results`.

    Args:
        script: the script.
        interpreter: the Python that runs it.
        arguments: arguments of the script, as one would type them.

    Raises:
        FileNotFoundError: no such script.
    """

    script: str
    interpreter: str = sys.executable
    arguments: str = ""

    def __post_init__(self) -> None:
        if not Path(self.script).is_file():
            raise FileNotFoundError(
                f"There is no such comparator. Expected a Python script. Received: against={self.script!r}. "
                f"Check its path."
            )

    @property
    def command(self) -> list[str]:
        return [self.interpreter, self.script, *shlex.split(self.arguments)]


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that hold the usual libraries to a number of threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys((*names, "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(threads))


def run_rounds(
    own_command: Sequence[str], comparator: Comparator | None, repeats: int, threads: int
) -> Iterator[Line | Summarized | RatioLine]:
    """Runs A B A B … and yields each process' line as it comes, then a summary, then the ratios.

    Args:
        own_command: the command that prints our line.
        comparator: the benchmark that prints the other line; `None` to repeat ours only.
        repeats: number of rounds.
        threads: threads of each process.

    Raises:
        ValueError: a process fails, or prints no such line, or there is nothing to compare.
    """
    environment = {**os.environ, **thread_variables(threads)}
    ours: list[OwnLine] = []
    theirs: list[TheirLine] = []
    for _ in range(repeats):
        ours.append(cast(OwnLine, _run_line(own_command, environment)))
        yield ours[-1]
        if comparator is not None:
            theirs.append(cast(TheirLine, _run_line(comparator.command, environment)))
            yield theirs[-1]
    name = ours[0]["bench"]
    yield {"bench": name, "summary_of": repeats, "results": summarize(ours)}
    if comparator is not None:
        other = Path(comparator.script).name
        yield {"bench": theirs[0].get("bench", other), "summary_of": repeats, "results": summarize(theirs)}
        for ratio in ratios(ours, theirs):
            yield {"bench": name, "against": other, "rounds": repeats, **ratio}


def _run_line(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    printed = run_measured(command, environment).stdout.strip().splitlines()
    last = printed[-1] if printed else ""
    try:
        line = json.loads(last)
    except json.JSONDecodeError:
        line = None
    if not isinstance(line, dict) or not isinstance(line.get("results"), dict):
        raise ValueError(
            f"A benchmark's last line is not understood. Expected one JSON object with results. "
            f"Received: {last[:200]!r} ({' '.join(command)}). Run it by itself."
        )
    return line
