"""What `environment.json` of a run says: the data that it was made for, what else it depends on, and how its
configuration is told from a damaged one."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
import numpy as np

import mmtrans
from mmtrans.config import FIELDS, Config
from mmtrans.config.files import load_yaml
from mmtrans.runs.corpus import CorpusFacts, describe_corpus
from mmtrans.runs.labels import Labels
from mmtrans.words.columns import PieceColumns
from tfrecords.manifest import Dim, Manifest, ModalityInfo, TextColumns, TextFields
from tfrecords.precision import Dtype, halves
from tfrecords.schema import SPLITS, LabelScale, ScaleFields
from tfrecords.stored import Count, Finite, damage

#: What to do about a damaged file of a run.
REMEDY = "Copy the run anew from where it is whole, or train it again in a new directory."


class _AlwaysColumns(TypedDict):
    dim: Dim
    aligned: bool
    feature_names: tuple[str, ...] | None


class Columns(_AlwaysColumns, total=False):
    """The columns of a modality, as `describe_data` gives them; `dtype` where records do not store float32."""

    dtype: Dtype


class _AlwaysData(TypedDict):
    label: LabelScale
    max_steps: dict[str, Count]
    modalities: dict[str, Columns]


class Data(_AlwaysData, total=False):
    """What new data must be like, as `describe_data` gives it; not every release wrote the keys that stand here."""

    steps_per_word: dict[str, Finite]
    text: TextColumns | None
    files: list[str]
    extraction: dict[str, dict[str, Any]]
    corpus: CorpusFacts


class _AlwaysDescribed(TypedDict):
    """What `describe_data` gives, as JSON will have it: `Data` with the fields of label and text in their places."""

    label: ScaleFields
    max_steps: dict[str, int]
    modalities: dict[str, Columns]
    steps_per_word: dict[str, float]
    text: TextFields | None
    files: list[str]
    corpus: CorpusFacts


class DataDescription(_AlwaysDescribed, total=False):
    """The same, with how clips were extracted where the records are of clips.

    Attributes:
        label: the label's name, range and neutral point.
        max_steps: `aligned` or a modality → longest stream of the records.
        modalities: modality → `dim`, `aligned`, `feature_names`, and `dtype` where it is not float32.
        steps_per_word: modality with steps of its own → its steps for each word over train.
        text: what the columns of text are, where an encoder of words gave them.
        files: SHA-256 of the files that the records were made of.
        corpus: format, folds, and of each split the number of segments and videos.
        extraction: `settings`, `packages` and `models` by which clips were measured.
    """

    extraction: dict[str, dict[str, Any]]


class _Always(TypedDict):
    records: str
    manifest_hash: str
    data: Data


class Environment(_Always, total=False):
    """What is read of `environment.json`; not every release wrote the keys that stand here.

    Attributes:
        records: directory of the records.
        manifest_hash: SHA-256 of their manifest.
        data: what new data must be like, see below.
        init_hash: hash of the translations that the run started from (`--init`), or `null`.
        text_encoder: columns and SHA-256 of the text encoder that reads pieces, or `null`.
        labels: split → labelled segments that the run saw (`seen`), and those that there are (`all`).
        run_format: number that rises when training learns something else.
        seed: the seed of weights, dropout and order.
        config_digest: hash of the configuration.
        git_commit: commit of mmtrans where it ran from a checkout, or `null`.
        mmtrans, tensorflow, keras, python, numpy: its version in training.
        devices: devices that TensorFlow had.
    """

    init_hash: str | None
    text_encoder: PieceColumns | None
    labels: dict[str, Labels]
    run_format: Annotated[int, msgspec.Meta(ge=1)]
    seed: int
    config_digest: str
    git_commit: str | None
    mmtrans: str
    tensorflow: str
    keras: str


def describe_data(manifest: Manifest) -> DataDescription:
    """What must be known of a run's records without having them: `label`, `max_steps`, each modality's columns, how
    many steps a word those have that are not aligned to the words, the encoder that gave `text` its columns, the
    sha256 of the `files` that the records were made of, their `corpus`, and how they were extracted from clips, if they
    were."""
    description: DataDescription = {
        "label": manifest.label.to_json(),
        "max_steps": dict(manifest.max_steps),
        "modalities": {name: _columns_of(info) for name, info in manifest.modalities.items()},
        "steps_per_word": steps_per_word(manifest),
        "text": None if manifest.text is None else manifest.text.to_json(),
        "files": sorted({file.sha256 for file in manifest.source.files}),
        "corpus": describe_corpus(manifest),
    }
    if manifest.extraction is not None:
        description["extraction"] = {name: dict(part) for name, part in manifest.extraction.items()}
    return description


def _columns_of(info: ModalityInfo) -> Columns:
    columns: Columns = {"dim": info.dim, "aligned": info.aligned, "feature_names": info.feature_names}
    return columns if info.dtype == "float32" else {**columns, "dtype": info.dtype}


def halves_of(data: Mapping[str, Any]) -> frozenset[str]:
    """The modalities that records store in float16, in what `describe_data` gave."""
    return halves({name: info.get("dtype", "float32") for name, info in data["modalities"].items()})


def label_of(data: Mapping[str, Any]) -> LabelScale:
    """The label in what `describe_data` gave."""
    return msgspec.convert(data["label"], LabelScale)


def text_of(data: Mapping[str, Any]) -> TextColumns | None:
    """What the columns of text are in what `describe_data` gave; `None` where no encoder gave them."""
    return msgspec.convert(data.get("text"), TextColumns | None)


def pieces_of(environment: Mapping[str, Any]) -> PieceColumns | None:
    """The columns of pieces in a run's `environment.json`, and their encoder; `None` where its text has none."""
    return msgspec.convert(environment.get("text_encoder"), PieceColumns | None)


