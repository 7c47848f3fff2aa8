"""A chroot of Debian in which commands run as in a container, and from which nothing is left behind.

Each command has a mount and a process namespace of its own: its mounts are seen by nobody else, and all its processes
end with its first one.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What is needed, each a program → the package of Debian that has it.
_PROGRAMS = {"debootstrap": "debootstrap", "setpriv": "util-linux", "unshare": "util-linux"}

#: Where a container looks for programs, unless an image says otherwise.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What an engine gives a container, done within the namespaces.
_MOUNTS = "mount -t sysfs -o ro sysfs /sys && mount -t tmpfs tmpfs /dev/shm"


def check_able() -> None:
    """Checks that this machine can make a chroot.

    Raises:
        ValueError: The user is not root, or a program is missing.
    """
    if os.geteuid() != 0:
        raise ValueError(
            f"A chroot needs root. Expected the user id 0. Received: {os.geteuid()}. Give the command with sudo."
        )
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise ValueError(
                f"A chroot needs a program that is not here. Expected {program} on PATH. Received: none. "
                f"Install Debian's package {package}."
            )


def mirror_of(suite: str) -> str | None:
    """The mirror from which this machine has a suite of Debian, or `None` where it has none."""
    if shutil.which("apt-get") is None:
        return None
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", f"Release: {suite}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    return found[0] if found else None


class Chroot:
    """A minimal Debian in a folder.

    Args:
        root: The folder; it is made.
    """

    def __init__(self, root: Path):
        self.root = root

    def install(self, suite: str, mirror: str | None = None) -> None:
        """Installs Debian's essential packages and apt.

        Args:
            suite: Name of the release, such as `bookworm`.
            mirror: Where it is fetched from; `None` for debootstrap's own default.

        Raises:
            ValueError: debootstrap failed.
        """
        command = ["debootstrap", "--variant=minbase", suite, str(self.root), *([mirror] if mirror else [])]
        _run([*_alone(), *command], dict(os.environ))
        self.run(["apt-get", "clean"], {"PATH": PATH})
        # An engine gives each container one.
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="utf-8")

    def run(self, command: Sequence[str], environment: Mapping[str, str], place: str = "/", user: str = "root") -> None:
        """Runs a command to its end.

        Args:
            command: Program and arguments.
            environment: All of its environment.
            place: Its working directory.
            user: Its user, by name.

        Raises:
            ValueError: The command failed.
        """
        _run(self._inside(command, place, user), environment)

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], place: str = "/", user: str = "root"
    ) -> subprocess.Popen:
        """Starts a command as `run` does, and returns its process, for `stop`."""
        return _start(self._inside(command, place, user), environment)

    def size_mib(self) -> int:
        """Disk space of all files, without those that apt has fetched, in MiB."""
        command = ["du", "-sxm", "--exclude=var/cache/apt", str(self.root)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])

    def _inside(self, command: Sequence[str], place: str, user: str) -> list[str]:
        # The signal is set anew, since the kernel forgets it where the user changes.
        become = ["setpriv", "--pdeathsig=KILL", "--reuid", user, "--regid", user, "--init-groups", "--inh-caps=-all"]
        mounted = ["sh", "-c", f'{_MOUNTS} && exec "$@"', "sh", *(become if user != "root" else []), *command]
        return [*_alone(), f"--root={self.root}", f"--wd={place}", *mounted]


def stop(process: subprocess.Popen) -> None:
    """Ends a command of a chroot with all its processes, and waits for them."""
    if process.poll() is not None:
        return
    try:
        inner = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
        watched = [os.pidfd_open(int(first)) for first in inner]
    except (FileNotFoundError, ProcessLookupError):
        watched = []
    for first in watched:
        signal.pidfd_send_signal(first, signal.SIGKILL)
    process.kill()
    process.wait()
    for first in watched:
        # Before the first process of a namespace is gone, the kernel ends all others.
        select.select([first], [], [])
        os.close(first)


def _alone() -> list[str]:
    """Begins a command that has namespaces of its own, and ends when this process does."""
    setpriv, unshare = str(shutil.which("setpriv")), str(shutil.which("unshare"))
    return [setpriv, "--pdeathsig=KILL", unshare, "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen:
    # In a session of its own, Ctrl-C reaches this process alone, which ends the other in good order.
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    process = _start(command, environment)
    try:
        code = process.wait()
    finally:
        stop(process)
    if code:
        raise ValueError(f"A command failed. Expected exit code 0. Received: exit_code={code}. Its output is above.")
