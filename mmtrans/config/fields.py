"""How a field of the configuration is declared: whatever any room knows of a field stands in its declaration."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mmtrans.bounds import MOST_REAL, check_number
from tfrecords.stored import shown

#: The most of any size of a model: beyond it no machine holds the weights.
MOST_SIZE = 1_000_000


@dataclass(frozen=True)
class Condition:
    """What must hold for a field to have an effect.

    Attributes:
        fields: Those that it looks at.
        holds: Whether it does, given field → value of a whole configuration.
        otherwise: Why the field has no effect where it does not hold; `{name}` stands for the value of a field.
        remedy: What to do where the field's value then contradicts the others, a clause; empty where it is only idle.
    """

    fields: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    otherwise: str
    remedy: str = ""


def when(field: str, value: Any, remedy: str = "") -> Condition:
    """The condition that a field has a value."""
    return Condition((field,), lambda flat: flat[field] == value, f"{field}={{{field}!r}}", remedy)


def unless(field: str, value: Any, remedy: str = "") -> Condition:
    """The condition that a field has another value."""
    return Condition((field,), lambda flat: flat[field] != value, f"{field}={{{field}!r}}", remedy)


@dataclass(frozen=True)
class Field:
    """What is known of a field.

    Attributes:
        default: Its value where nobody says otherwise.
        help: What it is, a clause.
        phases: Kinds of phases whose key depends on it.
        needs: What must hold for it to have an effect.
        low, high, most: Its bounds, as of `check_number`.
        canonical: Makes one spelling of many.
        shapes: Parts of a translation whose weights it gives their shape: `encoder`, `decoder`, `latent`.
        grows: Whether a run may change it when it is started again: upwards.
        grid: What it is to a grid: `varied` from run to run, `fixed` at its default, `common` to all runs, or `free` to
            differ in a variant.
        search: What it is to a search: `fixed` at its default, `common` to all trials, or `free` to be searched.
        help_place: Where `--help` shows it: `first`, in its section's `group`, or only with `--help-all` (`rare`).
        is_added: Whether versions before had no such field: digests and keys know it only where it differs from its
            default.
        was: Its name in earlier versions: files may still use it, and digests and keys do.
        name, section, kind: Filled in: its name, the section that it is in, and its type.
    """

    default: Any
    help: str
    phases: tuple[str, ...]
    needs: tuple[Condition, ...] = ()
    low: float | None = None
    high: float | None = None
    most: float | None = None
    canonical: Callable[[Any], Any] | None = None
    shapes: tuple[str, ...] = ()
    grows: bool = False
    grid: Literal["varied", "fixed", "common", "free"] = "free"
    search: Literal["fixed", "common", "free"] = "free"
    help_place: Literal["first", "group", "rare"] = "group"
    is_added: bool = False
    was: str = ""
    name: str = ""
    section: str = ""
    kind: Any = None

    @property
    def flag(self) -> str:
        """The flag of a command that sets it."""
        return "--" + self.name.replace("_", "-")

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values to choose from; none where there is no list of them."""
        return typing.get_args(self.kind) if typing.get_origin(self.kind) is Literal else ()

    def checked(self, value: Any) -> Any:
        """A value as the configuration holds it.

        Raises:
            ValueError: It is of the wrong type or out of range; the message names field, bounds and value.
        """
        kind = self.kind
        if self.choices:
            if value not in self.choices:
                raise ValueError(
                    f"Unknown {self.name}. Expected one of {list(self.choices)}. "
                    f"Received: {self.name}={shown(value)}. Choose one of these."
                )
            return value
        if kind is float and type(value) is int:
            value = float(value) if abs(value) <= MOST_REAL else math.inf if value > 0 else -math.inf
        if type(value) in (int, float) and kind is str and self.default[:1].isdecimal():
            value = str(value)  # YAML reads it as a number
        if type(value) is not kind:
            raise ValueError(
                f"Wrong type. Expected {kind.__name__}. Received: {self.name}={shown(value)}. "
                f"Give a value of that type."
            )
        if kind in (int, float):
            check_number(self.name, value, self.low, self.high, self.most)
        return self.canonical(value) if self.canonical else value


def option(default: Any, text: str, phases: tuple[str, ...], needs: tuple[Condition, ...] = (), **known: Any) -> Any:
    """Declares a field of a section; the arguments are those of `Field`."""
    return dataclasses.field(default=default, metadata={"field": Field(default, text, phases, needs, **known)})


#: Declares a field that earlier versions did not have.
added = functools.partial(option, is_added=True)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Fields of one component.

    Raises:
        ValueError: A value that its field does not take.
    """

    def __post_init__(self) -> None:
        for name, field in fields_in(type(self)).items():
            object.__setattr__(self, name, field.checked(getattr(self, name)))


@functools.cache
def fields_in(section: type[Section]) -> dict[str, Field]:
    """Name → field of a section, in the order of declaration."""
    kinds = typing.get_type_hints(section)
    return {
        field.name: dataclasses.replace(field.metadata["field"], name=field.name, kind=kinds[field.name])
        for field in dataclasses.fields(section)
    }
