"""What runs in a worker of a cluster: it checks that it is fit, does tasks in its one thread, and stops when told."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.core import Status
from distributed.protocol.pickle import dumps, loads
from distributed.worker import Worker

from mmtrans.engine.answers import Answer, answer_of
from mmtrans.engine.engine import Work
from mmtrans.engine.fitness import Fitness, place_of
from mmtrans.engine.logs import printing_to
from mmtrans.system import interrupts
from mmtrans.system.garbage import set_imports_aside

#: Between two looks of a worker at whether somebody still waits for the task that it does.
_SECONDS_BETWEEN_LOOKS = 0.5

#: The client has so long to fetch what a worker has done that gives way to another.
_SECONDS_TO_FETCH = 5

#: Jobs that this process has been found fit for, and has prepared itself for.
_started: set[str] = set()

#: Key of a task that is being done → its job.
_running: dict[str, str] = {}


class _Ended:
    """How many tasks this process has done."""

    count = 0


_ended = _Ended()


@dataclass(frozen=True)
class Job:
    """What a command has its tasks done by.

    Attributes:
        name: name that no other command's job has; also of the topic of the cluster where beginnings of tasks are told.
        fitness: what a worker must have.
        tasks_per_process: that of the work.
    """

    name: str
    fitness: Fitness
    tasks_per_process: int | None


@dataclass(frozen=True)
class Order:
    """A task as it travels.

    Attributes:
        key: the engine's key of it.
        log_path: file that receives what is printed.
        content: the work and the task, pickled: to unpickle them is to import what they need, which may print.
    """

    key: str
    log_path: Path
    content: bytes

    @classmethod
    def of(cls, key: str, work: Work, task: Any) -> Order:
        """The order for a task."""
        return cls(key, work.log_path(task), dumps((work, task)))


def do(job: Job, order: Order) -> Answer:
    """Does a task in the thread of a worker."""
    keep_randomness_apart()
    worker = get_worker()
    if job.name not in _started:
        difference = job.fitness.difference(worker.address)
        if difference is not None:
            return Answer("unfit", worker.address, difference)
    if job.tasks_per_process is not None and _ended.count >= job.tasks_per_process and worker.nanny:
        _give_way(worker)
    worker.log_event(job.name, order.key)
    with _stopping(worker, job):
        try:
            answer = answer_of(lambda: _logged(job, order))
        except KeyboardInterrupt:
            return Answer("stopped")
        finally:
            _ended.count += 1
    # The log itself may be what is refused.
    told: Answer = answer.result if answer.kind == "done" else answer
    return replace(told, result=place_of(worker.address)) if told.kind == "refused" else told


def _give_way(worker: Worker) -> None:
    """Ends this process when the client has fetched what was done here: the nanny starts another, which does the task.

    To the scheduler it is a worker that died. Dask's own way to restart one loses what it is about to do.
    """
    deadline = time.monotonic() + _SECONDS_TO_FETCH
    while worker.data and time.monotonic() < deadline:
        time.sleep(0.01)
    os._exit(0)


@functools.cache
def keep_randomness_apart() -> None:
    """Gives dask's modules a `random` of their own.

    Their threads draw from Python's at any time, so that a task which has seeded it would not get the same numbers.
    """
    spec = importlib.util.find_spec("random")
    if spec is None or spec.loader is None:
        return
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("dask", "distributed", "tornado") and vars(module).get("random") is random:
            vars(module)["random"] = copy


def _logged(job: Job, order: Order) -> Answer:
    with printing_to(order.log_path):
        return answer_of(lambda: _done(job, order))


def _done(job: Job, order: Order) -> Any:
    work, task = loads(order.content)
    if job.name not in _started:
        work.start()
        set_imports_aside()
        _started.add(job.name)
    return work(task)


@contextlib.contextmanager
def _stopping(worker: Worker, job: Job) -> Iterator[None]:
    """Context of a task that stops where its work is safe, when nobody waits for it any more, or the worker closes."""
    key = str(worker.get_current_task())
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            state = worker.state.tasks.get(key)
            if worker.status != Status.running or state is None or state.state != "executing":
                interrupts.request_stop()

    _running[key] = job.name
    interrupts.forget_stop()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        interrupts.forget_stop()
        del _running[key]


def difference(fitness: Fitness, dask_worker: Worker) -> str | None:
    """What a worker lacks, as `Fitness.difference` says it; dask gives the worker by the argument's name."""
    return fitness.difference(dask_worker.address)


async def stop(name: str, seconds: float) -> None:
    """Lets a job's tasks stop where their work is safe, and waits so long for it."""
    deadline = time.monotonic() + seconds
    while name in _running.values() and time.monotonic() < deadline:
        interrupts.request_stop()
        await asyncio.sleep(0.02)
