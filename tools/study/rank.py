"""`python -m tools.study.rank FILE.json … --out RANKS.json`: which row of several comparisons is best on the whole.

A FILE is what `tools.study` wrote, whose worlds and shares of the labels are a case each, with the MAE on valid; or
what `tools.cross_validate` wrote, which is one case, with the MAE on folds of train and valid. No error on test is
read. Rows are ranked in each case, and the mean of a row's ranks tells how good it is on the whole. Only rows that all
cases have are ranked. The preset `best` has the settings of the row with the lowest mean.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from mmtrans.system.console import say, warn
from mmtrans.system.files import write_atomically
from tfrecords.stored import read_json
from tools.figures.provenance import command_of, provenance
from tools.study.results import Cases, Results, mean_ranks, ranks_of, valid_errors

#: A way of `tools.cross_validate`, whose names are identifiers → the row of a study that it is.
ROW_OF_WAY = {
    "T": "T",
    "TA": "T->A",
    "both": "T->A [both]",
    "joint": "T->A [joint]",
    "jointboth": "T->A [joint-both]",
}


class Ranked(TypedDict):
    """A row in a case."""

    error: float
    rank: int


class Ranks(TypedDict):
    """Case → row → its error and rank; and row → the mean of its ranks, the best row first."""

    cases: dict[str, dict[str, Ranked]]
    mean_ranks: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Ranks the rows, and writes the file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.study.rank", description="Ranks the rows of comparisons.")
    parser.add_argument("files", nargs="+", metavar="FILE.json", type=Path, help="what a study or folds have found")
    parser.add_argument("--out", metavar="RANKS.json", type=Path, required=True, help="file of the ranks")
    options = parser.parse_args(arguments)
    try:
        ranks = ranks_in(options.files)
    except (ValueError, FileNotFoundError) as error:
        warn(str(error))
        return 2
    content = {**provenance(command_of("tools.study.rank", arguments)), **ranks}
    write_atomically(options.out, json.dumps(content, indent=1) + "\n")
    for row, rank in ranks["mean_ranks"].items():
        say(f"{row}: mean rank {rank:.1f} of {len(ranks['cases'])} cases")
    return 0


def ranks_in(files: Sequence[Path]) -> Ranks:
    """The ranks of the rows that all cases of some files have.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file is of no comparison, or no row is in all cases.
    """
    cases: Cases = {}
    for file in files:
        found = read_json(file, dict[str, Any], "Give a file of figures.")
        cases |= {f"{file.stem}: {case}" if case else file.stem: errors for case, errors in _cases(found, file).items()}
    if not (means := mean_ranks(cases)):
        raise ValueError(
            f"No row is in all cases. Expected the same row in each. Received: "
            f"{'; '.join(f'{case}: {sorted(errors)}' for case, errors in cases.items())}. Leave a file out."
        )
    ranked = {
        case: {row: Ranked(error=cases[case][row], rank=rank) for row, rank in ranks.items()}
        for case, ranks in ranks_of(cases).items()
    }
    return {"cases": ranked, "mean_ranks": means}


def _cases(content: Mapping[str, Any], file: Path) -> Cases:
    """The cases of a file; of one case the name is empty."""
    if "worlds" in content:
        return valid_errors(Results(against=content["against"], worlds=content["worlds"]))
    if "ways" in content:
        ways = content["ways"]
        return {"": {row: ways[way]["mae"]["value"] for way, row in ROW_OF_WAY.items() if way in ways}}
    raise ValueError(
        f"The file compares no rows. Expected worlds of tools.study, or ways of tools.cross_validate. "
        f"Received: {sorted(content)} ({file}). Leave it out."
    )


if __name__ == "__main__":
    sys.exit(main())
