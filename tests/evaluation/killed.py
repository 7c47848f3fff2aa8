"""`python -m tests.evaluation.killed RUN RECORDS DIR SEED KILLS`: evaluates copies of RUN in DIR, and kills that.

A moment is a file of the run that Python opens, renames or removes, or a directory that it makes or removes. At a
random one of them the process sends itself SIGKILL; then the evaluation is started again. Each is a fork, which saves
the import of TensorFlow.
"""

import os
import random
import shutil
import signal
import sys
from pathlib import Path

from mmtrans.data.records import Records
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.runs.run import Run
from mmtrans.training.train import make_deterministic
from tests.training.killed import count_moments


def evaluate_in_fork(run_dir, records_dir, last=0):
    """Evaluates in a process of its own. Returns its exit status, and leaves the number of moments beside the run."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    make_deterministic()
    run, records = Run.open(run_dir), Records.open(records_dir)
    count = count_moments(run_dir, last)
    evaluate(run, records, "test")
    run_dir.with_suffix(".moments").write_text(str(count[0]))
    os._exit(0)


def main(trained, records_dir, directory, seed, kills):
    undisturbed = shutil.copytree(trained, directory / "undisturbed")
    if evaluate_in_fork(undisturbed, records_dir):
        return 1
    moments, rng = int(undisturbed.with_suffix(".moments").read_text()), random.Random(seed)
    for number in range(kills):
        # One in each part of the evaluation.
        last = rng.randint(1 + moments * number // kills, moments * (number + 1) // kills)
        run_dir = shutil.copytree(trained, directory / f"killed-{number}")
        code = evaluate_in_fork(run_dir, records_dir, last)
        print(f"moment {last} of {moments}: {code}", flush=True)
        if code != -signal.SIGKILL or evaluate_in_fork(run_dir, records_dir):
            return 1
    return 0


if __name__ == "__main__":
    trained, records_dir, directory, seed, kills = sys.argv[1:]
    sys.exit(main(Path(trained), Path(records_dir), Path(directory), int(seed), int(kills)))
