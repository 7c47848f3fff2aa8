"""TensorFlow without its lines: those of its C++ side, which come before Python can ask it not to, and its logger's."""

from __future__ import annotations

import contextlib
import logging
import os
import sys


@contextlib.contextmanager
def silent_stderr():
    """Sends file descriptor 2 to nowhere within the context; Python exceptions pass through unharmed."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def quiet_logger():
    """Keeps what is no error of TensorFlow's own logger away within the context; decorates functions too."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def import_tensorflow() -> None:
    """Imports TensorFlow and creates its devices."""
    with silent_stderr():
        import tensorflow as tf

        tf.config.list_logical_devices()