def source_files(data: Mapping[str, Any], records: Path, manifest_hash: str) -> frozenset[str] | None:
    """sha256 of the files that a run's records were made of; `None` where neither its data nor its records tell.

    Args:
        data: what `describe_data` gave.
        records: path of the records when the run was made.
        manifest_hash: hash of their manifest.
    """
    if "files" in data:
        return frozenset(data["files"])
    try:
        manifest = Manifest.load(records)
    except (OSError, ValueError):
        return None
    return frozenset(file.sha256 for file in manifest.source.files) if manifest.manifest_hash == manifest_hash else None


def steps_per_word(manifest: Manifest) -> dict[str, float]:
    """Modality with steps at its own rate → its mean steps a word; without those where no words are known."""
    summary = next((manifest.summary[split] for split in SPLITS if split in manifest.summary), None)
    if summary is None or "aligned" not in summary.steps:
        return {}
    words = summary.steps["aligned"].mean
    unaligned = [name for name, info in manifest.modalities.items() if not info.aligned and name in summary.steps]
    return {name: summary.steps[name].mean / words for name in unaligned}


def describe_environment(config: Config) -> dict[str, int | str | list[str] | None]:
    """What a run depends on besides its records: code, versions, devices; and what tells its configuration."""
    import tensorflow as tf

    try:
        answer = subprocess.run(
            ["git", "-C", str(Path(mmtrans.__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
        commit = answer.stdout.strip() or None
    except FileNotFoundError:
        commit = None
    return {
        "seed": config.plan.seed,
        "config_digest": _digest(config),
        "git_commit": commit,
        **versions(),
        "devices": [device.name for device in tf.config.list_logical_devices()],
    }


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    import keras
    import tensorflow as tf

    return {
        "mmtrans": mmtrans.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def read_config(path: Path, environment: Environment) -> Config:
    """The configuration of a run's directory.

    Raises:
        ValueError: `config.yaml` is damaged. Where it was cut between two fields, defaults would stand for what is
            lost; the digest in `environment.json` tells, if the run is new enough to have one.
    """
    file = path / "config.yaml"
    fields = load_yaml(file)
    config = Config(**fields)
    is_told = "config_digest" in environment
    lost = [name for name, field in FIELDS.items() if field.grows and not field.is_added and name not in fields]
    if is_told and (lost or environment["config_digest"] != _digest(config)):
        missing = sorted(set(FIELDS) - set(fields))
        received = f"a file without {', '.join(missing[:5])}" if missing else "other values"
        raise damage(file, "the fields that the run was made with", received, REMEDY)
    return config


def _digest(config: Config) -> str:
    """The same wherever a run's `init` lies by now, and however many epochs it has."""
    return dataclasses.replace(config, init="").digest()
