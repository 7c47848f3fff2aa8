"""The devices of a training: one, several of this process, or those of several processes."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import tensorflow as tf

from mmtrans.config import digest
from mmtrans.system import interrupts
from mmtrans.training.execution import Cluster, Execution, WorkerLostError, cluster_of

#: A process may wait this long for another that is busy; one that died is noticed in ten seconds, by its heartbeat.
COLLECTIVE_TIMEOUT_SECONDS = 3600

#: Steps after which processes tell each other whether one of them is to stop: to ask waits for the device.
STEPS_PER_QUESTION = 8

#: What an operation on all processes ends with when one of them is gone.
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


@dataclass(frozen=True)
class Devices:
    """Where a training runs. Make it with `open_devices`; `Devices()` is one device.

    Attributes:
        strategy: models and optimisers are made, and trained, in its scope.
        cluster: this process among those of the training.
    """

    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints, logs and results. The others read what it writes."""
        return self.cluster.index == 0

    @contextlib.contextmanager
    def reporting_lost_workers(self) -> Iterator[None]:
        """Context of operations on all processes.

        Raises:
            WorkerLostError: another process is gone.
        """
        try:
            yield
        except LOST as error:
            if self.cluster.num_processes == 1:
                raise
            raise WorkerLostError(
                f"worker={self.cluster.index} of {self.cluster.num_processes} was left alone"
            ) from error

    def agree(self, what: str, value: object) -> None:
        """Waits for all processes, and checks that they mean the same.

        Args:
            what: name of the value in the message.
            value: JSON-serialisable.

        Raises:
            ValueError: the processes have different values.
            WorkerLostError: another process is gone.
        """
        if self.cluster.num_processes == 1:
            return
        # 32 bits: a float64 holds the sum of a million of them exactly, and every device can add it.
        number = float(int(digest(value)[:8], 16))
        if self._sum(number) != number * self.strategy.num_replicas_in_sync:
            raise ValueError(
                f"The workers differ in their {what}. Expected the same command and one run directory that all of "
                f"them share. Received: {what}={value!r} (worker {self.cluster.index})."
            )

    def any_stops(self, stops: bool, step: int | None = None) -> bool:
        """Whether one of the processes is to stop, which all of them learn after the same step.

        Args:
            stops: whether this process has been told to stop.
            step: Steps that are trained. Several processes tell each other every `STEPS_PER_QUESTION` of them only;
                `None` asks now.

        Raises:
            WorkerLostError: another process is gone.
        """
        if self.cluster.num_processes == 1:
            return stops
        if step is not None and step % STEPS_PER_QUESTION:
            return False
        return self._sum(float(stops)) > 0

    @contextlib.contextmanager
    def stopping_together(self) -> Iterator[None]:
        """Context that no first signal to one of several processes interrupts; they ask each other by `check_stop`.

        A signal that has come after the last question is raised at the end. Of one process nothing waits.
        """
        with interrupts.deferred() if self.cluster.num_processes > 1 else contextlib.nullcontext():
            yield

    def check_stop(self) -> None:
        """Ends all processes where one of them has been told to stop, each by its own signal or as by SIGTERM.

        Raises:
            KeyboardInterrupt: a signal has come to one of several processes.
            WorkerLostError: another process is gone.
        """
        came = interrupts.held_back()
        if self.cluster.num_processes > 1 and self.any_stops(came is not None):
            raise came or interrupts.Terminated

    def _sum(self, number: float) -> float:
        """Sum of a number over all replicas of all processes."""
        with self.reporting_lost_workers():
            summed = _make_sum(self.strategy)(tf.constant(number, tf.float64))
            (summed, *_) = self.strategy.experimental_local_results(summed)
        return float(summed)

    @contextlib.contextmanager
    def chief_first(self) -> Iterator[None]:
        """Context that the other processes enter when the chief has left it: they find what it has written."""
        if not self.is_chief:
            self.agree("place", "behind the chief")
        yield
        if self.is_chief:
            self.agree("place", "behind the chief")


@functools.cache
def _make_sum(strategy: tf.distribute.Strategy):
    """float64 scalar → its sum over all replicas of all processes, as a graph."""

    def replica_sum(number):
        # The argument of a graph is on no device; its copy is on that of the replica.
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(number))

    return tf.function(lambda number: strategy.run(replica_sum, args=(number,)))


def open_devices(execution: Execution) -> Devices:
    """Opens the devices. Call it before anything else makes TensorFlow look for them.

    Raises:
        ValueError: more devices than there are, or no TF_CONFIG.
    """
    if execution.strategy == "multiworker":
        cluster = cluster_of(os.environ, execution)
        if cluster is None:
            raise ValueError(
                "There is no TF_CONFIG. Expected one that names this process among the workers. Received: none. "
                "Set it, or let --workers N start N processes on this host."
            )
        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=COLLECTIVE_TIMEOUT_SECONDS)
        return Devices(tf.distribute.MultiWorkerMirroredStrategy(communication_options=options), cluster)
    gpus = tf.config.list_physical_devices("GPU")
    if execution.strategy == "mirrored" or (execution.strategy == "auto" and len(gpus) > 1):
        return Devices(tf.distribute.MirroredStrategy(_local_devices(len(gpus), execution.workers)))
    return Devices()


def _local_devices(num_gpus: int, wanted: int | None) -> list[str]:
    """Names of the GPUs, or of logical CPUs, which it creates."""
    if num_gpus:
        if wanted is not None and wanted > num_gpus:
            raise ValueError(
                f"There are not so many GPUs. Expected at most {num_gpus}. Received: workers={wanted}. "
                f"Leave --workers out for all of them."
            )
        return [f"GPU:{index}" for index in range(wanted or num_gpus)]
    if wanted is None:
        raise ValueError(
            "There is no GPU to mirror on. Expected some, or --workers N for N logical CPUs. Received: strategy="
            "mirrored. Leave --strategy out for one device."
        )
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * wanted)
    return [f"CPU:{index}" for index in range(wanted)]
