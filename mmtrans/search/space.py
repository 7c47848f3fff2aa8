"""What a search may vary: lists and ranges of configuration fields, as YAML writes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmtrans.bounds import MOST_REAL
from mmtrans.config import FIELDS, Config
from mmtrans.config.effect import idle
from mmtrans.config.fields import Field
from mmtrans.config.files import flattened, number, read_yaml

#: Field → what is tried unless the user says otherwise.
DEFAULTS: Mapping[str, Any] = {
    "units": {"low": 16, "high": 256, "step": 2, "sampling": "log"},
    "num_layers": [1, 2],
    "cell": ["lstm", "gru"],
    "bidirectional": [True, False],
    "attention_units": {"low": 16, "high": 128, "step": 2, "sampling": "log"},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.1},
    "learning_rate": {"low": 3e-4, "high": 1e-2, "sampling": "log"},
    "batch_size": [16, 32, 64],
    "regressor_units": {"low": 16, "high": 256, "step": 2, "sampling": "log"},
    "regressor_dropout": {"low": 0.0, "high": 0.6, "step": 0.1},
    "fusion_units": {"low": 8, "high": 64, "step": 2, "sampling": "log"},
    "fused_units": {"low": 32, "high": 256, "step": 2, "sampling": "log"},
    "fusion_rank": [1, 2, 4, 8, 16],
    "fusion_layers": [1, 2, 4],
    "fusion_dropout": {"low": 0.0, "high": 0.6, "step": 0.1},
    "similarity_weight": [0.1, 0.3, 1.0],
    "difference_weight": [0.1, 0.3, 1.0],
    "reconstruction_weight": [0.1, 0.3, 1.0],
    "fusion_topology": ["hybrid", "view-specific", "coupled", "fully-connected"],
    "sentiment_loss": ["mae", "mse", "huber"],
}

MOST_VALUES = 10_000


@dataclass(frozen=True)
class Choices:
    """Values to choose from; each is one that the configuration takes."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, uniformly, or uniformly in their logarithm where `sampling` is `log`."""

    low: float
    high: float
    sampling: str


Parameter = Choices | Interval


def default_space(config: Config, fixed: Collection[str] = ()) -> dict[str, Any]:
    """Field → what is tried of it, in the form of a YAML file: those that the recipe reads and that are not `fixed`."""
    left_out = {*idle(config), *fixed}
    return {name: spec for name, spec in DEFAULTS.items() if name not in left_out}


def chosen_space(
    space: str | Path | Mapping[Any, Any] | None, config: Config, fixed: Collection[str]
) -> dict[str, Any]:
    """What a user lets vary, in the form of a YAML file; checked.

    Args:
        space: a YAML file, or its content; `None` for the default.
        config: what all trials have in common.
        fixed: fields that the user has fixed otherwise.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no space, or one that names what is fixed.
    """
    if space is None:
        return default_space(config, fixed)
    where = "space" if isinstance(space, Mapping) else str(space)
    specs = dict(space) if isinstance(space, Mapping) else read_yaml(space, "space", "space")
    parse_space(specs, config, where)
    if twice := sorted(set(fixed) & set(specs)):
        raise ValueError(
            f"These are both searched and fixed. Expected one of them. Received: {twice} by flags and in the space "
            f"({where}). Leave out the flag, or the line."
        )
    return specs


def parse_space(specs: Mapping[Any, Any], config: Config, where: str) -> dict[str, Parameter]:
    """What is tried of each field.

    Args:
        specs: field → a value, a list of values, or a range: `{low, high, step, sampling}`, of which `step` is the
            distance between two values, the factor where `sampling` is `log`, and 1 or the factor 2 for whole numbers
            unless given; a range of fractions without a step is continuous.
        config: what all trials have in common.
        where: the specs are from, for messages.

    Raises:
        ValueError: names that are no fields or that all trials have in common; values that the configuration does not
            take; a range that is none.
    """
    specs = flattened(specs, where)
    free = {name for name, field in FIELDS.items() if field.search == "free"}
    if reserved := sorted(set(specs) - free):
        flags = ", ".join(field.flag for field in FIELDS.values() if field.search == "common")
        raise ValueError(
            f"These cannot be searched. Expected some of {sorted(free)}. Received: {reserved} ({where}). "
            f"Use {flags} for those."
        )
    return {name: _parameter(FIELDS[name], spec, where) for name, spec in specs.items()}


