"""Measurements of whole commands: conversion, and how soon the command line answers."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from tools.benchmark_figures import Results, spread
from tools.benchmark_options import Options
from tools.benchmark_process import run_measured

#: Videos of the synthetic corpus have about 22 segments each.
SEGMENTS_PER_VIDEO = 22

#: Starts are short, and the first one also reads the files from disk.
START_RUNS = 5


def measure_convert(options: Options) -> Results:
    """The whole `mmtrans convert` command in a process of its own; and reading and aligning alone, in this one.

    With several jobs on clusters instead: see `measure_parts`.

    Returns:
        `wall_s`, `cpu_s` and `peak_rss_mib` (with children) of the command, its `segments` and `segments_per_s`,
        `frames` of the .csd files (`None` for another format), and `read_s`, `read_segments_per_s` without records.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        source = Path(options.source) if options.source else _synthesize(options, Path(directory) / "corpus")
        if options.jobs > 1:
            from tools.engine.scheduling import measure_parts

            return measure_parts(options, source)
        command = [sys.executable, "-m", "mmtrans.cli.main", "convert", str(source), str(Path(directory) / "records")]
        usage = run_measured([*command, "--json"])
        described = json.loads(usage.stdout.splitlines()[-1])
        segments = sum(split["segments"] for split in described["splits"].values())
        read_seconds, num_read = _read(source)
        return {
            "wall_s": round(usage.wall_seconds, 3),
            "cpu_s": round(usage.cpu_seconds, 3),
            "peak_rss_mib": usage.peak_rss_mib,
            "segments": segments,
            "segments_per_s": round(segments / usage.wall_seconds, 1),
            "frames": _count_frames(source) if described["source"] == "csd" else None,
            "read_s": round(read_seconds, 3),
            "read_segments_per_s": round(num_read / read_seconds, 1),
        }


def _synthesize(options: Options, directory: Path) -> Path:
    from mmtrans.synthetic.corpus import synthesize

    synthesize(directory, videos=max(3, round(options.segments / SEGMENTS_PER_VIDEO)))
    return directory


def _read(source: Path) -> tuple[float, int]:
    """Seconds of opening, reading and aligning a corpus, and its number of segments."""
    from mmtrans.sources.open import open_corpus

    start = time.perf_counter()
    num_read = sum(1 for _ in open_corpus(source).read())
    return time.perf_counter() - start, num_read


def _count_frames(source: Path) -> int:
    """Rows of all computational sequences."""
    import h5py

    from mmtrans.sources.listing import find_hdf5_files

    rows = 0

    def count(name, item):
        nonlocal rows
        if name.endswith("/features"):
            rows += len(item)

    for path in find_hdf5_files(source):
        with h5py.File(path, "r") as file:
            file.visititems(count)
    return rows


def measure_start(options: Options) -> Results:
    """CPU and wall seconds of `mmtrans --help` and of `import mmtrans`, beside those of the bare interpreter.

    Returns:
        for each of `help`, `import` and `python` the spread over runs of `…_cpu_s` and `…_wall_s`; and `peak_rss_mib`
        of the help.
    """
    commands = {
        "help": ["-m", "mmtrans.cli.main", "--help"],
        "import": ["-c", "import mmtrans"],
        "python": ["-c", "pass"],
    }
    results: Results = {}
    for name, arguments in commands.items():
        usages = [run_measured([sys.executable, *arguments]) for _ in range(START_RUNS)]
        results.update(spread(f"{name}_cpu_s", [usage.cpu_seconds for usage in usages]))
        results.update(spread(f"{name}_wall_s", [usage.wall_seconds for usage in usages]))
        if name == "help":
            results["peak_rss_mib"] = max(usage.peak_rss_mib or 0.0 for usage in usages) or None
    return results
