"""`signature.json`: what a client must know of an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

import keras
import msgspec
import tensorflow as tf

import mmtrans
from mmtrans.evaluation.shapes import Shown, read_splits
from mmtrans.inference.graph import SEARCH_INPUTS
from mmtrans.runs.environment import Columns, source_files, text_of
from mmtrans.runs.run import Run
from tfrecords.manifest import TextColumns, TextFields
from tfrecords.precision import Dtype
from tfrecords.schema import LabelScale, ScaleFields
from tfrecords.stored import Count, Finite, read_json, shaped, shown

SIGNATURE_NAME = "signature.json"

EXPORT_FORMAT = 1


class _AlwaysRead(TypedDict):
    dim: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    aligned: bool


class Read(_AlwaysRead, total=False):
    """What `signature.json` says of a modality that the model reads; not every release wrote the key that stands
    here."""

    dtype: Dtype


class _Always(TypedDict):
    reads: Annotated[dict[str, Read], msgspec.Meta(min_length=1)]
    label: LabelScale
    max_steps: dict[str, Count]
    sha256: dict[str, str]


class Signature(_Always, total=False):
    """What is read of `signature.json`; not every release wrote the key that stands here."""

    steps_per_word: dict[str, Finite]
    text: TextColumns | None
    files: list[str]
    extraction: dict[str, dict[str, Any]]
    reads_videos: bool


class _Described(TypedDict):
    dtype: str
    shape: list[int | None] | None
    meaning: str


class Described(_Described, total=False):
    """What `signature.json` says of an input or output; what a search takes has a default."""

    default_of_mmtrans: bool | int | float


class FunctionDescription(TypedDict):
    """The inputs and outputs of a signature, by name."""

    inputs: dict[str, Described]
    outputs: dict[str, Described]


class StreamDescription(Columns):
    """A modality that the model reads or writes, and the unit of its columns."""

    unit: str


class ExportProvenance(TypedDict):
    """What is known of the training, versions of the export, and the run's configuration."""

    trained_with: dict[str, object]
    exported_with: dict[str, str]
    config: dict[str, Any]


class _Checksums(TypedDict, total=False):
    sha256: dict[str, str]


class _WordVectors(TypedDict, total=False):
    text: TextFields | None
    files: list[str]


class _Extraction(TypedDict, total=False):
    extraction: dict[str, dict[str, Any]]


class _Neighbours(TypedDict, total=False):
    reads_videos: bool


class ExportDescription(_Checksums, _WordVectors, _Extraction, _Neighbours):
    """The content of `signature.json`; the checksums come when the files are written.

    `text` tells the encoder that gave the words their vectors, and `files` the sha256 of what the records were made of,
    word vectors among them; a model that reads no text has neither. `extraction` tells how clips were measured, of a
    model that learned from clips.

    `target` and `step_ratio` are `None` where nothing is written, or where a target's steps are its source's.

    Attributes:
        format_version: version of the signature's format.
        recipe: what was trained.
        reads: modality that the model reads → `dim`, `aligned`, `feature_names`, `unit`.
        writes: the same of the modalities that it writes.
        target: `features` or `tokens`, or `null`.
        step_ratio: target steps for each source step over train: `mean` and `largest`, or `null`.
        label: the label's name, range and neutral point.
        max_steps: `aligned` or a modality → longest stream of training.
        steps_per_word: modality with steps of its own → its steps for each word.
        text: what the columns of text are, where an encoder of words gave them.
        files: SHA-256 of the files that the records were made of, word vectors among them.
        extraction: how clips were measured, of a model that learned from clips.
        reads_videos: true where a score depends on the other segments of a video, which are sent together; else absent.
        signatures: signature → `inputs` and `outputs`, each with `dtype`, `shape`, `meaning`, and of a search
            `default_of_mmtrans`.
        metrics: split → its object of metrics.json, on the run's own records.
        provenance: what is known of the training (`trained_with`), of the export (`exported_with`), and the whole
            configuration (`config`).
        sha256: file of the export → its SHA-256.
    """

    format_version: int
    recipe: str
    reads: dict[str, StreamDescription]
    writes: dict[str, StreamDescription]
    target: str | None
    step_ratio: dict[str, float] | None
    label: ScaleFields
    max_steps: dict[str, int]
    steps_per_word: dict[str, float]
    signatures: dict[str, FunctionDescription]
    metrics: dict[str, Shown]
    provenance: ExportProvenance


#: Name of an input or output → what it is, and its unit.
MEANINGS = {
    "length": "valid steps of each segment, 1 up to the steps sent; what lies beyond is not read",
    "video_number": "equal for the segments of one video, whatever it is; a score depends on those that are sent along",
    "segment_number": "rises along a video from segment to segment",
    "examples": "serialized tf.train.Example records, as `mmtrans convert` writes them",
    "beam_width": "hypotheses kept at each step, 1 to 10000",
    "n_best": "hypotheses returned, 1 to beam_width",
    "length_penalty": "alpha of Wu et al. (2016), eq. 14, -5 to 5; 0 compares log-probabilities",
    "coverage_penalty": "beta of the same, -100 to 100",
    "free_length": "false: as many steps as the source has, times the mean step_ratio and rounded where there is one; "
    "true: the model decides, up to 2 length + 10, 2 largest step_ratio length + 10 where there is one",
    "features": "vectors of the words by the text encoder inside, with the other features, standardised, beside them",
    "score": "sentiment on the scale of the label",
    "sequence": "joint representation of each step, which the regressor reads; zero after the length; "
    "one step where a latent of the whole is all that passes",
    "pooled": "one vector a segment, of which the score is a linear function",
    "ids": "token ids, best hypothesis first, ending in EOS and filled up with it",
    "tokens": "the tokens' names, UTF-8; empty from EOS on",
    "frames": "decoded features in the target's own (raw) units; zero after the length",
    "lengths": "steps of each decoded sequence; of tokens, with EOS",
    "log_probs": "log P of the whole hypothesis in nats, EOS included",
    "scores": "log P with the penalties; hypotheses are sorted by it",
    "attention_weights": "weights over the source's steps, which sum to 1",
}

