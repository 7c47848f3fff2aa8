"""How a training is carried out: what decides its speed and its safety, and not what it learns. No TensorFlow here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from mmtrans.bounds import check_number
from mmtrans.system.cores import usable_cores

Strategy = Literal["auto", "none", "mirrored", "multiworker"]
Sharding = Literal["rows", "files"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)
SHARDINGS: tuple[str, ...] = get_args(Sharding)


class WorkerLostError(RuntimeError):
    """Another process of a training ended or cannot be reached, so this one cannot go on."""

    def __init__(self, what: str):
        super().__init__(
            f"A worker was lost. Expected all of them to run to the end. Received: {what}. "
            f"The same command goes on from the last checkpoint."
        )


@dataclass(frozen=True)
class Execution:
    """Devices, processes and checkpoints of a training. It is no part of the configuration: a run may change it.

    Attributes:
        strategy: `none` is one device; `mirrored` all GPUs of this process, or `workers` logical CPUs where there is
            none; `multiworker` several processes; `auto` is `mirrored` with more than one GPU, else `none`.
        workers: number of devices (`mirrored`) or of processes (`multiworker`); `None` for all there are.
        sharding: what a process reads. `rows`: all files, and it parses its rows of every global batch, so that the
            number of processes does not change the batches. `files`: its own files, so that it reads less, and the
            batches are others.
        checkpoint_minutes: minutes of work that a kill can lose at most; 0 for a checkpoint after each batch.

    Raises:
        ValueError: a value out of range, or `workers` with one device.
    """

    strategy: Strategy = "auto"
    workers: int | None = None
    sharding: Sharding = "rows"
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_number("--workers", self.workers, low=1, most=1000)
        if self.workers is not None and self.strategy in ("auto", "none"):
            raise ValueError(
                f"--workers needs a strategy that has some. Expected --strategy mirrored or multiworker. "
                f"Received: strategy={self.strategy}, workers={self.workers}."
            )
        check_number("--checkpoint-minutes", self.checkpoint_minutes, low=0)


@dataclass(frozen=True)
class Cluster:
    """This process among those of a training.

    Attributes:
        index: 0 for the chief, which is the one that writes.
        num_processes: number of processes.
    """

    index: int = 0
    num_processes: int = 1


def cluster_of(environment: Mapping[str, str], execution: Execution) -> Cluster | None:
    """The cluster that TF_CONFIG describes, or `None` without TF_CONFIG.

    Args:
        environment: usually `os.environ`.
        execution: its `workers`, if given, must be the cluster's size.

    Raises:
        ValueError: TF_CONFIG is not as TensorFlow's MultiWorkerMirroredStrategy wants it, or of another size.
    """
    text = environment.get("TF_CONFIG", "")
    if not text.strip():
        return None
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        # TensorFlow's own order: the chief, if one is named, then the workers.
        tasks = [(job, index) for job in ("chief", "worker") for index in range(len(jobs.get(job, ())))]
        cluster = Cluster(tasks.index((task["type"], int(task["index"]))), len(tasks))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'TF_CONFIG is not understood. Expected {{"cluster": {{"worker": ["host:port", …]}}, "task": {{"type": '
            f'"worker", "index": 0}}}}. Received: TF_CONFIG={text!r} ({error}).'
        ) from error
    if execution.workers not in (None, cluster.num_processes):
        raise ValueError(
            f"--workers and TF_CONFIG do not agree. Expected {cluster.num_processes}, the tasks of TF_CONFIG. "
            f"Received: workers={execution.workers}. Leave --workers out."
        )
    return cluster


def operation_threads(cores: int, tunes_text: bool = False) -> int:
    """Threads of one operation: half of the cores, since training runs two loops at a time, those of an encoder's
    directions or of the halves of a decoder's batch. Where a text encoder moves, all of them: its products, which are
    most of the work, come one after another."""
    return cores if tunes_text else max(1, cores // 2)


def set_operation_threads(tunes_text: bool = False) -> None:
    """Gives `TF_NUM_INTRAOP_THREADS` that value unless it has one. Call it before TensorFlow makes its devices."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(operation_threads(usable_cores(), tunes_text)))
