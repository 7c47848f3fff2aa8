"""The exported directory: a SavedModel, `signature.json`, `model_card.md` and `keras/`; whole or not at all."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from mmtrans.inference.card import model_card
from mmtrans.inference.graph import Functions, serving_functions
from mmtrans.inference.signature import SIGNATURE_NAME, ExportDescription, describe_export
from mmtrans.runs.run import Run
from mmtrans.runs.status import check_finished
from tfrecords import directories
from tfrecords.manifest import file_sha256


def export(run: Run, directory: str | Path, overwrite: bool = False) -> ExportDescription:
    """Writes a trained run as files that plain TensorFlow, TF Serving or C++ can run.

    Args:
        run: a run whose phases are finished. Its records are not needed.
        directory: what to make: `saved_model.pb` and `variables/`, `signature.json`, `model_card.md`, and `keras/`
            with the functional models. It may exist empty.
        overwrite: replace an export that exists.

    Returns:
        the content of `signature.json`.

    Raises:
        ValueError: the run is not finished, or `directory` holds something else, or an export and not `overwrite`.

    Example:
        ```pycon
        >>> description = api.export(api.Run.open("run"), "exported")
        >>> description["recipe"]
        'T'
        ```
    """
    check_finished(run)
    with new_export(Path(directory), overwrite) as partial:
        functions = save_graph(run, partial)
        save_keras(run, partial / "keras")
        description = describe_export(run, functions)
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        description["sha256"] = {path.relative_to(partial).as_posix(): file_sha256(path) for path in files}
        text = json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False)
        (partial / SIGNATURE_NAME).write_text(text + "\n", encoding="utf-8")
        (partial / "model_card.md").write_text(model_card(description), encoding="utf-8")
    return description


def save_graph(run: Run, directory: Path) -> Functions:
    """Writes the SavedModel of a run's trained weights, finished or not, and returns its functions by name."""
    functions, variables = serving_functions(run)
    module = tf.Module()
    module.tracked = variables
    tf.saved_model.save(module, str(directory), signatures=functions)
    return functions


def save_keras(run: Run, directory: Path) -> None:
    """Writes the functional models: `sentiment.keras`, and for a translation `translator.keras` (teacher-forced)."""
    directory.mkdir()
    run.load_regressor().model.save(directory / "sentiment.keras")
    if run.has_translation:
        run.load_translator().model.save(directory / "translator.keras")


@contextmanager
def new_export(target: Path, overwrite: bool) -> Iterator[Path]:
    """A directory that appears whole or not at all: the body writes beside it, under a name of its own.

    Raises:
        ValueError: `target` holds something else, or an export and not `overwrite`.
    """
    check = functools.partial(_check_target, overwrite=overwrite)
    with directories.new_directory(target, check, overwrite=overwrite) as partial:
        yield partial


def _check_target(target: Path, overwrite: bool) -> None:
    received = f"Received: directory={str(target)!r}"
    if target.exists() and not target.is_dir():
        raise ValueError(f"An export is a directory. Expected a new name. {received}, a file. Give another name.")
    names = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if not names:
        return
    if SIGNATURE_NAME not in names or "saved_model.pb" not in names:
        raise ValueError(
            f"The directory holds other things than an export and is left alone. Expected a new or empty directory. "
            f"{received} with {names[:5]}. Give another name."
        )
    if not overwrite:
        raise ValueError(
            f"An export exists already. Expected a new directory. {received}. Replace it with --overwrite, or give "
            "another name."
        )
