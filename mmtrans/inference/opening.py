"""Opens an exported model: its files are compared with their checksums, its graph is read as data, then it is loaded.

An export is a program, unlike a run directory, which is data alone. The checks keep out damage, and operations that our
exports lack. They make no stranger's export harmless: it may still compute without end, until a signal stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import tensorflow as tf

from mmtrans.inference.influence import Parts
from mmtrans.inference.operations import check_graph
from mmtrans.inference.signature import Signature, load_signature, reads_apart
from mmtrans.models.rivals.build import NUMBERS
from tfrecords.manifest import file_sha256

GRAPH_NAME = "saved_model.pb"

#: Without these there is no model.
_NEEDED = (GRAPH_NAME, "variables/variables.index")

#: Where TensorFlow looks for files by itself: folder → beginning of their names.
_READ_BY_TENSORFLOW = {".": "saved_model", "variables": "", "debug": "", "assets": ""}

#: What is read of the outputs → their type and rank.
Kinds = Mapping[str, tuple[str, int]]
_OUTPUTS: Kinds = {"score": ("float32", 1), "attention_weights": ("float32", 2)}
_FEATURES = ("float32", 3)
_NUMBER = ("int64", 1)

#: The signature that scores.
_SENTIMENT = "serving_default"

#: What TensorFlow raises on graphs and variables that do not fit together.
_LOAD_ERRORS = (tf.errors.OpError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError)
_LOAD_ERRORS += (NotImplementedError, RuntimeError)

#: And when such a graph runs. A want of memory is none of the model's.
_RUN_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.FailedPreconditionError, tf.errors.NotFoundError)
_RUN_ERRORS += (tf.errors.InternalError, tf.errors.UnimplementedError, tf.errors.OutOfRangeError)


def is_export(directory: Path) -> bool:
    """Whether a directory holds a SavedModel, and no run: a run directory is data, whatever else lies in it."""
    return (directory / GRAPH_NAME).is_file() and not (directory / "environment.json").is_file()


def open_export(directory: Path) -> tuple[Signature, Callable, Parts | None]:
    """Checks and loads what `mmtrans export` made.

    Args:
        directory: the directory of the SavedModel.

    Returns:
        the content of `signature.json`; its function `serving_default`: `(**features, length, **numbers)` →
        `{"score", "attention_weights"}`, of which numbers are those of `NUMBERS` where it reads whole videos; and its
        parts, where it holds a text encoder and an earlier version did not
        make it.

    Raises:
        FileNotFoundError: there is no `signature.json`.
        ValueError: a file is damaged, missing or not of the export; the graph holds what no export does; or it is not
            what `signature.json` says.
    """
    signature = load_signature(directory)
    _check_files(directory, signature["sha256"])
    check_graph(directory / GRAPH_NAME)
    try:
        loaded = tf.saved_model.load(str(directory))
        found = {name: _specs(loaded.signatures[name]) for name in _served(loaded)}
    except _LOAD_ERRORS as error:
        raise _unusable(directory, f"{type(error).__name__} {str(error)[:200]}") from error
    inputs, outputs = found[_SENTIMENT]
    numbers = NUMBERS if signature.get("reads_videos") else ()
    columns = {name: spec.shape[-1] for name, spec in inputs.items() if name not in ("length", *numbers)}
    if columns != {name: info["dim"] for name, info in signature["reads"].items()} or "length" not in inputs:
        raise _unusable(directory, f"inputs={columns}")
    if not _OUTPUTS.keys() <= outputs.keys():
        raise _unusable(directory, f"outputs={sorted(outputs)}")
    read_too = {**dict.fromkeys(numbers, _NUMBER), "length": ("int32", 2 if reads_apart(signature["reads"]) else 1)}
    _check_kinds(directory, found[_SENTIMENT], {**dict.fromkeys(columns, _FEATURES), **read_too}, _OUTPUTS)
    if len(found) == 1:
        return signature, _server(loaded, _SENTIMENT, _OUTPUTS, directory), None
    of_features = {Parts.FEATURES: _FEATURES}
    _check_kinds(directory, found[Parts.FEATURES], dict.fromkeys(columns, _FEATURES), of_features)
    _check_kinds(directory, found[Parts.REST], {**of_features, **read_too}, _OUTPUTS)
    parts = Parts(
        _server(loaded, Parts.FEATURES, of_features, directory), _server(loaded, Parts.REST, _OUTPUTS, directory)
    )
    return signature, _server(loaded, _SENTIMENT, _OUTPUTS, directory), parts


def _served(loaded: Any) -> tuple[str, ...]:
    """Names of the signatures that are called."""
    parts = (Parts.FEATURES, Parts.REST)
    return (_SENTIMENT, *parts) if all(name in loaded.signatures for name in parts) else (_SENTIMENT,)


def _specs(function: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a signature reads and gives, by name."""
    return function.structured_input_signature[1], dict(function.structured_outputs)


