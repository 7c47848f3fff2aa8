"""`python -m tools.words_page [NAME=DIR …]`: the tables of `docs/words.md`, written from `docs/results`.

In the page a table stands below a comment that names its file. Those with `ways` are of `tools.cross_validate`; of the
others, `NAME=DIR` writes that of ensembles on valid, from the directories that `mmtrans evaluate … --out DIR` wrote.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmtrans.system.files import write_atomically
from tools.cross_validate import table_lines

DOCS = Path(__file__).parent.parent / "docs"

#: File of the ensembles on valid.
VALID = "mosi-text-valid.json"

_TABLE = re.compile(r"<!-- (\S+\.json) -->\n(?:\|.*\n)*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.words_page", description="Writes the tables of words.md.")
    parser.add_argument("ensembles", nargs="*", metavar="NAME=DIR", help="of mmtrans evaluate --split valid --out DIR")
    named = [text.partition("=")[::2] for text in parser.parse_args(arguments).ensembles]
    if named:
        found = {name: ensemble(json.loads((Path(place) / "metrics.json").read_text())) for name, place in named}
        write_atomically(DOCS / "results" / VALID, json.dumps(found, indent=1) + "\n")
    page = DOCS / "words.md"
    write_atomically(page, with_tables(page.read_text(encoding="utf-8"), DOCS / "results"))
    return 0


def with_tables(page: str, results: Path) -> str:
    """A page with its tables as the files of a directory have them."""

    def written(match: re.Match) -> str:
        content = json.loads((results / match[1]).read_text(encoding="utf-8"))
        lines = table_lines(content) if "ways" in content else _ensemble_lines(content)
        return "\n".join([f"<!-- {match[1]} -->", *lines]) + "\n"

    return _TABLE.sub(written, page)


def ensemble(metrics: Mapping) -> dict:
    """What is kept of an ensemble's `metrics.json`: MAE of each seed on valid, their mean, and the ensemble's."""
    valid = metrics["valid"]
    return {
        "seeds": {str(member["seed"]): member["mae"] for member in valid["members"]},
        "mean": valid["members_mean"]["mae"],
        "ensemble": {name: valid[name] for name in ("mae", "mae_low", "mae_high", "pearson", "acc2_has0", "acc2_non0")},
    }


def _ensemble_lines(content: Mapping) -> Iterator[str]:
    seeds = sorted({seed for each in content.values() for seed in each["seeds"]}, key=int)
    head = ["MAE", *(f"seed {seed}" for seed in seeds), "mean", "ensemble", "r", "Acc-2 (≥0)", "Acc-2 (≠0)"]
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for name, each in content.items():
        of_all = each["ensemble"]
        cells = [f"{each['seeds'][seed]:.3f}" if seed in each["seeds"] else "" for seed in seeds]
        interval = f"{of_all['mae']:.3f} [{of_all['mae_low']:.3f}, {of_all['mae_high']:.3f}]"
        cells += [f"{each['mean']:.3f}", interval]
        cells += [f"{of_all[metric]:.3f}" for metric in ("pearson", "acc2_has0", "acc2_non0")]
        yield "| " + " | ".join([name, *cells]) + " |"


if __name__ == "__main__":
    sys.exit(main())
