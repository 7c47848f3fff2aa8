"""Weights of a trained phase: one .npz file, whole or absent."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from mmtrans.runs.phase_file import PHASE_REMEDY
from mmtrans.system.files import new_file
from tfrecords.stored import read_npz


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
    with new_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)


def check_weights(path: Path) -> None:
    """Raises a FileNotFoundError where a phase has no weights."""
    if not path.is_file():
        raise FileNotFoundError(f"No trained weights. Expected a finished phase. Received: {path}. {PHASE_REMEDY}")


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of `save_weights`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged.
    """
    check_weights(path)
    return read_npz(path, (), PHASE_REMEDY)


def load_weights(path: Path, group: str, model: keras.Model) -> None:
    """Sets a model's weights from one group of a file of `save_weights`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or the group does not fit the model.
    """
    arrays = read_weights(path)
    weights = [arrays[key] for key in sorted(arrays) if key.startswith(f"{group}/")]
    expected = [array.shape for array in model.get_weights()]
    received = [array.shape if array.dtype.kind == "f" else array.dtype for array in weights]
    if expected != received:
        raise ValueError(
            f"Weights do not fit the model. Expected shapes {expected}. Received: {received} ({path}). {PHASE_REMEDY}"
        )
    model.set_weights(weights)
