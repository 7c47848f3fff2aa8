"""Checks a cluster before tasks are given to it: each worker has one thread, and what the tasks need."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from distributed import Client
from distributed.security import Security

import mmtrans
from mmtrans.engine import worker
from mmtrans.engine.fitness import Fitness, another_version
from mmtrans.system.console import warn

#: A scheduler that does not answer for so long is none.
_SECONDS_TO_CONNECT = 10.0

#: Between two looks at whether a worker has come.
_SECONDS_BETWEEN_LOOKS = 0.5


def connect(address: str) -> Client:
    """A client of the cluster whose scheduler is there.

    Raises:
        ValueError: no scheduler answers there; it wants a certificate, and there is none.
    """
    if address.startswith("tls://") and Security().get_connection_args("client")["ssl_context"] is None:
        raise ValueError(
            f"A scheduler with TLS wants a certificate. Expected one in the configuration of dask "
            f"(distributed.comm.tls.client). Received: none, scheduler={address}. Set it up as docs/cluster.md tells."
        )
    try:
        return Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"No scheduler answers. Expected the address of one, e.g. tcp://host:8786. Received: scheduler={address} "
            f"({error}). Start it with `dask scheduler`, or correct the address."
        ) from error


def check_workers(client: Client, fitness: Fitness, resources: Mapping[str, float]) -> None:
    """Waits until there is a worker, and raises a ValueError where one is not as tasks need it.

    One that leaves meanwhile, or that the scheduler gives up, has nothing to do with it.
    """
    workers = _await_workers(client)
    for address, told in workers.items():
        if told["nthreads"] != 1:
            raise ValueError(
                f"A worker has several threads. Expected one, as TensorFlow runs one task in a process. "
                f"Received: threads={told['nthreads']} ({_name(address, told)}). Start it with `--nthreads 1`; "
                f"`--nworkers` starts several."
            )
    if resources and not any(declares(told, resources) for told in workers.values()):
        listed = ", ".join(f"{name}={amount:g}" for name, amount in resources.items())
        raise ValueError(
            f"No worker declares what a task takes. Expected one with {listed}. Received: {len(workers)} workers "
            f'without it. Start it with `dask worker … --resources "{listed.replace(", ", " ")}"`.'
        )
    # By the name of a function that every Python has: there may be no mmtrans to find our own in.
    for address, found in _ask(client, pkgutil.resolve_name, "mmtrans:__version__").items():
        place = _name(address, workers.get(address, {}))
        if isinstance(found, Exception):
            raise ValueError(_no_import(found, place))
        if found != mmtrans.__version__:
            raise ValueError(another_version("mmtrans", mmtrans.__version__, found, place))
    for address, difference in _ask(client, worker.difference, fitness).items():
        if isinstance(difference, Exception):
            raise ValueError(_no_import(difference, _name(address, workers.get(address, {}))))
        if difference is not None:
            raise ValueError(difference)


def _no_import(error: Exception, place: str) -> str:
    return (
        f"A worker cannot import mmtrans. Expected it to be installed there. "
        f"Received: {type(error).__name__}: {error} ({place}). Install it in the environment of that worker."
    )


def address_of(client: Client) -> str:
    """Address of a cluster's scheduler."""
    return client.scheduler_info(n_workers=0)["address"]


def _ask(client: Client, question: Callable, *args: Any) -> dict[str, Any]:
    """Address of each worker that could be asked → what it answers, which may be an exception."""
    answers: Any = client.run(question, *args, on_error="return")
    return {address: answer for address, answer in answers.items() if not _is_unreachable(answer)}


def _is_unreachable(answer: Any) -> bool:
    """Whether the scheduler tells that a worker closed meanwhile, or could not be reached.

    It does so by an OSError of dask's own, without a number. One with a number is of the worker's own system.
    """
    return isinstance(answer, OSError) and answer.errno is None


def _await_workers(client: Client) -> Mapping[str, Mapping]:
    is_told = False
    while not (workers := client.scheduler_info(n_workers=-1)["workers"]):
        if not is_told:
            warn(f"The cluster has no worker yet. Waits for one. Scheduler: {address_of(client)}.")
            is_told = True
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return workers


def declares(told: Mapping, resources: Mapping[str, float]) -> bool:
    """Whether a worker, of which the scheduler told this, has what a task takes."""
    return all(told.get("resources", {}).get(name, 0) >= amount for name, amount in resources.items())


def _name(address: str, told: Mapping) -> str:
    return f"worker {told.get('name', address)} at {address}"
