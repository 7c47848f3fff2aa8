"""A cluster of this machine: its scheduler lives in this process, its workers are processes of one thread each."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker

import dask.config
from distributed import LocalCluster

#: Loggers of dask that tell of each end of a connection, which is no news where a command closes its own cluster.
_LOGGERS = ("distributed", "distributed.client", "tornado.application", "asyncio")

_CONFIG = {
    # A task whose worker dies is tried twice more.
    "distributed.scheduler.allowed-failures": 2,
    # A worker is given its next task when it is free: else those in its queue would be counted as killing it too.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,
    # A cluster looks so long after a worker's process ended whether it is back. One that is on its way just then, as on
    # a busy machine, or as it gives way to the next, would be taken for lost, and its nanny closed for good.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    "distributed.nanny.pre-spawn-environ": {"DASK_LOGGING__DISTRIBUTED": "critical"},
}

_SECONDS_TO_CLOSE = 10


def silence() -> None:
    """Keeps dask from printing: what goes wrong is told by the engine, in a sentence."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextlib.contextmanager
def local_cluster(jobs: int) -> Iterator[LocalCluster]:
    """A cluster with so many workers, which listens on the loopback alone. None of its processes outlives this one."""
    silence()
    with dask.config.set(_CONFIG):
        with _signals_left_to_this_thread():
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                # The system knows when memory runs out; a worker that pauses at some share of it would only wait.
                memory_limit=0,
                silence_logs=logging.CRITICAL + 1,
            )
        try:
            yield cluster
        finally:
            _kill(cluster)
            cluster.close(timeout=_SECONDS_TO_CLOSE)


def _kill(cluster: LocalCluster) -> None:
    """Ends the worker processes at once: what they had to make safe they have."""
    for nanny in cluster.workers.values():
        if (pid := nanny.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _signals_left_to_this_thread() -> Iterator[None]:
    """Context whose new threads, and the processes that they ever start, get no Ctrl-C and no SIGTERM.

    A terminal sends Ctrl-C to all processes of a command. This one stops the workers, when it has decided to.
    """
    # It would unblock the signals, at the first process that is started.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
