"""`python -m tests.training.stopped SIGNAL WORKER COMMAND …`: a command of a cluster that stops itself between phases.

The process WORKER of it sends itself SIGNAL as it begins the second phase, when no step of a training is under way.
"""

import os
import signal
import sys

import mmtrans.training.train as training
from mmtrans.cli.main import main


def stop_at_second_phase(number):
    begun = []

    def begin_phase(*arguments):
        begun.append(arguments)
        if len(begun) == 2:
            os.kill(os.getpid(), number)
        return original(*arguments)

    original, training.begin_phase = training.begin_phase, begin_phase


if __name__ == "__main__":
    number, worker, *command = sys.argv[1:]
    # A shell's background jobs are told to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if f'"index": {worker}' in os.environ["TF_CONFIG"]:
        stop_at_second_phase(int(number))
    sys.exit(main(command))
