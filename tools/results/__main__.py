"""`python -m tools.results`: writes the tables, figures and maps of `docs` and README from the files of `docs/results`.

With `--keep FILE.json --command TEXT NAME=DIR …` it first makes such a file, of runs, or of ensembles on valid.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmtrans.system.files import write_atomically
from tools.figures.provenance import ROOT, provenance
from tools.results.keep import ceilings_of, ensembles_of, runs_of
from tools.results.pages import draw_maps, write_pages


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Writes what is asked for into a checkout; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.results", description="Writes the figures of the pages.")
    parser.add_argument("places", nargs="*", metavar="NAME=DIR", help="runs, or what mmtrans evaluate --out wrote")
    parser.add_argument("--keep", metavar="FILE.json", help="keep their figures in docs/results under this name")
    parser.add_argument("--ensembles", action="store_true", help="they are of ensembles on valid")
    parser.add_argument("--command", metavar="TEXT", help="the commands that made them")
    parser.add_argument("--truth", metavar="FILE", type=Path, help="ground_truth.json, to keep the best scores")
    options = parser.parse_args(arguments)
    if options.keep:
        places = {name: Path(place) for name, _, place in (text.partition("=") for text in options.places)}
        figures = (ensembles_of if options.ensembles else runs_of)(places)
        figures |= {} if options.truth is None else ceilings_of(options.truth)
        content = {**provenance(options.command or ""), **figures}
        write_atomically(root / "docs" / "results" / options.keep, json.dumps(content, indent=1) + "\n")
    write_pages(root)
    draw_maps(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
