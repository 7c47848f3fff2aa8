"""Worker processes that outlive their tasks, and whose death is but the failure of one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from mmtrans.system import errors as system_errors
from mmtrans.system import interrupts
from mmtrans.system.console import say
from tfrecords.directories import remove
from tfrecords.processes import Process

#: Exceptions of a task that are its failure. What the operating system refuses is that of everything: other tasks would
#: fail of it too. Any other exception ends the worker, with a traceback in the log.
FAILURES = (ValueError, FloatingPointError)

#: In the directory of a grid or a search, a directory in which workers sign in.
WORKERS = ".workers"

_SECONDS_TO_END = 10

#: Workers whose pool was killed end within moments, unless the system holds them.
_SECONDS_TO_WAIT = 60


@dataclass(frozen=True)
class Outcome:
    """What became of a task: its `result`, or the `reason` of its failure in one line."""

    task: Any
    result: Any = None
    reason: str | None = None


class Pool:
    """Processes that each do one task at a time. Use it as a context manager: it leaves no process behind.

    Workers start when they are first needed, leave Ctrl-C to this process, and end when it is gone.

    Args:
        work: picklable; in each worker `work.start()` is called once, then `work(task)` for each task.
        log_path: task → file that receives what its worker prints, after what is there.
        tasks_per_worker: after so many tasks a worker gives way to a new one, as its memory grows with each.
    """

    def __init__(self, work: Callable[[Any], Any], log_path: Callable[[Any], Path], tasks_per_worker: int = 25):
        self.work = work
        self.log_path = log_path
        self.tasks_per_worker = tasks_per_worker
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Any]] = {}

    @property
    def num_busy(self) -> int:
        """Tasks that are being done."""
        return len(self._busy)

    def submit(self, task: Any) -> None:
        """Gives a task to an idle worker, or to a new one."""
        is_new = not self._idle
        worker = self._started() if is_new else self._idle.pop()
        # A worker that died while idle is found out by `outcomes`.
        with contextlib.suppress(BrokenPipeError):
            worker.connection.send(self.log_path(task))
            if is_new:
                worker.connection.send(self.work)
            worker.connection.send(task)
        self._busy[worker.connection] = (worker, task)

    def outcomes(self) -> Iterator[Outcome]:
        """Waits until some task has ended, and yields what became of it, or of several.

        Raises:
            SystemRefusalError: the operating system refused something to a worker.
        """
        ready = wait(list(self._busy))
        for connection in [connection for connection in self._busy if connection in ready]:
            worker, task = self._busy.pop(connection)
            try:
                result, reason, is_refused = connection.recv()
            except (EOFError, ConnectionResetError):
                worker.process.join()
                yield Outcome(task, reason=_reason_of_death(worker.process.exitcode, self.log_path(task)))
            else:
                if is_refused:
                    _end([worker])
                    raise system_errors.SystemRefusalError(reason)
                worker.num_tasks += 1
                if worker.num_tasks < self.tasks_per_worker:
                    self._idle.append(worker)
                else:
                    _end([worker])
                yield Outcome(task, result, reason)

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        # Inherited from its first instant on, so that Ctrl-C prints no traceback of a worker that is still starting.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()
        return _Worker(process, ours)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_) -> None:
        _end([*self._idle, *(worker for worker, _ in self._busy.values())])


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    num_tasks: int = 0


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_SECONDS_TO_END)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()


def _reason_of_death(exit_code: int | None, log_path: Path) -> str:
    if exit_code is not None and exit_code < 0:
        hint = " The memory may have run out." if exit_code == -signal.SIGKILL else ""
        return f"The worker was killed by {signal.Signals(-exit_code).name}.{hint}"
    lines = log_path.read_text(encoding="utf-8", errors="replace").split("\n") if log_path.is_file() else []
    last = next((line for line in reversed(lines) if line.strip()), "nothing")
    return f"The worker ended with exit code {exit_code}; it last printed: {last.strip()}"


def _serve(connection: Connection) -> None:
    """The life of a worker: log path, once the work, and task in; `(result, reason, is refused)` out."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with interrupts.handled():
            _work(connection)
    except KeyboardInterrupt:
        # The pool is at its end; it waits for what was made safe, and not for an interpreter that cleans up.
        os._exit(128 + signal.SIGTERM)


def _work(connection: Connection) -> None:
    work = None
    while True:
        task = None
        try:
            # First of all, as to receive the work is to import whatever it needs.
            _print_to(connection.recv())
            if work is None:
                work = connection.recv()
                work.start()
            task = connection.recv()
            answer = work(task), None, False
        except (*FAILURES, *system_errors.kinds()) as error:
            answer = _answer_to(error)
            if task is None and not answer[2]:
                raise
        connection.send(answer)


def _answer_to(error: BaseException) -> tuple[None, str | None, bool]:
    """What a worker sends of an exception; raises one that is a defect of ours."""
    is_ours = isinstance(error, FAILURES) or (isinstance(error, FileNotFoundError) and error.errno is None)
    is_refused = not is_ours and system_errors.is_refusal(error)
    if not (is_ours or is_refused or system_errors.is_memory(error)):
        raise error
    # Another disk that is full may leave no room to say so.
    with contextlib.suppress(OSError):
        say(f"{type(error).__name__}: {error}")
    reason = " ".join(str(error).split()) if is_ours else system_errors.sentence_of(error)
    return None, reason, is_refused


def sign_in(directory: Path) -> None:
    """Notes that this process is a worker there, for `signed_in`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / str(Process.this())).touch()


@contextlib.contextmanager
def signed_in(directory: Path) -> Iterator[None]:
    """Context of a pool whose workers sign in there. It begins when those have ended that a killed command has left.

    Raises:
        ValueError: the workers of an earlier command do not end.
    """
    _wait_for_earlier(directory)
    try:
        yield
    finally:
        remove(directory)


def _wait_for_earlier(directory: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    signed = [Process.parse(path.name) for path in directory.iterdir()] if directory.is_dir() else []
    # Those of another machine have ended if its command has: the lease tells.
    for process in (process for process in signed if process is not None and process.is_local):
        while not process.is_gone:
            if time.monotonic() > deadline:
                raise ValueError(
                    f"A worker of an earlier command is still at work. Expected it to end with that command. "
                    f"Received: process={process.pid} ({directory.parent}). Stop it."
                )
            time.sleep(0.05)
    remove(directory)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _print_to(log_path: Path) -> None:
    """Sends both output streams, those of C++ code too, to the end of a file."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
