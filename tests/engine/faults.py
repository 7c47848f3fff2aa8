"""`dask worker --preload tests.engine.faults`: a worker of trainings that is struck just before it renames a file.

A fault is a file `*.fault` in the directory `MMTRANS_FAULTS`, made by a test: a pattern of paths, a number, and a
signal's name, or `pause`. Who is about to rename a file to one such path for the so-manieth time takes it, and sends
itself the signal, or waits until `struck-…` is removed, which has its number; `woke-…` appears when it has renamed the
file after all, or could not.
"""

import fnmatch
import os
import signal
import time
from collections import Counter
from pathlib import Path

# What would keep a worker from telling that it lives is done before it is one.
import mmtrans.evaluation.suitability
import mmtrans.training.train  # noqa: F401
from mmtrans.evaluation import evaluate
from tests.engine.clusters import PATIENCE

FAULTS = "MMTRANS_FAULTS"

_replace = os.replace
_counts = Counter()


def _taken(target):
    """The name and the signal of a fault that is due now, or `None`."""
    for fault in Path(os.environ[FAULTS]).glob("*.fault"):
        pattern, nth, name = fault.read_text(encoding="utf-8").split()
        if fnmatch.fnmatch(str(target), pattern):
            _counts[fault.name, str(target)] += 1
            if _counts[fault.name, str(target)] == int(nth):
                fault.unlink()
                return fault.stem, name
    return None


def _struck(source, target, **options):
    try:
        taken = _taken(target)
    except (FileNotFoundError, ValueError):
        # Another one was faster, or it is being written.
        taken = None
    if taken is None:
        return _replace(source, target, **options)
    name, signal_name = taken
    directory = Path(os.environ[FAULTS])
    (directory / f"struck-{name}").write_text(str(os.getpid()), encoding="utf-8")
    if signal_name != "pause":
        os.kill(os.getpid(), getattr(signal, signal_name))
    deadline = time.monotonic() + PATIENCE
    while signal_name == "pause" and (directory / f"struck-{name}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        return _replace(source, target, **options)
    finally:
        (directory / f"woke-{name}").touch()


if FAULTS in os.environ:
    os.replace = _struck
    # Half of the time of a tiny training.
    evaluate.plot_split = evaluate._plot_history = lambda *_: None
