"""TensorFlow in a process that does one training after another: it is set up once, and forgets the models before."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


def set_up_tensorflow(num_threads: int | None) -> None:
    """Imports TensorFlow to train with so many threads an operation, `None` for training's default.

    It may be called again, with the same number, when devices have been made.
    """
    from mmtrans.system.quiet import import_keras_alone

    import_keras_alone()
    import tensorflow as tf

    from mmtrans.training.execution import set_operation_threads
    from mmtrans.training.train import make_deterministic

    if num_threads is None:
        set_operation_threads()
    else:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # others may share it
    make_deterministic()


def leave_gpus_to_workers() -> None:
    """Keeps this process, which trains nothing itself, from taking memory of GPUs."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


def forget_models() -> None:
    """Frees what the task before left of models and graphs, which would pile up."""
    import keras

    keras.backend.clear_session()
    gc.collect()


@contextlib.contextmanager
def graphs_released() -> Iterator[None]:
    """Context, or decorator, of a training: what holds its graphs is let go at the end, so that they can be freed.

    TensorFlow registers the gradient of each `tf.custom_gradient` in a graph, for ever, and with it graph and model.
    Those that were there before stay: somebody may still differentiate them.
    """
    from tensorflow.python.framework import ops

    # TensorFlow has no way to take one back.
    registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    earlier = set(registered)
    try:
        yield
    finally:
        for name in registered.keys() - earlier:
            if name.startswith("CustomGradient-"):
                del registered[name]