def check_effect(specs: Mapping[Any, Any], config: Config, where: str) -> None:
    """Raises a ValueError where a search would vary what has no effect; arguments as of `parse_space`."""
    specs = flattened(specs, where)
    unread = idle(config, varied=specs)
    if without := sorted(set(specs) & set(unread)):
        reasons = ", ".join(f"{name} ({unread[name]})" for name in without)
        free = sorted(name for name, field in FIELDS.items() if field.search == "free" and name not in unread)
        raise ValueError(
            f"These have no effect here. Expected some of {free}. Received: {reasons} ({where}). Leave them out."
        )


def _parameter(field: Field, spec: Any, where: str) -> Parameter:
    kind = field.kind
    if isinstance(spec, dict):
        if kind not in (int, float):
            raise ValueError(f"{field.name} has no range. Expected a list of values. Received: {spec} ({where}).")
        parameter = _range(field.name, spec, kind, where)
    else:
        parameter = Choices(tuple(spec) if isinstance(spec, list) else (spec,))
        if not parameter.values:
            raise ValueError(f"{field.name} has no values. Expected at least one. Received: [] ({where}).")
    if isinstance(parameter, Interval):
        low, high = (_taken(field, value, where) for value in (parameter.low, parameter.high))
        return Interval(low, high, parameter.sampling)
    return Choices(tuple(dict.fromkeys(_taken(field, value, where) for value in parameter.values)))


def _taken(field: Field, value: Any, where: str) -> Any:
    """A value as the configuration takes it."""
    try:
        return field.checked(number(value))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{error} Correct the space ({where}).") from error


def _range(name: str, spec: Mapping[Any, Any], kind: type, where: str) -> Parameter:
    whole = kind is int
    settings = {"step": None, "sampling": "linear", **{key: number(value) for key, value in spec.items()}}
    is_log = settings["sampling"] == "log"
    if settings["step"] is None and whole:
        settings["step"] = 2 if is_log else 1
    if not _is_range(settings, whole):
        raise ValueError(
            f"{name} is not a range. Expected low < high{', whole' if whole else ''}; if given, step > 0; sampling "
            f"linear, or log with low > 0 and step, a factor, > 1. Received: {dict(spec)} ({where})."
        )
    low, high, step = (settings[key] for key in ("low", "high", "step"))
    if step is None:
        return Interval(float(low), float(high), settings["sampling"])
    values, value = [], low
    # Tolerant, as 0.1 + 0.2 > 0.3.
    while value <= high + 1e-9 * abs(high) and len(values) <= MOST_VALUES:
        values.append(int(value) if whole else float(f"{value:.10g}"))
        value = low * step ** len(values) if is_log else low + step * len(values)
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"{name} has too many values. Expected at most {MOST_VALUES}. Received: {dict(spec)} ({where}). "
            f"Choose a larger step."
        )
    return Choices(tuple(values))


def _is_range(settings: Mapping[Any, Any], whole: bool) -> bool:
    if set(settings) != {"low", "high", "step", "sampling"} or settings["sampling"] not in ("linear", "log"):
        return False
    low, high, step = (settings[key] for key in ("low", "high", "step"))
    for value in (low, high) if step is None else (low, high, step):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MOST_REAL:
            return False
        if whole and value != int(value):
            return False
    is_log = settings["sampling"] == "log"
    return low < high and (low > 0 or not is_log) and (step is None or step > (1 if is_log else 0))


def is_value(parameter: Parameter, value: Any) -> bool:
    """Whether a parameter may have a value."""
    if isinstance(parameter, Choices):
        return any(type(value) is type(choice) and value == choice for choice in parameter.values)
    return type(value) in (int, float) and parameter.low <= value <= parameter.high


def from_keras_tuner(space: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration fields that a trial's values stand for; those of an interval have six digits, for people."""
    fields = {}
    for name, parameter in space.items():
        if isinstance(parameter, Choices):
            fields[name] = {str(value): value for value in parameter.values}[values[name]]
        else:
            fields[name] = min(max(float(f"{values[name]:.6g}"), parameter.low), parameter.high)
    return fields
