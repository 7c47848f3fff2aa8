"""`python -m tools.study FILE.yaml --out DIR`: the same grid in each of several worlds.

FILE says how the synthetic worlds differ, by flags of `mmtrans synthesize`, and what is trained in each: recipes,
variants, controls and shares of the labels as of `mmtrans grid`. Each row is held against the recipe `against`, with
the same labels, by absolute error on test. `DIR/results.json` and `DIR/results.md` have the figures, and `DIR/map.png`
shows in which worlds and with how many labels a row has the lower error. The same command goes on after a kill, in
`--jobs` processes or on a cluster. `examples/translation_pays.yaml` asks when translating speech pays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmtrans.cli.main import main as mmtrans
from mmtrans.report.collect import collect
from mmtrans.system.console import say, warn
from mmtrans.system.files import write_atomically
from tools.study.commands import commands_for
from tools.study.definition import read_study
from tools.study.map import plot_map
from tools.study.results import Results, findings, to_markdown, world_results


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes and trains what is missing, and writes the results; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.study", description="Trains one grid in several worlds.")
    parser.add_argument("file", metavar="FILE.yaml", type=Path, help="the study: see examples/translation_pays.yaml")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="directory of worlds, grids and results")
    parser.add_argument("--jobs", metavar="N", help="trainings at a time, in processes, as of mmtrans grid")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="or on a dask cluster, as of mmtrans grid")
    options = parser.parse_args(arguments)
    engine = ["--jobs", options.jobs] if options.jobs else []
    engine += ["--scheduler", options.scheduler] if options.scheduler else []
    try:
        study = read_study(options.file)
        worlds = {}
        for name, world in study.worlds.items():
            place = options.out / "worlds" / name
            for command in commands_for(study, {**study.synthesize, **world}, place):
                if code := mmtrans([*command, *(engine if command[0] == "grid" else [])]):
                    return code
            worlds[name] = world_results(collect(place / "grid"), study.against)
            # What is there so far, as the next world may take hours.
            _write(options.out, {"against": study.against, "worlds": worlds})
    except (ValueError, FileNotFoundError) as error:
        warn(str(error))
        return 2
    for sentence in findings({"against": study.against, "worlds": worlds}):
        say(sentence)
    say(f"Results: {options.out / 'results.md'}, {options.out / 'map.png'}.")
    return 0


def _write(out: Path, results: Results) -> None:
    """Writes `results.json`, `results.md` and `map.png`."""
    write_atomically(out / "results.json", json.dumps(results, indent=1) + "\n")
    write_atomically(out / "results.md", to_markdown(results))
    plot_map(out / "map.png", results)


if __name__ == "__main__":
    sys.exit(main())
