"""Measurement of a whole grid, beside the same grid by the code of another checkout."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from mmtrans.synthetic.corpus import synthesize
from tools.benchmark_figures import Results
from tools.benchmark_options import Options
from tools.benchmark_process import Usage, run_measured
from tools.benchmark_rounds import thread_variables

ROOT = Path(__file__).resolve().parents[2]

#: Videos of the synthetic corpus have about 22 segments each.
SEGMENTS_PER_VIDEO = 22


def measure_grid(options: Options) -> Results:
    """The `mmtrans grid` command, one seed, and after it the same by the code of `--tree`, on records of its own.

    Returns:
        `wall_s`, `cpu_s`, `peak_rss_mib` (with children) and `phases` of ours; with a tree its `tree_wall_s`,
        `tree_cpu_s`, `tree_peak_rss_mib` and `tree_phases`, and ours divided by its: `wall_ratio` and `cpu_ratio`.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        corpus = Path(directory) / "corpus"
        synthesize(corpus, videos=max(3, round(options.segments / SEGMENTS_PER_VIDEO)))
        ours, phases = _grid(ROOT, sys.executable, corpus, options)
        if options.tree is None:
            return _figures(ours, phases)
        interpreter = os.path.abspath(options.python) if os.sep in options.python else options.python
        theirs, their_phases = _grid(Path(options.tree).resolve(), interpreter, corpus, options)
    return {
        **_figures(ours, phases),
        **{f"tree_{name}": value for name, value in _figures(theirs, their_phases).items()},
        "wall_ratio": round(ours.wall_seconds / theirs.wall_seconds, 3),
        "cpu_ratio": round(ours.cpu_seconds / theirs.cpu_seconds, 3),
    }


def _figures(usage: Usage, phases: int) -> Results:
    return {
        "wall_s": round(usage.wall_seconds, 3),
        "cpu_s": round(usage.cpu_seconds, 3),
        "peak_rss_mib": usage.peak_rss_mib,
        "phases": phases,
    }


def _grid(tree: Path, interpreter: str, corpus: Path, options: Options) -> tuple[Usage, int]:
    """What a grid took, without its records, and how many phases it has."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        records, out = Path(directory) / "records", Path(directory) / "grid"
        _run(tree, interpreter, ["convert", str(corpus), str(records)])
        usage = _run(tree, interpreter, ["grid", "--data", str(records), "--out", str(out), *_flags(options)])
        return usage, len(list((out / "phases").iterdir()))


def _run(tree: Path, interpreter: str, arguments: list[str]) -> Usage:
    # The command chooses its threads as it does for everybody.
    environment = {name: value for name, value in os.environ.items() if name not in thread_variables(1)}
    environment["PYTHONPATH"] = str(tree)
    return run_measured([interpreter, "-m", "mmtrans.cli.main", *arguments], environment, tree)


def _flags(options: Options) -> list[str]:
    sizes = dict.fromkeys(("units", "attention-units", "decoder-units", "regressor-units"), options.units)
    numbers = {**sizes, "epochs": options.epochs, "batch-size": options.batch_size, "jobs": options.jobs, "seeds": 1}
    flags = [text for name, value in numbers.items() for text in (f"--{name}", str(value))]
    recipes = Path(options.recipes)
    named = str(recipes.resolve()) if recipes.is_file() else options.recipes
    return ["--recipes", named, "--no-bidirectional", "--quiet", *flags]
