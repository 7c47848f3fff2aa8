"""Finds the folder of a text encoder: a path, an installed package that holds one, or a model of a hub."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmtrans.system.user_files import check_file, has_file
from mmtrans.words.settings import CONFIG_NAME, EncoderSettings
from tfrecords.manifest import file_sha256
from tfrecords.stored import read_json

WEIGHTS_NAME = "model.safetensors"

#: What the pieces are made with; the first set that is whole counts.
TOKENIZER_FILES = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"))

#: Says how the words are to be spelled and which marks begin and end a sentence; may be absent.
TOKENIZER_SETTINGS = "tokenizer_config.json"

#: Weights in which a program may be hidden.
_PICKLES = ("pytorch_model.bin", "model.ckpt.index", "tf_model.h5", "flax_model.msgpack")

_PACKAGE = re.compile(r"[A-Za-z][\w.-]*")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class EncoderFolder:
    """A folder that holds a text encoder.

    Attributes:
        name: what the user called it.
        path: the folder.
        settings: what its `config.json` says.
        tokenizer: names of the files that its pieces are made with.
        sha256: of its settings, weights and tokenizer; equal where the vectors are.
    """

    name: str
    path: Path
    settings: EncoderSettings
    tokenizer: tuple[str, ...]
    sha256: str


def open_folder(name: str | Path) -> EncoderFolder:
    """Finds a text encoder, and reads what `config.json` says of it.

    Args:
        name: a folder; or the name of an installed package that holds one; or `owner/name`, perhaps `@revision`, of a
            model hub, where `huggingface_hub` fetches it.

    Raises:
        FileNotFoundError: there is nothing of this name; the message says how to get it.
        ValueError: the folder is of another architecture, or lacks weights that can be read safely, or a tokenizer.
    """
    text = str(name)
    path = Path(name) if text and os.path.isdir(name) else folder_in_package(text, WEIGHTS_NAME) or _on_hub(text)
    if path is None:
        raise FileNotFoundError(
            f"There is no text encoder of this name. Expected a folder with {CONFIG_NAME} and {WEIGHTS_NAME}, an "
            f"installed package that holds one, or owner/name of a model hub. Received: {text}. Check the name, or "
            f"install the encoder that the README names with `make encoder`."
        )
    if not has_file(path / CONFIG_NAME, "settings of the text encoder"):
        raise _lacking(path, CONFIG_NAME, "Give the folder that holds the encoder's own files.")
    settings = EncoderSettings.read(path)
    if not has_file(path / WEIGHTS_NAME, "weights of the text encoder"):
        raise _lacking(path, WEIGHTS_NAME, _remedy_for_weights(path))
    wanted = (names for names in TOKENIZER_FILES if all(has_file(path / file, "tokenizer") for file in names))
    tokenizer = next(wanted, None)
    if tokenizer is None:
        expected = ", or ".join(" and ".join(names) for names in TOKENIZER_FILES)
        raise _lacking(path, expected, "Copy the encoder's folder whole.")
    return EncoderFolder(text, path, settings, tokenizer, _sha256(path, tokenizer))


def read_tokenizer_settings(folder: EncoderFolder) -> dict[str, Any]:
    """The content of `tokenizer_config.json`, empty where there is none."""
    path = folder.path / TOKENIZER_SETTINGS
    if not has_file(path, "settings of the tokenizer"):
        return {}
    return read_json(path, dict[str, Any], "Copy the encoder's folder whole.")


def folder_in_package(name: str, weights: str) -> Path | None:
    """The folder inside an installed package that holds settings and weights; the package's own code is not run."""
    if not _PACKAGE.fullmatch(name) or "." in name:
        return None
    found = importlib.util.find_spec(name.replace("-", "_"))
    for place in (found.submodule_search_locations or ()) if found else ():
        root = Path(place)
        inside = sorted(root.glob(f"*/{CONFIG_NAME}"))
        for path in [root, *(config.parent for config in inside)]:
            if (path / CONFIG_NAME).is_file() and (path / weights).is_file():
                return path
    return None


def _on_hub(name: str) -> Path | None:
    if not _HUB_NAME.fullmatch(name):
        return None
    from mmtrans.words.hub import fetch

    repository, _, revision = name.partition("@")
    return fetch(repository, revision or None)


def _remedy_for_weights(path: Path) -> str:
    pickled = next((name for name in _PICKLES if (path / name).exists()), None)
    if pickled is None:
        return "Copy the encoder's folder whole."
    return (
        f"It has {pickled}, which may hold a program: where you trust it, load it with the transformers library and "
        f"write it with save_pretrained(folder, safe_serialization=True)."
    )


def _lacking(path: Path, expected: str, remedy: str) -> ValueError:
    found = sorted(entry.name for entry in path.iterdir())
    received = ", ".join(found[:6]) + (", …" if len(found) > 6 else "") or "an empty folder"
    return ValueError(
        f"The folder is no text encoder that can be read. Expected {expected}. Received: {received} ({path}). {remedy}"
    )


def _sha256(path: Path, tokenizer: tuple[str, ...]) -> str:
    names = [CONFIG_NAME, WEIGHTS_NAME, *tokenizer]
    if has_file(path / TOKENIZER_SETTINGS, "settings of the tokenizer") and tokenizer != TOKENIZER_FILES[0]:
        names.append(TOKENIZER_SETTINGS)
    hashes = {name: _file_sha256(str(check_file(path / name, "file of the text encoder"))) for name in sorted(names)}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _file_sha256(path: str) -> str:
    found = os.stat(path)
    return _remembered_sha256(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=64)
def _remembered_sha256(path: str, modified: int, size: int) -> str:
    """The hash of a file as it was then; one process asks several times for the same large files."""
    return file_sha256(path)
