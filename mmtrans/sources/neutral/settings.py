"""The `corpus.json` of our plain format: the label's scale, column names, and which modalities follow the words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmtrans.sources.labels import stated_scale
from mmtrans.sources.modalities import modality_of
from mmtrans.sources.words import storable_text
from mmtrans.system.user_files import has_file, read_text
from tfrecords.schema import LabelScale

Part = TypeVar("Part")


@dataclass(frozen=True)
class Settings:
    """What `corpus.json` says; parts that it leaves out are `None` or empty."""

    label: LabelScale | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aligned: Mapping[str, bool] = field(default_factory=dict)
    extraction: Mapping[str, Mapping[str, Any]] | None = None


def read_settings(path: Path) -> Settings:
    """Reads `{"label": {name, low, high, neutral}, "columns": {modality: [names]}, "aligned": {modality: bool}}`.

    Modalities go by any of their names, as those of the arrays do. Of `extraction`, by which `mmtrans extract` tells
    how it made the corpus, `settings`, `packages` and `models` are kept.

    Returns:
        The settings; empty ones where there is no file.

    Raises:
        ValueError: the file is no JSON of this form.
    """
    if not has_file(path, "corpus.json"):
        return Settings()
    try:
        content = json.loads(read_text(path, "corpus.json", "JSON in UTF-8"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise _refusal(path, " ".join(str(error).split())) from error
    if not isinstance(content, dict) or set(content) - {"label", "columns", "aligned", "extraction"}:
        raise _refusal(path, f"{sorted(content) if isinstance(content, dict) else type(content).__name__}")
    columns = _by_modality(content.get("columns", {}), list, path)
    aligned = _by_modality(content.get("aligned", {}), bool, path)
    for name, names in columns.items():
        if not all(isinstance(column, str) for column in names):
            raise _refusal(path, f"columns of {name} that are no text")
    label = _read_scale(content["label"], path) if "label" in content else None
    stored = {name: tuple(map(storable_text, names)) for name, names in columns.items()}
    return Settings(label, stored, aligned, _read_extraction(content.get("extraction")))


def _read_extraction(part: object) -> dict[str, dict[str, Any]] | None:
    """What is kept of how clips were extracted; nothing where it is not what `mmtrans extract` writes."""
    kept = {name: part.get(name) for name in ("settings", "packages", "models")} if isinstance(part, dict) else {}
    found = {name: value for name, value in kept.items() if isinstance(value, dict)}
    if not all(isinstance(value, str) for name in ("packages", "models") for value in found.get(name, {}).values()):
        return None
    return found if {"settings", "packages"} <= found.keys() else None


def _by_modality(part: object, kind: type[Part], path: Path) -> dict[str, Part]:
    if isinstance(part, dict) and all(isinstance(value, kind) for value in part.values()):
        found = {modality: value for name, value in part.items() if (modality := modality_of(name)) is not None}
        if len(found) == len(part):
            return found
    raise _refusal(path, f"{part!r:.100}")


def _read_scale(label: object, path: Path) -> LabelScale:
    fields = ("low", "high", "neutral")
    if not isinstance(label, dict) or set(label) != {"name", *fields} or not isinstance(label["name"], str):
        raise _refusal(path, f"label={label!r:.100}")
    try:
        return stated_scale(storable_text(label["name"]), [label[field] for field in fields])
    except ValueError as error:
        raise _refusal(path, f"label={label!r:.100}") from error


def _refusal(path: Path, received: str) -> ValueError:
    return ValueError(
        f"The settings of the corpus cannot be read. Expected JSON with some of label (name, low, high, neutral: "
        f"finite, low < high, neutral between), columns (modality: names) and aligned (modality: true or false), with "
        f"each modality once, by a known name. Received: {received} ({path}). Correct or remove the file."
    )
