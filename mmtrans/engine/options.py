"""Where tasks are done, and what a worker must have for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmtrans.bounds import check_number

#: Variable of the environment with the address of a scheduler, as dask's own programs read it.
SCHEDULER = "DASK_SCHEDULER_ADDRESS"

#: Worker processes of one machine at most.
MOST_JOBS = 1000


@dataclass(frozen=True)
class EngineOptions:
    """Where tasks are done.

    Attributes:
        jobs: worker processes of this machine; with 1 the tasks are done in this process.
        scheduler: address of the scheduler of a cluster that is there, e.g. `tcp://host:8786`, or `None`.
        resources: what a task takes of that which the cluster's workers declare, e.g. `{"GPU": 1}`.

    Raises:
        ValueError: a number out of range; several jobs, and a scheduler; resources without a scheduler.
    """

    jobs: int = 1
    scheduler: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        check_number("--jobs", self.jobs, low=1, most=MOST_JOBS)
        if self.scheduler is not None and self.jobs > 1:
            raise ValueError(
                f"A cluster has workers of its own. Expected --jobs or a scheduler, not both. "
                f"Received: jobs={self.jobs}, scheduler={self.scheduler}. Leave one out."
            )
        if self.resources and self.scheduler is None:
            listed = ", ".join(f"{name}={amount:g}" for name, amount in self.resources.items())
            raise ValueError(
                f"Only the workers of a cluster declare resources. Expected --scheduler ADDRESS. "
                f"Received: resources={listed}. Leave --resources out, or name a scheduler."
            )

    @classmethod
    def chosen(
        cls, jobs: int | None = None, scheduler: str | None = None, resources: Mapping[str, float] | None = None
    ) -> EngineOptions:
        """Where tasks are done by what a user gave; without jobs or a scheduler, on the one that the environment names.

        Raises as the class does.
        """
        if scheduler is None and jobs is None:
            scheduler = os.environ.get(SCHEDULER) or None
        return cls(1 if jobs is None else jobs, scheduler, resources or {})

    @property
    def is_here(self) -> bool:
        """Whether the tasks are done in this process."""
        return self.jobs == 1 and self.scheduler is None


@dataclass(frozen=True)
class Needs:
    """What each worker must have; it is checked before its first task.

    Attributes:
        versions: module → its `__version__`, e.g. that of `mmtrans`. Python's is always compared.
        files: files that a worker must see, with the same bytes.
        directories: directories that a worker must see; the client writes a file into each, which the worker reads.
        memory: bytes that a task takes; 0 where that is not known.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    directories: tuple[Path, ...] = ()
    memory: int = 0
