"""Checkpoints of a phase, whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

KEEP = 2


def save_checkpoint(directory: Path, checkpoint: tf.train.Checkpoint, progress: dict) -> None:
    """Writes one checkpoint and drops all but the newest.

    Args:
        directory: holds one sub-directory a checkpoint, named by its step so that names sort by age.
        checkpoint: the tracked objects.
        progress: JSON-serialisable state of the loop; its `step` names the checkpoint.
    """
    target = directory / f"step-{progress['step']:08d}"
    partial = directory / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    checkpoint.write(str(partial / "state"))
    (partial / "progress.json").write_text(json.dumps(progress), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(partial, target)
    for old in sorted(directory.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old)


def restore_checkpoint(directory: Path, checkpoint: tf.train.Checkpoint) -> dict | None:
    """Restores the newest checkpoint and returns its progress, or `None` where there is none.

    Raises:
        ValueError: it does not hold the tracked objects; Keras 2 and 3 name what they track differently.
    """
    found = sorted(directory.glob("step-*"))
    if not found:
        return None
    status = checkpoint.read(str(found[-1] / "state"))
    try:
        status.assert_existing_objects_matched()
    except AssertionError as error:
        status.expect_partial()  # or TensorFlow warns of each value at exit
        raise ValueError(
            f"A checkpoint does not fit the model. Expected one written with TensorFlow {tf.__version__} and Keras "
            f"{keras.__version__}, or alike. Received: checkpoint={str(found[-1])!r}. Go on with the versions that the "
            f"run's environment.json names, or choose another --run."
        ) from error
    return json.loads((found[-1] / "progress.json").read_text(encoding="utf-8"))


def save_weights(path: Path, groups: dict[str, keras.Model]) -> None:
    """Writes the weights of models as one .npz file, atomically.

    Args:
        path: the file.
        groups: name → model; `load_weights` reads each group by itself.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{group}/{index:04d}": array
        for group, model in groups.items()
        for index, array in enumerate(model.get_weights())
    }
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.savez(file, **arrays)
    os.replace(partial, path)


def load_weights(path: Path, group: str, model: keras.Model) -> None:
    """Sets a model's weights from one group of a file of `save_weights`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the group does not fit the model.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"No trained weights. Expected a finished phase. Received: {path}. Train the run again."
        )
    with np.load(path, allow_pickle=False) as arrays:
        weights = [arrays[key] for key in sorted(arrays.files) if key.startswith(f"{group}/")]
    expected, received = [w.shape for w in model.get_weights()], [w.shape for w in weights]
    if expected != received:
        raise ValueError(f"Weights do not fit the model. Expected shapes {expected}. Received: {received} ({path}).")
    model.set_weights(weights)
