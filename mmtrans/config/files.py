"""Configurations and other mappings in YAML files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmtrans.config import FIELDS, Config, sections_of
from mmtrans.system.user_files import read_text
from tfrecords.stored import shown

#: Folder of the configurations that ship.
PRESETS = Path(__file__).parent / "presets"

#: Name of a field in earlier versions → its name.
RENAMED = {field.was: name for name, field in FIELDS.items() if field.was}


def number(value: Any) -> Any:
    """A YAML value, as a number where it is one that YAML 1.1 reads as text: 1e-3, without a dot."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value) else value


#: What the YAML library raises on a file that is none, besides its own errors: it leaves some to Python.
_YAML_DAMAGE = (ValueError, RecursionError, LookupError, TypeError, AttributeError, ArithmeticError)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Configuration fields of a YAML file, ready for `Config(**fields)`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no YAML mapping, or has names that are no fields (listed, sorted).
    """
    return known_fields(read_yaml(path, "configuration", "config"), str(path))


def preset_names() -> tuple[str, ...]:
    """Names of the configurations that ship."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def load_preset(name: str) -> dict[str, Any]:
    """Fields of a configuration that ships, as `load_yaml` gives those of a file; a ValueError where there is none."""
    if name not in preset_names():
        raise ValueError(
            f"Unknown preset. Expected one of {list(preset_names())}. Received: preset={shown(name)}. "
            f"Choose one of these, or give a file of your own as the configuration."
        )
    return load_yaml(PRESETS / f"{name}.yaml")


def layered(preset: str | None, path: str | Path | None, fields: Mapping[str, Any]) -> Config:
    """The default configuration, changed by a preset, then by a file, then by fields that are given one by one.

    Args:
        preset: name of a configuration that ships, if any.
        path: a YAML file, if any.
        fields: name → value.

    Raises:
        FileNotFoundError: no such file.
        ValueError: there is no such preset, a field is unknown or out of range, or the file is no YAML mapping.
    """
    layers = (load_preset(preset) if preset else {}, load_yaml(path) if path else {}, fields)
    return Config(**{name: value for layer in layers for name, value in layer.items()})


def known_fields(fields: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Fields as YAML reads them, by sections or flat, ready for `Config(**fields)`.

    Args:
        fields: name → value, or section → its fields.
        where: the place that the fields are from, for the message.

    Raises:
        ValueError: names that are no fields (listed, sorted), or a value that its field does not take.
    """
    return {name: _taken(name, value, where) for name, value in flattened(fields, where).items()}


def flattened(fields: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Name of a field → what is said of it, of a mapping in which fields may stand in their sections.

    Args:
        fields: name, also one of an earlier version, or section → its fields.
        where: the place that the fields are from, for the message.

    Raises:
        ValueError: names that are no fields (listed, sorted), or a field that stands there twice.
    """
    sections = sections_of(Config)
    flat: dict[str, Any] = {}
    unknown, twice = [], set()
    for key, content in fields.items():
        is_section = key in sections and (content is None or isinstance(content, Mapping))
        for name, value in (content or {}).items() if is_section else [(key, content)]:
            field = FIELDS.get(RENAMED.get(str(name), str(name)))
            if field is None or (is_section and field.section != key):
                unknown.append(f"{key}.{name}" if is_section else str(name))
                continue
            twice |= {field.name} & set(flat)
            flat[field.name] = value
    if unknown:
        raise ValueError(
            f"Unknown configuration fields. Expected some of {sorted(FIELDS)}. Received: {sorted(unknown)} ({where})."
        )
    if twice:
        raise ValueError(
            f"A field is given twice. Expected each once. Received: {sorted(twice)} ({where}). Leave out one of them."
        )
    return flat


def _taken(name: str, value: Any, where: str) -> Any:
    """A field's value of a file, as the configuration takes it."""
    field = FIELDS[name]
    try:
        return field.checked(number(value) if field.kind is float else value)
    except ValueError as error:
        raise ValueError(f"{error} The value stands in {where}.") from error


def read_yaml(path: str | Path, what: str, flag: str) -> dict[Any, Any]:
    """The mapping that a YAML file holds.

    Args:
        path: the file.
        what: what the file is, for the message.
        flag: name of the flag that named the file, for the message.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no YAML mapping, or has a key twice, of which YAML would take the last.
    """
    import yaml

    path = Path(path)
    text = read_text(path, f"{what} file", "a YAML file in UTF-8")
    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, *_YAML_DAMAGE) as error:
        where = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Not a YAML file. Expected a mapping of field: value. Received: {flag}={path} "
            f"({type(error).__name__}: {where}). Write it anew."
        ) from error
    if not isinstance(fields, dict):
        raise ValueError(f"A {what} must be a mapping of field: value. Received: {type(fields).__name__} ({path}).")
    root = yaml.compose(text, yaml.SafeLoader)
    mappings = [root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))]
    keys = [[key.value for key, _ in mapping.value if isinstance(key.value, str)] for mapping in mappings]
    twice = sorted({key for names in keys for key in names if names.count(key) > 1})
    if twice:
        raise ValueError(f"A name is used twice. Expected each once. Received: {twice} ({path}). Rename one of them.")
    return fields


def dump_yaml(fields: Mapping[str, Any]) -> str:
    """YAML text of a mapping, in its order."""
    import yaml

    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
