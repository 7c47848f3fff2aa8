"""Starts the processes of `--strategy multiworker --workers N` on this host."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

from mmtrans.escape import for_terminal
from mmtrans.training.execution import WorkerLostError

#: Bad input is seen by each worker. The chief, whose output is shown, has this long to say so.
GRACE_SECONDS = 10.0

BAD_INPUT = 2


def launch(argv: Sequence[str], workers: int) -> None:
    """Runs a command in several processes, each with its TF_CONFIG, and waits for them. The chief's output is shown.

    Args:
        argv: the command with its arguments.
        workers: number of processes.

    Raises:
        WorkerLostError: one ended otherwise than by its own error; the rest is killed at once.
        SystemExit: one failed and has said why: its exit code.
    """
    with _processes(argv, workers) as (processes, errors):
        ended: queue.Queue[int] = queue.Queue()
        for index in range(workers):
            threading.Thread(target=lambda i=index: (processes[i].wait(), ended.put(i)), daemon=True).start()
        for _ in range(workers):
            index = ended.get()
            if processes[index].returncode:
                break
        else:
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
                    # Ctrl-C is for this process, which then ends them all: else each would say so.
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
