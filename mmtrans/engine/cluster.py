"""The engine of many: tasks are done by the workers of a dask cluster, of this machine or of many."""

from __future__ import annotations

import contextlib
import queue
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from distributed import Client, Future, KilledWorker

from mmtrans.engine import worker
from mmtrans.engine.answers import Answer
from mmtrans.engine.checks import address_of, declares
from mmtrans.engine.engine import Engine, Entry, Outcome, Work
from mmtrans.engine.fitness import Fitness
from mmtrans.engine.worker import Job, Order
from mmtrans.system.console import warn
from mmtrans.system.errors import SystemRefusalError

#: So many workers may die of a task.
_MOST_DEATHS = 3

_SECONDS_TO_STOP = 10

#: After so long without news it is looked whether workers have joined, or left.
_SECONDS_BETWEEN_LOOKS = 2

#: After so many looks that find no worker it is said.
_LOOKS_BEFORE_WARNING = 30


class SchedulerLostError(ValueError):
    """The scheduler of a cluster is gone, or has let go of the tasks."""

    def __init__(self, address: str):
        super().__init__(
            f"The cluster's scheduler is gone. Expected it to outlive the command. Received: scheduler={address}. "
            f"Start it again; the same command goes on."
        )


class Cluster(Engine):
    """Does tasks on the workers of a cluster.

    A worker that dies has its task done by another. What a task is, and what became of it, is data; a task begins on a
    worker when the caller has seen the outcomes of those that it builds on.

    Args:
        client: of the cluster.
        work: the work.
        fitness: what each worker must have.
        resources: what a task takes of that which workers declare.
        on_start: called with each task when a worker begins it.
    """

    def __init__(
        self,
        client: Client,
        work: Work,
        fitness: Fitness,
        resources: Mapping[str, float],
        on_start: Callable[[Any], None],
    ):
        super().__init__()
        self.client = client
        self.resources = dict(resources)
        self.on_start = on_start
        self._address = address_of(client)
        self.work = work
        self._job = Job(f"mmtrans-{uuid.uuid4().hex}", fitness, work.tasks_per_process)
        self._futures: dict[str, Future] = {}
        #: Key → how often a worker has begun the task.
        self._begun: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._unfit: set[str] = set()
        self._looks_without_workers = 0
        self._has_scheduler = True
        #: Those of the last look.
        self._slots = 0
        #: What the client's threads have heard: `(key, future)` of a task that ended, `(key, None)` of one that begins.
        self._news: queue.SimpleQueue[tuple[str, Future | None]] = queue.SimpleQueue()
        client.subscribe_topic(self._job.name, lambda event: self._news.put((event[1], None)))

    @property
    def slots(self) -> int:
        return len(self._fit_workers())

    def _fit_workers(self) -> list[str]:
        """Addresses of the workers that may do tasks."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        return [address for address, told in workers.items() if self._is_fit(address, told)]

    def _is_fit(self, address: str, told: Mapping[str, Any]) -> bool:
        return address not in self._unfit and declares(told, self.resources)

    def _next(self) -> tuple[Entry, Outcome]:
        while True:
            while self._ready:
                self._begin(self._pop_ready())
            try:
                key, future = self._news.get(timeout=_SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                self._look()
                continue
            entry = self._entries.get(key)
            if entry is None:
                continue
            if future is None:
                self._begun[key] += 1
                if self._begun[key] == 1:
                    self.on_start(entry.task)
            elif future is self._futures.get(key):
                del self._futures[key]
                outcome = self._outcome(entry, future)
                if outcome is not None:
                    return entry, outcome

    def _begin(self, entry: Entry) -> None:
        """Gives a task to the cluster."""
        self._futures[entry.key] = future = self.client.submit(
            worker.do,
            self._job,
            Order.of(entry.key, self.work, entry.task),
            # Each try is a task of its own: the cluster may still know the one before.
            key=f"{entry.key}-{uuid.uuid4().hex}",
            priority=-entry.rank[0],
            resources=self.resources or None,
            workers=self._fit_workers() if self._unfit else None,
            pure=False,
        )
        future.add_done_callback(lambda done: self._news.put((entry.key, done)))

    def _look(self) -> None:
        """Lets the caller make use of workers that have joined; says once where there is none."""
        slots = self.slots
        self._looks_without_workers = 0 if slots else self._looks_without_workers + 1
        if self._looks_without_workers == _LOOKS_BEFORE_WARNING:
            warn("No worker is there now that can do the tasks. Waits for one.")
        if self._unfit and slots > self._slots:
            self._offer_again()
        self._slots = slots
        if len(self._futures) < slots:
            self.on_room()

    def _offer_again(self) -> None:
        """Lets workers that have joined do what was kept from those that are not fit."""
        for key in [key for key in self._futures if not self._begun[key]]:
            self._futures.pop(key).release()
            self._begin(self._entries[key])

    def _outcome(self, entry: Entry, future: Future) -> Outcome | None:
        """What became of a task, or `None` where it is to be done again, and is on its way."""
        if future.status == "cancelled":
            self._has_scheduler = False
            raise SchedulerLostError(self._address)
        if future.status == "error" and isinstance(future.exception(), KilledWorker):
            return self._death(entry)
        # Raises what dask itself fails of.
        answer: Answer = future.result()
        if answer.kind == "refused":
            # Of many machines it matters which.
            place = "" if self.client.cluster is not None else f" That was {answer.result}."
            raise SystemRefusalError(f"{answer.reason}{place}")
        if answer.kind == "unfit":
            self._avoid(answer)
        if answer.kind in ("unfit", "stopped"):
            # Where it was stopped, the worker was about to close.
            self._begin(entry)
            return None
        return Outcome(entry.task, answer.result, answer.reason)

    def _death(self, entry: Entry) -> Outcome | None:
        """The failure of a task whose workers died; `None` where another may have killed them, which it waited for."""
        self._deaths[entry.key] += 1
        if self._begun[entry.key] < _MOST_DEATHS and self._deaths[entry.key] < _MOST_DEATHS:
            self._begin(entry)
            return None
        return Outcome(
            entry.task,
            reason=f"{max(self._begun[entry.key], _MOST_DEATHS)} workers died of it, one after another. The memory may "
            f"have run out.",
        )

    def _avoid(self, answer: Answer) -> None:
        """Gives no more tasks to a worker that lacks something.

        Raises:
            ValueError: no other worker is there.
        """
        if answer.result not in self._unfit:
            self._unfit.add(answer.result)
            if not self.slots:
                raise ValueError(answer.reason)
            warn(f"{answer.reason} It gets no tasks until then.")

    def stop(self) -> None:
        """Lets go of all tasks. Those that are being done stop where their work is safe; waits a while for that."""
        for future in self._futures.values():
            future.release()
        self._futures.clear()
        if not self._has_scheduler:
            return
        # A worker that does not answer is not waited for.
        thread = threading.Thread(target=self._stop_tasks, daemon=True)
        thread.start()
        thread.join(_SECONDS_TO_STOP)

    def _stop_tasks(self) -> None:
        with contextlib.suppress(OSError):
            self.client.run(worker.stop, self._job.name, _SECONDS_TO_STOP, on_error="ignore")
