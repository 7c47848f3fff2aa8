"""Starts the processes of `--strategy multiworker --workers N` on this host."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

from mmtrans.system.escape import for_terminal
from mmtrans.system.interrupts import Terminated
from mmtrans.training.execution import WorkerLostError

#: Bad input is seen by each worker. The chief, whose output is shown, has this long to say so.
GRACE_SECONDS = 10.0

BAD_INPUT = 2

#: After Ctrl-C or SIGTERM the chief has this long to stop after the same step as the others, and write a checkpoint.
STOP_SECONDS = 20.0


def launch(argv: Sequence[str], workers: int) -> None:
    """Runs a command in several processes, each with its TF_CONFIG, and waits for them. The chief's output is shown.

    Args:
        argv: the command with its arguments.
        workers: number of processes.

    Raises:
        WorkerLostError: a process ended otherwise than by its own error; the rest is killed at once.
        SystemExit: a process failed, or was stopped by a signal to this process, and has said so: its exit code.
        KeyboardInterrupt: Ctrl-C or SIGTERM came, and the chief has not said so.
    """
    with _processes(argv, workers) as (processes, errors):
        try:
            index = _first_failed(processes)
        except KeyboardInterrupt as interrupt:
            _stop(processes[0], interrupt)
            raise
        if index is None:
            return
        if processes[index].returncode == BAD_INPUT and index:
            with contextlib.suppress(subprocess.TimeoutExpired):
                index = 0 if processes[0].wait(GRACE_SECONDS) else index
        _kill(processes)
        code = processes[index].returncode
        if code < 0:
            raise WorkerLostError(f"worker={index}, signal={-code}")
        if index:
            errors[index].seek(0)
            for line in errors[index].read().decode(errors="replace").rstrip().splitlines():
                print(for_terminal(line), file=sys.stderr)
        raise SystemExit(code)


def _first_failed(processes: Sequence[subprocess.Popen]) -> int | None:
    """Waits for processes, and returns which was the first to fail, or `None` when all have ended well."""
    ended: queue.Queue[int] = queue.Queue()
    for index in range(len(processes)):
        threading.Thread(target=lambda i=index: (processes[i].wait(), ended.put(i)), daemon=True).start()
    for _ in processes:
        index = ended.get()
        if processes[index].returncode:
            return index
    return None


def _stop(chief: subprocess.Popen, interrupt: KeyboardInterrupt) -> None:
    """Hands a signal on to the chief, and waits until it has made its work safe.

    Raises:
        SystemExit: the chief has ended in time, and has said so.
    """
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    chief.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        if chief.wait(STOP_SECONDS) == 128 + number:
            raise SystemExit(128 + number)


@contextlib.contextmanager
def _processes(argv: Sequence[str], workers: int) -> Iterator[tuple[list[subprocess.Popen], list]]:
    """The running workers, and files of what all but the chief write to stderr. They are killed at the end."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    processes: list[subprocess.Popen] = []
    with contextlib.ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(workers)]
        stack.callback(_kill, processes)
        for index in range(workers):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "mmtrans.cli.worker", *argv],
                    env={**os.environ, "TF_CONFIG": json.dumps(config)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL if index else None,
                    stderr=errors[index] if index else None,
                    # Ctrl-C is for this process, which hands it on to the chief alone: else each would say so.
                    start_new_session=True,
                )
            )
        yield processes, errors


def _kill(processes: Sequence[subprocess.Popen]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
        if process.stdin:
            process.stdin.close()


def free_ports(number: int) -> list[int]:
    """Ports of the loopback device that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
