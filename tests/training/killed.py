"""`python -m tests.training.killed RECIPE RECORDS DIR SEED KILLS`: trains DIR/undisturbed, and DIR/killed with kills.

A moment is a batch, or a file of the run that Python opens, renames or removes. At a random one of them the process
sends itself SIGKILL, so that what is on disk is whatever it is; then the training is started again. Each training is a
fork, which saves the import of TensorFlow.
"""

import os
import random
import signal
import sys
from pathlib import Path

import tests.conftest as conftest
from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.runs.run import Run
from mmtrans.training.execution import Execution
from mmtrans.training.monitor import Monitor
from mmtrans.training.train import make_deterministic, train


def config_of(recipe):
    return Config(recipe=recipe, batch_size=7, epochs=2, target="tokens", codebook_size=4, **conftest.TINY)


def count_moments(run_dir, last):
    """Counts moments from now on; the `last` one, if not 0, is the process' last."""
    count = [0]

    def moment():
        count[0] += 1
        if count[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event, arguments):
        if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir") and str(run_dir) in str(arguments[0]):
            moment()

    def step(self, segments):
        moment()
        original(self, segments)

    original, Monitor.step = Monitor.step, step
    sys.addaudithook(audit)
    return count


def train_in_fork(config, records_dir, run_dir, last=0):
    """Trains in a process of its own. Returns its exit status, and leaves the number of moments beside the run."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    make_deterministic()
    count = count_moments(run_dir, last)
    records = Records.open(records_dir, splits=("train", "valid"))
    train(Run.open_or_create(run_dir, config, records), records, True, None, Execution(checkpoint_minutes=0))
    run_dir.with_suffix(".moments").write_text(str(count[0]))
    os._exit(0)


def main(config, records_dir, directory, seed, kills):
    run_dir = directory / "undisturbed"
    if train_in_fork(config, records_dir, run_dir):
        return 1
    moments, rng = int(run_dir.with_suffix(".moments").read_text()), random.Random(seed)
    for _ in range(kills):
        last = rng.randint(1, moments // kills)
        code = train_in_fork(config, records_dir, directory / "killed", last)
        print(f"moment {last} of {moments}: {code}", flush=True)
        if code != -signal.SIGKILL:
            return 1
    return train_in_fork(config, records_dir, directory / "killed")


if __name__ == "__main__":
    recipe, records_dir, directory, seed, kills = sys.argv[1:]
    sys.exit(main(config_of(recipe), Path(records_dir), Path(directory), int(seed), int(kills)))
