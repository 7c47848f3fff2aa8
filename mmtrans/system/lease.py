"""A lease: a small file by which one process at a time writes into a directory.

The holder writes who it is, a random token and a count, and renews the count every few seconds. Nothing else is needed:
no lock of the file system, which may have none, and no clocks that agree. A holder of this machine is asked for by its
process number. One of another machine is watched: if the file does not change for a while, it is gone.

A holder that is believed gone may wake. So the lease keeps out those that are awake, and a fence those that were not:
each holder has a token that is higher than all before, see `mmtrans.system.fence`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from mmtrans.system import interrupts
from mmtrans.system.console import warn
from mmtrans.system.fence import TOKENS, Fence, LeaseLostError
from tfrecords.directories import remove
from tfrecords.processes import Process

#: File in the directory.
LEASE = ".lease"

#: Between two renewals.
RENEW_SECONDS = 5.0

#: A holder of another machine whose file does not change for so long is gone.
WATCH_SECONDS = 30.0

#: A holder of this machine that is about to end may take so long; so may one that has made its file and writes it.
GRACE_SECONDS = 2.0

_held: dict[Path, _Lease] = {}


@contextlib.contextmanager
def held(directory: str | Path, what: str = "directory", name: str = LEASE) -> Iterator[int]:
    """Makes a directory if there is none, and keeps other processes from working there within the context.

    Args:
        directory: the directory.
        what: what the directory is called in the message.
        name: name of the lease's file, where several processes may work on different parts of the directory. It ends
            with `LEASE`.

    Yields:
        the holder's token, which is higher than that of each that has held the directory before.

    Raises:
        ValueError: another process works there; the message names it.
        LeaseLostError: another process has taken it over, as this one was asleep for long.
    """
    directory = Path(os.path.realpath(directory))
    path = directory / name
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    lease = _Lease(path, what)
    lease.acquire()
    try:
        lease.check()
        lease.fence = Fence(directory / f"{name.removesuffix(LEASE)}{TOKENS}")
        # One that slept in between has the highest token, and no right to it.
        lease.check()
        _held[path] = lease
        yield lease.fence.token
        lease.check()
    except KeyboardInterrupt:
        if lease.is_lost:
            raise LeaseLostError(directory) from None
        raise
    finally:
        _held.pop(path, None)
        lease.release()
        with contextlib.suppress(OSError):
            # Where nothing of this holder has come into it, as where it was refused.
            fence = lease.fence
            if fence is not None and (not fence.is_used or os.listdir(directory) == [fence.directory.name]):
                fence.forget()
            if is_new:
                directory.rmdir()


def is_held(directory: str | Path) -> bool:
    """Whether this thread holds a directory."""
    path = Path(os.path.realpath(directory)) / LEASE
    return path in _held and _held[path].owner == _owner()


def check_held() -> None:
    """Raises a LeaseLostError where this process has lost a lease. Call it before something is replaced."""
    for lease in list(_held.values()):
        lease.check()


def fence_of(path: Path) -> Fence | None:
    """The fence of the innermost directory around `path` that this process holds, or `None`."""
    parents = [parent := Path(os.path.realpath(path.parent)), *parent.parents]
    leases = [lease for place, lease in list(_held.items()) if place.parent in parents]
    return max(leases, key=lambda lease: len(lease.path.parts)).fence if leases else None


class _Lease:
    """The file of one holder."""

    fence: Fence | None = None

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self.is_lost = False
        self._token = uuid.uuid4().hex
        self._beat = 0
        self.owner = _owner()
        self._interrupts = threading.current_thread() is threading.main_thread()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_ended, daemon=True)

    def acquire(self) -> None:
        """Makes the file; raises as `held` does."""
        while True:
            try:
                file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                break
            except FileExistsError:
                _clear(self.path, self.what)
        try:
            os.write(file, self._content())
        except OSError:
            self.path.unlink()
            raise
        finally:
            os.close(file)
        self._thread.start()

    def release(self) -> None:
        """Removes the file, unless it is another's by now."""
        self._ended.set()
        try:
            self._thread.join()
        except KeyboardInterrupt:
            # From that thread, where the loss was found out here too.
            if not self.is_lost:
                raise
            self._thread.join()
        if self._is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def check(self) -> None:
        """Raises a LeaseLostError where the file is no longer this holder's."""
        if self.is_lost or not self._is_ours():
            self.is_lost = True
            raise LeaseLostError(self.path.parent)

    def _is_ours(self) -> bool:
        """Whether the file has this holder's token; where it cannot be read for the moment, it is taken to have."""
        for wait in (0.0, 0.1, 0.5):
            # One who was about to take the place of somebody else puts the file back at once.
            time.sleep(wait)
            try:
                return _token_in(self.path.read_bytes()) == self._token
            except FileNotFoundError:
                continue
            except OSError:
                return True
        return False

    def _content(self) -> bytes:
        """Always of the same length, as it is written over."""
        told = {
            "host": socket.gethostname(),
            "process": str(Process.this()),
            "directory": self.path.parent.stat().st_ino,
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])[:60],
            "since": _SINCE,
            "token": self._token,
            "renewed": f"{self._beat:010d}",
        }
        return json.dumps(told).encode() + b"\n"

    def _renew_until_ended(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            if not self._is_ours():
                self.is_lost = True
                if self._interrupts:
                    interrupts.interrupt_main_thread()
                return
            self._beat += 1
            # A drive that fails for a while comes back; if it does not, another process takes over.
            with contextlib.suppress(OSError), open(self.path, "r+b", buffering=0) as file:
                file.write(self._content())


def _owner() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


_SINCE = time.strftime("%Y-%m-%d %H:%M:%S")


def _clear(path: Path, what: str) -> None:
    """Removes the file of a holder that is gone; returns too where it has ended meanwhile.

    Raises:
        ValueError: the holder is at work.
    """
    seen = _read(path)
    if seen is None:
        return
    process = _process_in(seen)
    local = process if process is not None and process.is_local else None
    if local and (local.is_gone or _told(seen).get("directory") != path.parent.stat().st_ino):
        # It was killed, or somebody has copied the directory of one that works elsewhere.
        return _take_away(path, seen)
    if seen and not local:
        doubt = f"{_name(seen)} is still at work in {path.parent}"
        warn(f"Waits {WATCH_SECONDS:.0f} s to see whether {doubt}.")
    deadline = time.monotonic() + (WATCH_SECONDS if seen and not local else GRACE_SECONDS)
    while time.monotonic() < deadline:
        time.sleep(0.1 if local or not seen else 1.0)
        now = _read(path)
        if now is None or (local and local.is_gone):
            return
        if now != seen and not local:
            raise _busy(path, what, now)
    if local:
        raise _busy(path, what, seen)
    _take_away(path, seen)


def _take_away(path: Path, seen: bytes) -> None:
    """Removes the file, if it still has the token that was seen: of several that try, one has its way."""
    aside = path.with_name(f".{path.name}.old-{Process.this()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    now = _read(aside)
    if now is not None and _token_in(now) != _token_in(seen):
        # Another one was faster, and holds it now.
        with contextlib.suppress(OSError):
            os.link(aside, path)
    remove(aside)


def _busy(path: Path, what: str, content: bytes) -> ValueError:
    return ValueError(
        f"Another command is at work there. Expected one at a time. Received: {what}={path.parent}, held by "
        f"{_name(content)}. Wait for its end, or stop it."
    )


def _read(path: Path) -> bytes | None:
    if os.path.lexists(path) and not path.is_file() and not path.is_dir():
        # No command of ours makes a pipe or a device, which would be read without end, or a link to nothing.
        return b""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _told(content: bytes) -> dict[str, object]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _token_in(content: bytes) -> object:
    return _told(content).get("token", content)


def _process_in(content: bytes) -> Process | None:
    return Process.parse(str(_told(content).get("process")))


def _name(content: bytes) -> str:
    told, process = _told(content), _process_in(content)
    if process is None:
        return "a process that does not say who it is"
    return f"process {process.pid} on {told.get('host')} ({told.get('command')}, since {told.get('since')})"