#: What `length` is where each modality has steps of its own.
LENGTHS = (
    "valid steps of each segment in each modality, in the order of `reads`, 1 up to the steps sent; all modalities are "
    "sent with as many steps, and what lies beyond is not read"
)


def reads_apart(reads: Mapping[str, Read | Columns]) -> bool:
    """Whether each of the modalities that a model reads has steps of its own: several step by step are all aligned."""
    return len(reads) > 1 and not all(info["aligned"] for info in reads.values())


def describe_export(run: Run, functions: Mapping[str, Any]) -> ExportDescription:
    """The content of `signature.json`, apart from the checksums.

    Args:
        run: the exported run.
        functions: name → concrete function, as saved.
    """
    modalities = run.data["modalities"]
    environment = {name: value for name, value in run.environment.items() if name not in ("records", "data", "devices")}
    return {
        "format_version": EXPORT_FORMAT,
        "recipe": str(run.recipe),
        "reads": {name: {**modalities[name], "unit": _unit(name)} for name in run.recipe.inputs.modalities},
        "writes": {name: {**modalities[name], "unit": _unit(name)} for name in _targets(run)},
        "target": run.config.output.target if _targets(run) else None,
        "step_ratio": _step_ratio(run),
        # As it was read: it is checked, and no object.
        "label": cast(ScaleFields, run.data["label"]),
        "max_steps": run.data["max_steps"],
        "steps_per_word": run.data.get("steps_per_word", {}),
        **_describe_text(run),
        **_describe_extraction(run),
        **_describe_neighbours(run),
        "signatures": {name: _describe_function(function) for name, function in functions.items()},
        "metrics": _own_metrics(run),
        "provenance": {
            "trained_with": environment,
            "exported_with": {"mmtrans": mmtrans.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
            "config": run.config.to_dict(),
        },
    }


def _describe_text(run: Run) -> _WordVectors:
    """Where the words' vectors come from."""
    if "text" not in run.recipe.inputs.modalities:
        return {}
    text = text_of(run.data)
    described: _WordVectors = {"text": None if text is None else text.to_json()}
    files = source_files(run.data, run.records_path, run.manifest_hash)
    if files is not None:
        described["files"] = sorted(files)
    return described


def _describe_extraction(run: Run) -> _Extraction:
    """How the clips were measured that the run learned from."""
    extraction = run.data.get("extraction")
    return {} if extraction is None else {"extraction": extraction}


def _describe_neighbours(run: Run) -> _Neighbours:
    """Whether a score depends on the other segments of a video."""
    return {"reads_videos": True} if run.recipe.inputs.reads_videos else {}


def load_signature(directory: str | Path) -> Signature:
    """Reads what an export says of itself.

    Raises:
        FileNotFoundError: a SavedModel without `signature.json`.
        ValueError: the signature is damaged, or of another version.
    """
    path = Path(directory) / SIGNATURE_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"The SavedModel does not say what it reads. Expected {SIGNATURE_NAME} beside it. "
            f"Received: model={directory}. Give a directory made by `mmtrans export`."
        )
    remedy = "Export the run again."
    content = read_json(path, dict[str, Any], remedy)
    version = content.get("format_version")
    if version != EXPORT_FORMAT:
        raise ValueError(
            f"The signature has another version. Expected {EXPORT_FORMAT}. Received: format_version={shown(version)} "
            f"({path}). {remedy}"
        )
    return shaped(content, Signature, path, remedy)


def _own_metrics(run: Run) -> dict[str, Shown]:
    """Split → what was measured on the run's own records; what says nothing of its records is of those."""
    splits = read_splits(run.path / "metrics.json", Shown)
    own = run.manifest_hash
    return {split: result for split, result in splits.items() if result.get("records", own) == own}


def _targets(run: Run) -> tuple[str, ...]:
    return run.last_translation.recipe.target.modalities if run.has_translation else ()


def _step_ratio(run: Run) -> dict[str, float] | None:
    """Target steps for each source step over train, where the target has steps of its own."""
    ratio = run.statistics.ratio(run.last_translation.recipe) if run.has_translation else None
    return None if ratio is None else ratio._asdict()


def _unit(modality: str) -> str:
    return "word vectors as they come" if modality == "text" else "raw values of the feature extractor"


def _describe_function(function) -> FunctionDescription:
    _, inputs = function.structured_input_signature
    return {
        "inputs": {name: _describe_tensor(name, spec, is_input=True) for name, spec in sorted(inputs.items())},
        "outputs": {name: _describe_tensor(name, spec) for name, spec in sorted(function.structured_outputs.items())},
    }


def _describe_tensor(name: str, spec: tf.TensorSpec, is_input: bool = False) -> Described:
    meaning = MEANINGS.get(name, f"raw {name} features of each step; a cell that is not finite counts as 0")
    described: Described = {
        "dtype": spec.dtype.name,
        "shape": None if spec.shape.rank is None else spec.shape.as_list(),
        "meaning": LENGTHS if name == "length" and spec.shape.rank == 2 else meaning,
    }
    if is_input and name in SEARCH_INPUTS:
        described["default_of_mmtrans"] = SEARCH_INPUTS[name][1]
    return described
