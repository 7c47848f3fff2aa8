"""TensorFlow without its lines: those of its C++ side, which come before Python can ask it not to, and its logger's;
and Keras without what it loads for parts that nothing here uses."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys

#: Keras imports them where they are installed, for wrappers and pictures that nothing here uses; that takes a third of
#: the time of all imports.
_UNUSED = ("matplotlib", "pandas", "sklearn")


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
        import_keras_alone()
        import tensorflow as tf

        tf.config.list_logical_devices()


def import_keras_alone() -> None:
    """Imports TensorFlow and Keras as where nothing of `_UNUSED` is installed; whoever imports that later finds it.

    For processes of our own: Keras' wrappers for scikit-learn do not work in them. The collector waits until the end:
    it finds no garbage in what imports make, and takes a sixth of their time.
    """
    collects = gc.isenabled()
    gc.disable()
    hidden = [name for name in _UNUSED if name not in sys.modules]
    # An import of a module that is None here is an ImportError.
    sys.modules.update(dict.fromkeys(hidden))  # pyright: ignore[reportCallIssue, reportArgumentType]
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
        if collects:
            gc.enable()
