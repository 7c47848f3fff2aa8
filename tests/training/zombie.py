"""`python -m tests.training.zombie RECORDS DIR`: a training that is stopped between its last check and a rename.

It is believed to run on another machine, and dead; another one ends the run; then it wakes. It must find out, and what
it still writes is not read. DIR/undisturbed is the same training alone. Each training is a fork.
"""

import os
import signal
import sys
from pathlib import Path

from mmtrans.data.records import Records
from mmtrans.runs.run import Run
from mmtrans.system import lease
from mmtrans.system.lease import LeaseLostError, held
from mmtrans.training.execution import Execution
from mmtrans.training.train import make_deterministic, train
from tests.training.killed import config_of
from tfrecords.processes import Process

#: File, and how often it was renamed to its place before: the zombie has nothing safe, or all but the last word.
MOMENTS = (("weights.npz", 0), ("phase.json", 1))


def fork(act):
    """Does something in a process of its own, and returns its number."""
    child = os.fork()
    if not child:
        try:
            act()
        except LeaseLostError:
            os._exit(3)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return child


def wait(child):
    """How a process ends, or is stopped."""
    status = os.waitpid(child, os.WUNTRACED)[1]
    return "stopped" if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def train_run(records_dir, run_dir):
    make_deterministic()
    records = Records.open(records_dir, splits=("train", "valid"))
    with held(run_dir, "run"):
        run = Run.open_or_create(run_dir, config_of("T"), records)
        train(run, records, True, None, Execution(checkpoint_minutes=0))


def train_as_zombie(records_dir, run_dir, name, left):
    rename, counts = os.replace, [left]

    def stopping(source, target):
        if Path(target).name == name:
            if counts[0] == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
            counts[0] -= 1
        rename(source, target)

    os.replace = stopping
    # For its heir it is of another machine, which cannot tell whether it lives.
    this = Process.this()
    lease.Process.this = classmethod(lambda cls: cls(this.pid, "00000000", this.started))
    train_run(records_dir, run_dir)


def files_of(run_dir):
    """What is read of a run."""
    return {
        path: path.read_bytes()
        for path in run_dir.rglob("*")
        if path.is_file() and path.relative_to(run_dir).parts[0] not in ("logs", ".tokens")
    }


def main(records_dir, directory):
    lease.WATCH_SECONDS, lease.RENEW_SECONDS = 1.0, 0.2
    if wait(fork(lambda: train_run(records_dir, directory / "undisturbed"))):
        return 1
    for name, left in MOMENTS:
        run_dir = directory / name
        zombie = fork(lambda: train_as_zombie(records_dir, run_dir, name, left))  # noqa: B023
        said = [wait(zombie), wait(fork(lambda: train_run(records_dir, run_dir)))]  # noqa: B023
        before = files_of(run_dir)
        os.kill(zombie, signal.SIGCONT)
        said.append(wait(zombie))
        print(name, *said, files_of(run_dir) == before, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
