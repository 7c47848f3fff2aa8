"""The page of all fields of a configuration, section by section, written from their declarations."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from mmtrans.config import FIELDS, Config, sections_of
from mmtrans.config.conditions import EXISTS
from mmtrans.config.fields import Condition, Field, Section, fields_in
from tools.reference.markdown import escaped, page, table

_INTRODUCTION = """
A configuration is everything that decides what a run learns, apart from the records. Each field is a flag of
`mmtrans train`, a key of a YAML file, and a keyword of `mmtrans.api.Config`. `mmtrans tune` and `mmtrans grid` take
most of the flags, too.

| where | how |
|---|---|
| flag | `--decoder-units 64`; `--no-bidirectional` for a field that is true or false |
| `--config FILE.yaml` | `decoder_units: 64`, alone or under its section `decoder:` |
| Python | `Config(decoder_units=64)`, read as `config.decoder.decoder_units` |

A flag overrides the file, the file overrides the configuration that `--preset` names, and that overrides the defaults.
`mmtrans train --print-config` prints the configuration that results. A run keeps it as `config.yaml`. The same run
takes no other one later, except a larger `epochs`.

The last column says when a field has no effect. A flag without an effect is refused; in a file it is noted.
"""


def configuration_page() -> str:
    """The page as it has to be."""
    sections = (_section(name, section) for name, section in sections_of(Config).items())
    return page("# Configuration", _INTRODUCTION, *(block for blocks in sections for block in blocks))


def _section(name: str, section: type[Section]) -> tuple[str, ...]:
    idle = {field: reasons(field) for field in fields_in(section).values()}
    shared = [reason for reason in next(iter(idle.values())) if all(reason in each for each in idle.values())]
    rows = (
        [
            f"`{field.name}`",
            f"`{yaml_of(field.default)}`",
            escaped(field.help),
            values(field),
            ", ".join(reason for reason in own if reason not in shared),
        ]
        for field, own in idle.items()
    )
    text = escaped(inspect.getdoc(section) or "")
    if shared:
        text += f" No field of it has an effect if {', or if '.join(shared)}."
    return f"## {name}", text, table(["field", "default", "what it is", "values", "no effect if"], rows)


def values(field: Field) -> str:
    """The values that a field takes."""
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    if field.kind in (bool, str):
        return "`true`, `false`" if field.kind is bool else "text"
    high = field.most if field.high is None else field.high
    kind = "whole number" if field.kind is int else "number"
    return f"{kind}, {field.low:,g} or more" if high is None else f"{kind}, {field.low:,g} to {_grouped(high)}"


def _grouped(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def yaml_of(value: Any) -> str:
    """A value as a YAML file has it."""
    return value if isinstance(value, str) and value else json.dumps(value)


def reasons(field: Field) -> list[str]:
    """When a field has no effect, a clause each."""
    conditions = (*EXISTS[field.phases], *field.needs)
    return list(dict.fromkeys(clause for condition in conditions for clause in _broken(condition)))


def _broken(condition: Condition) -> Iterator[str]:
    """When a condition does not hold: the values that break it, if one field alone decides, or else what it says."""
    name = re.search(r"\{(\w+)!r\}", condition.otherwise)
    decides = name[1] if name else condition.fields[0]
    if not name and (len(condition.fields) > 1 or decides == "recipe"):
        yield condition.otherwise.replace("{recipe}", "the recipe")
        return
    defaults = {field.name: field.default for field in FIELDS.values()}
    for value in _candidates(FIELDS[decides]):
        if not condition.holds({**defaults, decides: value}):
            setting = f"`{decides}: {yaml_of(value)}`"
            yield condition.otherwise.replace(f"{decides}={{{decides}!r}}", setting) if name else setting


def _candidates(field: Field) -> list[Any]:
    """Values of a field of which one may break a condition."""
    if field.choices or field.kind is bool:
        return list(field.choices or (True, False))
    return list(dict.fromkeys([field.default, field.kind(0)]))