def _check_kinds(directory: Path, specs: tuple[dict[str, Any], dict[str, Any]], reads: Kinds, gives: Kinds) -> None:
    kinds = {name: (spec.dtype.name, spec.shape.rank) for part in specs for name, spec in part.items()}
    expected = {"length": ("int32", 1), **reads, **gives}
    others = {name: kinds.get(name, ("nothing", 0)) for name in expected if kinds.get(name) != expected[name]}
    if others:
        raise _unusable(
            directory, ", ".join(f"{name} as {dtype} of rank {rank}" for name, (dtype, rank) in others.items())
        )


def _server(loaded: Any, name: str, gives: Kinds, directory: Path) -> Callable:
    """A signature, whose errors are those of the export."""

    def serve(**inputs: tf.Tensor) -> Mapping[str, tf.Tensor]:
        try:
            # TensorFlow's function holds its variables by weak references only: the model must live as long.
            outputs = _interruptible(loaded.signatures[name], inputs)
        except _RUN_ERRORS as error:
            raise _unusable(directory, f"{type(error).__name__} {str(error)[:200]}") from error
        rows = {output: len(outputs[output]) for output in gives}
        if set(rows.values()) != {len(inputs["length"])}:
            raise _unusable(directory, f"rows={rows} of {len(inputs['length'])} segments")
        return outputs

    return serve


def _interruptible(function: Callable, inputs: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
    """Calls a function that Ctrl-C and SIGTERM end: Python hears no signal while its main thread is in TensorFlow."""
    with ThreadPool(1) as thread:
        return thread.apply_async(function, kwds=inputs).get()


def _check_files(directory: Path, digests: Mapping[str, str]) -> None:
    """Compares files with the checksums that `signature.json` holds of them; those that nobody reads may be gone."""
    missing = [name for name in _NEEDED if name not in digests]
    problems = [f"no checksum of {name}" for name in missing]
    for folder, start in _READ_BY_TENSORFLOW.items():
        paths = (directory / folder).iterdir() if (directory / folder).is_dir() else ()
        names = sorted(path.relative_to(directory).as_posix() for path in paths if path.name.startswith(start))
        problems += [f"{name}, which is not of the export" for name in names if name not in digests]
    # Whatever is listed or not: TensorFlow would wait for a pipe.
    problems += [f"{path.name}, which is no file" for path in sorted(directory.iterdir()) if _is_no_file(path)]
    for name, digest in sorted(digests.items()):
        path = directory / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            problems.append(f"{name}, which lies elsewhere")
        elif path.is_file():
            problems += [f"{name} with another checksum"] if file_sha256(path) != digest else []
        elif name.split("/")[0] in (GRAPH_NAME, "variables"):
            problems.append(f"no file {name}")
    if problems:
        raise ValueError(
            f"The export is damaged. Expected the files that were exported, as signature.json lists them. "
            f"Received: {'; '.join(problems[:5])} ({directory}). Copy it again, or export the run again."
        )


def _is_no_file(path: Path) -> bool:
    """Whether there is a pipe or a device, links followed."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _unusable(directory: Path, received: str) -> ValueError:
    return ValueError(
        f"The exported model cannot be used. Expected the signature serving_default as signature.json describes it. "
        f"Received: {' '.join(received.split())} ({directory}). Export the run again."
    )
