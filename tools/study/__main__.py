"""`python -m tools.study FILE.yaml --out DIR`: the same grid in each of several worlds.

FILE says how the synthetic worlds differ, by flags of `mmtrans synthesize`, and what is trained in each: recipes,
variants, controls and shares of the labels as of `mmtrans grid`. Each row is held against the recipe `against`, with
the same labels, by absolute error on test. `DIR/results.json` and `DIR/results.md` have the figures, and `DIR/map.png`
shows in which worlds and with how many labels a row has the lower error. The same command goes on after a kill, in
`--jobs` processes or on a cluster; several commands, with some of the `--worlds` each, may run side by side; and
`--results-only` tells what is finished so far. `examples/translation_pays.yaml` asks when translating speech pays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmtrans.cli.main import main as mmtrans
from mmtrans.report.collect import CollectedGrid, Trained, collect
from mmtrans.system.console import say, warn
from mmtrans.system.files import write_atomically
from mmtrans.system.quiet import import_keras_alone
from tools.figures.provenance import command_of, provenance
from tools.study.ceilings import ceilings_of
from tools.study.commands import commands_for
from tools.study.definition import Study, read_study
from tools.study.map import plot_map
from tools.study.results import Results, findings, to_markdown, world_results


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes and trains what is missing, and writes the results; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.study", description="Trains one grid in several worlds.")
    parser.add_argument("file", metavar="FILE.yaml", type=Path, help="the study: see examples/translation_pays.yaml")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="directory of worlds, grids and results")
    parser.add_argument("--jobs", metavar="N", help="trainings at a time, in processes, as of mmtrans grid")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="or on a dask cluster, as of mmtrans grid")
    parser.add_argument("--worlds", metavar="NAME,…", help="train in these worlds of the file alone")
    parser.add_argument("--results-only", action="store_true", help="train nothing, and tell what is finished")
    options = parser.parse_args(arguments)
    engine = ["--jobs", options.jobs] if options.jobs else []
    engine += ["--scheduler", options.scheduler] if options.scheduler else []
    try:
        study = read_study(options.file)
        for name in [] if options.results_only else _chosen(study, options.worlds):
            world = {**study.synthesize, **study.worlds[name]}
            for command in commands_for(study, world, _place(options.out, name)):
                if code := mmtrans([*command, *(engine if command[0] == "grid" else [])]):
                    return code
            # What is there so far, as the next world may take hours.
            _write(options, _found(study, options.out))
        results = _found(study, options.out)
        _write(options, results)
    except (ValueError, FileNotFoundError) as error:
        warn(str(error))
        return 2
    for sentence in findings(results):
        say(sentence)
    say(f"Results: {options.out / 'results.md'}, {options.out / 'map.png'}.")
    return 0


def _chosen(study: Study, names: str | None) -> list[str]:
    """The worlds to train in."""
    chosen = list(study.worlds) if names is None else names.split(",")
    if unknown := [name for name in chosen if name not in study.worlds]:
        raise ValueError(
            f"--worlds names what the study has not. Expected some of {list(study.worlds)}. Received: "
            f"worlds={','.join(unknown)}. Correct the names."
        )
    return chosen


def _place(out: Path, name: str) -> Path:
    """The directory of a world."""
    return out / "worlds" / name


def _found(study: Study, out: Path) -> Results:
    """What is finished in all worlds, whoever trained it."""
    worlds = {}
    for name in study.worlds:
        place = _place(out, name)
        if any((place / "grid" / "runs").glob("*/predictions.csv")):
            grid = collect(place / "grid")
            worlds[name] = world_results(grid, study.against, _without(grid, study, place))
            worlds[name]["ceilings"] = ceilings_of(place / "corpus", grid.description["metric_split"])
    if not worlds:
        raise ValueError(
            f"Nothing is finished yet. Expected trained rows. Received: out={out}. Leave out --results-only."
        )
    return {"against": study.against, "worlds": worlds}


def _without(grid: CollectedGrid, study: Study, place: Path) -> list[tuple[str, Trained]]:
    """The rows of a world that are scored again where test lacks a modality."""
    if study.without is None:
        return []
    import_keras_alone()
    from tools.study.without import rows_without

    return rows_without(grid, study.without, place / "without")


def _write(options: argparse.Namespace, results: Results) -> None:
    """Writes `results.json`, `results.md` and `map.png`."""
    # Who trained what, and how many at a time, is of no account.
    command = command_of("tools.study", [str(options.file), "--out", str(options.out)])
    content = json.dumps({**provenance(command), **results}, indent=1)
    write_atomically(options.out / "results.json", content + "\n")
    write_atomically(options.out / "results.md", to_markdown(results))
    plot_map(options.out / "map.png", results)


if __name__ == "__main__":
    sys.exit(main())
