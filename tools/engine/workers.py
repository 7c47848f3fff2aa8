"""`python -m tools.engine.workers N`: a dask scheduler and N workers of one thread each, all in this process.

Prints the scheduler's address, and serves until stdin ends. What a task prints goes nowhere in particular: the workers
share one standard output.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from unittest import mock

import dask.config
from distributed import LocalCluster


def main() -> None:
    """Serves."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    configuration = {"distributed.scheduler.worker-saturation": 1.0, "distributed.worker.profile.enabled": False}
    with (
        dask.config.set(configuration),
        mock.patch("mmtrans.engine.worker.printing_to", return_value=contextlib.nullcontext()),
    ):
        cluster = LocalCluster(
            n_workers=int(sys.argv[1]),
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
        )
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
        cluster.close()


if __name__ == "__main__":
    main()
