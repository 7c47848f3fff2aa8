"""Work for engines that needs no TensorFlow."""

import errno
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from mmtrans.system import interrupts
from mmtrans.system.attempts import attempt


@dataclass(frozen=True)
class Deeds:
    """Does what the first word of its task says, and notes in `path` what was done.

    Args:
        path: directory of the notes and the logs.
        tasks_per_process: tasks that a worker's process does at most.
    """

    path: Path
    tasks_per_process: int | None = None

    def start(self):
        print("started")

    def log_path(self, task):
        return self.path / f"{task}.log"

    def note(self, task):
        with open(self.path / "done", "a", encoding="utf-8") as file:
            file.write(f"{task}\n")

    def done(self):
        """The tasks that were begun, in order."""
        file = self.path / "done"
        return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []

    def __call__(self, task):
        self.note(task)
        print(f"does {task}")
        match task.split()[0]:
            case "kill":
                # Its beginning is told first.
                time.sleep(0.1)
                os.kill(os.getpid(), signal.SIGKILL)
            case "kill-once" if self.done().count(task) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            case "bug":
                raise KeyError("a bug")
            case "refuse":
                raise ValueError("Two\nlines.")
            case "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")
            case "fill":
                (self.path / "disk" / "file").write_bytes(bytes(1 << 20))
            case "speak":
                os.write(1, b"by number\n")
                os.system("echo by a child")
            case "sleep":
                time.sleep(float(task.split()[1]))
            case "await":
                deadline = time.monotonic() + 60
                while task.split()[1] not in self.done() and time.monotonic() < deadline:
                    time.sleep(0.01)
            case "draw":
                random.seed(7)
                time.sleep(1.2)
                return random.random()
            case "attempt":
                with attempt(self.path / "attempts") as path:
                    # Whoever begins first is stopped here.
                    time.sleep(3 if path.name.endswith("1") else 0)
                    (path / "result").write_text(str(os.getpid()), encoding="utf-8")
            case "train":
                self.train(task)
        return f"{task}: {os.getpid()}"

    def train(self, task):
        """Goes on for long, and makes its work safe when it is stopped."""
        with interrupts.deferred() as is_stopped:
            deadline = time.monotonic() + 60
            while not is_stopped() and time.monotonic() < deadline:
                time.sleep(0.01)
            self.note(f"safe {task}")
