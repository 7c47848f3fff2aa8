"""The weights of a text encoder: read from and written to `model.safetensors`, which holds numbers alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mmtrans.system.user_files import what_is
from mmtrans.words.folder import TOKENIZER_SETTINGS, WEIGHTS_NAME, EncoderFolder
from mmtrans.words.model import TextEncoder
from mmtrans.words.settings import CONFIG_NAME

_REMEDY = "Download the encoder again, or choose another."

#: What stands before all names in files of models with heads.
_PREFIXES = ("bert.", "distilbert.", "roberta.")

#: Parts of models that are no part of the encoder: heads, and tables that follow from the sizes.
_UNUSED = ("pooler.", "cls.", "lm_head.", "classifier.", "pre_classifier.", "qa_outputs.", "vocab_")
_UNUSED_NAMES = ("embeddings.position_ids", "embeddings.token_type_ids")

#: Old names of the two parts of a normalisation.
_OLD = {"gamma": "weight", "beta": "bias"}

#: Our sub-layer → its name in the file, of BERT and RoBERTa, and of DistilBERT.
_EMBEDDINGS = {"pieces": "word_embeddings", "places": "position_embeddings", "types": "token_type_embeddings"}
_BLOCK = {
    "query": ("attention.self.query", "attention.q_lin"),
    "key": ("attention.self.key", "attention.k_lin"),
    "value": ("attention.self.value", "attention.v_lin"),
    "attended": ("attention.output.dense", "attention.out_lin"),
    "attended_norm": ("attention.output.LayerNorm", "sa_layer_norm"),
    "expand": ("intermediate.dense", "ffn.lin1"),
    "contract": ("output.dense", "ffn.lin2"),
    "norm": ("output.LayerNorm", "output_layer_norm"),
}


def load_weights(encoder: TextEncoder, folder: EncoderFolder) -> None:
    """Fills an encoder with the weights of a folder.

    Raises:
        ValueError: the file is damaged, lacks a tensor, has one that no encoder of this family has, or one of another
            shape.
    """
    path = folder.path / WEIGHTS_NAME
    try:
        with safe_open(str(path), "numpy") as file:
            stored = {_plain_name(name): name for name in file.keys()}  # noqa: SIM118
            places = dict(_places(encoder, folder.settings.family))
            _check_names(set(places), stored, folder)
            for name, (variable, is_kernel) in places.items():
                array = file.get_tensor(stored[name])
                array = np.asarray(array.T if is_kernel else array, np.float32)
                _check_array(name, array, tuple(variable.shape), path)
                variable.assign(array)
    except SafetensorError as error:
        kind = what_is(path)
        received = kind.name if kind is not None else str(error)
        raise ValueError(
            f"The weights of the text encoder cannot be read. Expected a whole file of safetensors. "
            f"Received: {received} ({path}). {_REMEDY}"
        ) from error


def save_folder(encoder: TextEncoder, folder: EncoderFolder, out: Path) -> None:
    """Writes an encoder as a folder that other programs read too.

    Args:
        encoder: an encoder of all layers.
        folder: the folder that it came from, whose settings and tokenizer are copied.
        out: the folder to write into, which is there.
    """
    for name in (CONFIG_NAME, TOKENIZER_SETTINGS, *folder.tokenizer):
        if (folder.path / name).is_file():
            shutil.copyfile(folder.path / name, out / name)
    arrays = {
        name: np.ascontiguousarray(np.array(variable).T if is_kernel else np.array(variable))
        for name, (variable, is_kernel) in _places(encoder, folder.settings.family)
    }
    save_file(arrays, str(out / WEIGHTS_NAME), metadata={"format": "pt"})


def _places(encoder: TextEncoder, family: str) -> Iterator[tuple[str, tuple[Any, bool]]]:
    """Name in the file → the variable, and whether it is a kernel, which the file holds transposed."""
    distil = int(family == "distilbert")
    for part, name in _EMBEDDINGS.items():
        if (variable := getattr(encoder.embeddings, part)) is not None:
            yield f"embeddings.{name}.weight", (variable, False)
    yield from _norm("embeddings.LayerNorm", encoder.embeddings.norm)
    for number, block in enumerate(encoder.blocks):
        for part, names in _BLOCK.items():
            name = f"{('encoder.layer', 'transformer.layer')[distil]}.{number}.{names[distil]}"
            layer = getattr(block, part)
            if part.endswith("norm"):
                yield from _norm(name, layer)
            else:
                yield f"{name}.weight", (layer.kernel, True)
                yield f"{name}.bias", (layer.bias, False)


def _norm(name: str, layer: Any) -> Iterator[tuple[str, tuple[Any, bool]]]:
    yield f"{name}.weight", (layer.gamma, False)
    yield f"{name}.bias", (layer.beta, False)


def _plain_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_OLD.get(last, last)}"


def _check_names(wanted: set[str], stored: Mapping[str, str], folder: EncoderFolder) -> None:
    missing = sorted(wanted - set(stored))
    higher = tuple(f"{stem}.layer." for stem in ("encoder", "transformer"))
    extra = sorted(
        original
        for name, original in stored.items()
        # Blocks above the last layer that is asked for are not read.
        if name not in wanted
        and not name.startswith(_UNUSED)
        and name not in _UNUSED_NAMES
        and not (name.startswith(higher) and _block(name) < folder.settings.num_layers)
    )
    if missing or extra:
        received = f"none of {missing[0]}" if missing else f"{extra[0]}, which the encoder does not have"
        count = len(missing or extra)
        raise ValueError(
            f"The weights are not those of the text encoder that {CONFIG_NAME} describes. Expected the tensors of "
            f"{folder.settings.num_layers} layers of {folder.settings.family}. Received: {received} "
            f"({count} such names, {folder.path / WEIGHTS_NAME}). {_REMEDY}"
        )


def _block(name: str) -> int:
    number = name.split(".")[2]
    return int(number) if number.isdecimal() else 1 << 30


def _check_array(name: str, array: np.ndarray, expected: tuple[int, ...], path: Path) -> None:
    if array.shape != expected or not np.isfinite(array).all():
        received = f"shape {array.shape}" if array.shape != expected else "numbers that are not finite"
        raise ValueError(
            f"The weights do not fit the text encoder. Expected {name} of finite numbers, shape {expected}. "
            f"Received: {received} ({path}). {_REMEDY}"
        )
