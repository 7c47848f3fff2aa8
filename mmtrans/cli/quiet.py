"""Imports TensorFlow for the commands, with devices as a training wants them where it is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtrans.system import quiet
from mmtrans.system.console import passing
from mmtrans.system.garbage import set_imports_aside
from mmtrans.system.quiet import import_keras_alone, silent_stderr

if TYPE_CHECKING:
    from mmtrans.engine.options import EngineOptions
    from mmtrans.training.devices import Devices
    from mmtrans.training.execution import Execution

STARTING = "Starting TensorFlow ..."


def import_tensorflow() -> None:
    """Imports TensorFlow and creates its devices."""
    with passing(STARTING):
        quiet.import_tensorflow()


def import_devices(execution: Execution, tunes_text: bool = False) -> Devices:
    """Imports TensorFlow and creates the devices of a training, in which a text encoder may move; raises as
    `open_devices` does."""
    from mmtrans.training.execution import set_operation_threads

    set_operation_threads(tunes_text)
    with passing(STARTING), silent_stderr():
        import_keras_alone()
        import tensorflow as tf

        from mmtrans.training.devices import open_devices

        devices = open_devices(execution)
        tf.config.list_logical_devices()
    return devices


def import_for_tasks(options: EngineOptions) -> None:
    """Imports TensorFlow into a process whose tasks are trainings: it does them itself, or leaves them to workers."""
    from mmtrans.training.process import leave_gpus_to_workers, set_up_tensorflow

    with passing(STARTING), silent_stderr():
        import_keras_alone()
        if options.is_here:
            set_up_tensorflow(None)
        else:
            leave_gpus_to_workers()
        import_tensorflow()
    set_imports_aside()
