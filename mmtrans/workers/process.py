"""TensorFlow in a worker process: it is set up once, and forgets the models of the task before."""

from __future__ import annotations

import gc


def set_up_tensorflow(num_threads: int | None) -> None:
    """Imports TensorFlow into a worker process, with so many threads an operation, `None` for training's default."""
    import tensorflow as tf

    from mmtrans.training.execution import set_operation_threads
    from mmtrans.training.train import make_deterministic

    if num_threads is None:
        set_operation_threads()
    else:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # it is shared with the other workers
    make_deterministic()


def forget_models() -> None:
    """Frees what the task before left of models and graphs, which would pile up."""
    import keras

    keras.backend.clear_session()
    gc.collect()
