"""Measurements of the engine: scheduling alone, and conversion on clusters that are up."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil

from mmtrans.engine.engine import Engine
from mmtrans.engine.local import local_cluster
from mmtrans.engine.opening import opened
from mmtrans.engine.options import EngineOptions
from mmtrans.synthetic.corpus import synthesize
from tools.benchmark_figures import Results, spread
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib, run_measured, tree_rss_mib

#: Workers that are threads of one process.
SIMULATED = 50

#: Tasks that are timed one by one, and pairs of them before: less than what makes a worker give way to a new one.
TASKS, _WARM_PAIRS = 20, 2

#: Videos of the corpus that is converted before the clock runs, so that workers have imported what they need.
_WARM_VIDEOS = 3


@dataclass(frozen=True)
class Nothing:
    """Work without content.

    Args:
        path: file of the log.
    """

    tasks_per_process: ClassVar[int | None] = None

    path: Path

    def start(self) -> None:
        """Nothing."""

    def log_path(self, task: Any) -> Path:
        """The one log."""
        return self.path

    def __call__(self, task: Any) -> None:
        """Nothing."""


def measure_engine(options: Options) -> Results:
    """Empty tasks, each second one after the one before it, on simulated workers; and on processes of this machine.

    Returns:
        `tasks_per_s` and `schedule_s` of the simulated workers; CPU time of a task in the client (`client_cpu_ms`) and
        in the process of scheduler and workers (`cluster_cpu_ms`); peak memory of the client before
        (`client_start_mib`) and after (`client_peak_mib`), memory of scheduler and workers (`cluster_mib`); `task_ms`,
        what an empty task takes of a worker process, one task after another, and `start_s`, from the command to its
        first outcome.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        work = Nothing(Path(directory) / "log")
        processes = _processes(options, work)
        with _simulated() as (address, pid), opened(EngineOptions(scheduler=address), work, quiet=True) as engine:
            _do(engine, "warm", SIMULATED)
            before, cpu = peak_rss_mib(), (time.process_time(), _cpu_seconds(pid))
            seconds = _do(engine, "measured", options.tasks)
            client_cpu, cluster_cpu = time.process_time() - cpu[0], _cpu_seconds(pid) - cpu[1]
            cluster_mib = round(tree_rss_mib(pid), 1)
    return {
        "tasks_per_s": round(options.tasks / seconds, 1),
        "schedule_s": round(seconds, 3),
        "client_cpu_ms": round(1000 * client_cpu / options.tasks, 3),
        "cluster_cpu_ms": round(1000 * cluster_cpu / options.tasks, 3),
        "client_start_mib": before,
        "client_peak_mib": peak_rss_mib(),
        "cluster_mib": cluster_mib,
        **processes,
        "peak_rss_mib": peak_rss_mib(),
    }


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _processes(options: Options, work: Nothing) -> Results:
    """What tasks take of worker processes that this one starts."""
    begin = time.perf_counter()
    with opened(EngineOptions(jobs=max(2, options.jobs)), work, quiet=True) as engine:
        _do(engine, "warm", 1)
        start = time.perf_counter() - begin
        _do(engine, "warm-all", 2 * _WARM_PAIRS)
        seconds = []
        for number in range(TASKS):
            # One alone: from its submission to its outcome nothing else is done.
            seconds.append(_do(engine, f"measured-{number}", 1))
    return {**spread("task_ms", [1000 * value for value in seconds]), "start_s": round(start, 3)}


def _do(engine: Engine, name: str, number: int) -> float:
    """Seconds of a number of tasks in pairs."""
    begin = time.perf_counter()
    for index in range(number):
        parents = [f"{name}-{index - 1}"] if index % 2 else []
        engine.submit(index, f"{name}-{index}", parents)
    for outcome in engine.outcomes():
        if outcome.reason is not None:
            raise RuntimeError(outcome.reason)
    return time.perf_counter() - begin


@contextlib.contextmanager
def _simulated() -> Iterator[tuple[str, int]]:
    """Address and process of a cluster whose workers are threads of one process."""
    command = [sys.executable, "-m", "tools.engine.workers", str(SIMULATED)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("A process without pipes.")
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def measure_parts(options: Options, source: Path) -> Results:
    """The `mmtrans convert` command on a cluster with one worker, then on one with `--jobs`, both up and warm.

    Returns:
        `wall_s` with `--jobs` workers and `one_wall_s`, `cpu_s` and `peak_rss_mib` of the command without workers, and
        `speedup`, the second wall time divided by the first.
    """
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as name,
        local_cluster(1) as one,
        local_cluster(options.jobs) as several,
    ):
        directory = Path(name)
        synthesize(directory / "warm", videos=_WARM_VIDEOS)
        usages = []
        for cluster in (one, several):
            flags = ["--overwrite", "--scheduler", cluster.scheduler_address]
            command = [sys.executable, "-m", "mmtrans.cli.main", "convert"]
            for corpus in (directory / "warm", source):
                usage = run_measured([*command, str(corpus), str(directory / "records"), *flags])
            usages.append(usage)
    alone, many = usages
    return {
        "wall_s": round(many.wall_seconds, 3),
        "one_wall_s": round(alone.wall_seconds, 3),
        "cpu_s": round(many.cpu_seconds, 3),
        "peak_rss_mib": many.peak_rss_mib,
        "speedup": round(alone.wall_seconds / many.wall_seconds, 3),
    }
