"""Which fields of a configuration have an effect: those of a phase that its recipe has, as their declarations say."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from mmtrans.config import Config, fields_of
from mmtrans.config.conditions import EXISTS
from mmtrans.config.fields import Condition, Field


def idle(config: Config, varied: Collection[str] = ()) -> dict[str, str]:
    """Field → why it has no effect, whatever its value is.

    Args:
        config: The configuration.
        varied: Fields of which it has but one of several values: what depends on them may have an effect.
    """
    reasons = {}
    for field in fields_of(type(config)).values():
        broken = (condition for condition in _broken(field, config) if not set(varied) & set(condition.fields))
        if condition := next(broken, None):
            reasons[field.name] = condition.otherwise.format(**config.to_dict())
    return reasons


def changed(config: Config) -> dict[str, Any]:
    """Field → value of the fields that are not at their default."""
    fields = fields_of(type(config))
    return {name: value for name, value in config.to_dict().items() if value != fields[name].default}


def contradicted(config: Config, known: Collection[str]) -> set[str]:
    """Fields that would contradict a configuration, of which only some fields are known, at any but their default."""
    return {
        field.name
        for field in fields_of(type(config)).values()
        for condition in _broken(field, config)
        if condition.remedy and set(condition.fields) <= set(known)
    }


def check_consistent(config: Config) -> None:
    """Raises a ValueError where fields of a configuration contradict each other."""
    given = changed(config)
    for field in fields_of(type(config)).values():
        broken = list(_broken(field, config))
        if field.name in given and broken and all(condition.remedy for condition in broken):
            reason = broken[0].otherwise.format(**config.to_dict())
            raise ValueError(
                f"Fields contradict each other: {reason}. Expected {field.name}={field.default!r} then. "
                f"Received: {field.name}={given[field.name]!r}. {broken[0].remedy}, or leave {field.flag} out."
            )


def _broken(field: Field, config: Config) -> Iterator[Condition]:
    """The conditions of a field that do not hold."""
    flat = config.to_dict()
    return (condition for condition in (*EXISTS[field.phases], *field.needs) if not condition.holds(flat))
