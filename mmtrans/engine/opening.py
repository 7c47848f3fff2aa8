"""Opens the engine that a command's options ask for."""

from __future__ import annotations

import contextlib
import importlib.util
import platform
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mmtrans.engine.engine import Engine, Work
from mmtrans.engine.here import Here
from mmtrans.engine.logs import terminal_kept
from mmtrans.engine.options import EngineOptions, Needs
from mmtrans.system.console import Console

if TYPE_CHECKING:
    from distributed import Client

    from mmtrans.engine.fitness import Fitness

#: In a directory that workers must see, the file that they look for.
_TOKEN = ".seen"


def _nothing(task: Any) -> None:
    pass


@contextlib.contextmanager
def opened(
    options: EngineOptions,
    work: Work,
    needs: Needs | None = None,
    on_start: Callable[[Any], None] = _nothing,
    quiet: bool = False,
) -> Iterator[Engine]:
    """An engine. At the end of the context nothing of it is at work any more; a cluster that was there goes on.

    Args:
        options: where the tasks are done.
        work: what does them.
        needs: what each worker must have; `None` for nothing.
        on_start: called with each task when it begins, in the thread that reads the outcomes.
        quiet: do not say where the cluster is.

    Raises:
        ValueError: there is no such scheduler, or a worker lacks what it needs.
    """
    if options.is_here:
        with terminal_kept():
            yield Here(work, on_start)
        return
    from mmtrans.engine.checks import check_workers
    from mmtrans.engine.cluster import Cluster

    if options.scheduler is None:
        # Workers of this machine, in this environment, see the same.
        needs = Needs(memory=needs.memory if needs is not None else 0)
    with _fitness(needs or Needs()) as fitness, _client(options) as client:
        check_workers(client, fitness, options.resources)
        Console(stderr=True, quiet=quiet).print(_place(client), soft_wrap=True)
        engine = Cluster(client, work, fitness, options.resources, on_start)
        try:
            yield engine
        finally:
            engine.stop()


@contextlib.contextmanager
def _fitness(needs: Needs) -> Iterator[Fitness]:
    """What a worker must have; within the context each directory holds the token that workers look for."""
    from mmtrans.engine.fitness import Fitness, hash_of

    tokens = [directory / f"{_TOKEN}-{uuid.uuid4().hex}" for directory in needs.directories]
    try:
        for token in tokens:
            token.write_text(token.name, encoding="ascii")
        files = {path.resolve(): hash_of(path) for path in (*needs.files, *tokens)}
        yield Fitness({"python": platform.python_version(), **needs.versions}, files, needs.memory)
    finally:
        for token in tokens:
            token.unlink(missing_ok=True)


@contextlib.contextmanager
def _client(options: EngineOptions) -> Iterator[Client]:
    """A client of the cluster that the options name, or of one of this machine; says where it is."""
    from distributed import Client

    from mmtrans.engine.checks import connect
    from mmtrans.engine.local import local_cluster, silence

    silence()
    with contextlib.ExitStack() as stack:
        if options.scheduler is None:
            cluster = stack.enter_context(local_cluster(options.jobs))
            client = stack.enter_context(Client(cluster, set_as_default=False))
        else:
            client = stack.enter_context(connect(options.scheduler))
        yield client


def _place(client: Client) -> str:
    """Where a cluster can be watched: its dashboard, or the scheduler, where the dashboard's library is not there."""
    from mmtrans.engine.checks import address_of

    number = len(client.scheduler_info(n_workers=-1)["workers"])
    has_dashboard = importlib.util.find_spec("bokeh") is not None and client.dashboard_link
    where = f"Dashboard: {client.dashboard_link}" if has_dashboard else f"Scheduler: {address_of(client)}"
    return f"{number} workers. {where}"
