"""Flags and fields that do nothing: what was typed is refused, what comes from elsewhere is noted."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mmtrans.config import FIELDS, Config
from mmtrans.config.effect import changed, idle


def check_idle(
    arguments: argparse.Namespace,
    common: Config,
    configs: Sequence[Config],
    stored: Callable[[], Mapping[str, Any]],
    varied: Collection[str] = (),
) -> list[str]:
    """Notes on fields that have no effect in any of some configurations though they are not at their default.

    Args:
        arguments: Of the command, which have the fields that were typed.
        common: What the configurations have in common.
        configs: The configurations.
        stored: Gives the fields that the command's directory was made with: what was typed then may be typed again.
        varied: Fields that are searched: what depends on them may have an effect.

    Raises:
        ValueError: Such a field was typed, and is new.
    """
    reasons = find_idle(changed(common), configs, varied)
    typed = sorted(set(reasons) & set(vars(arguments)))
    before = stored() if typed else {}
    new = {name: reasons[name] for name in typed if before.get(name) != common.to_dict()[name]}
    if new:
        flags = ", ".join(FIELDS[name].flag for name in new)
        raise ValueError(
            f"Flags have no effect here. Expected those that the recipe reads. Received: {_listed(new, common)}. "
            f"Leave {flags} out."
        )
    return [note(reasons, common)] if reasons else []


def find_idle(names: Collection[str], configs: Sequence[Config], varied: Collection[str] = ()) -> dict[str, str]:
    """Of some fields those without effect in all of some configurations → why, in the first of them."""
    found = [idle(config, varied) for config in configs]
    return {name: found[0][name] for name in names if all(name in reasons for reasons in found)}


def note(reasons: Mapping[str, str], config: Config, where: str = "") -> str:
    """The line about fields of a configuration that have no effect.

    Args:
        reasons: Field → why.
        config: Their values.
        where: They are from, if it must be said.
    """
    return f"Note: These fields{where} have no effect here: {_listed(reasons, config)}."


def _listed(reasons: Mapping[str, str], config: Config) -> str:
    values = config.to_dict()
    return ", ".join(f"{name}={values[name]!r} ({reason})" for name, reason in reasons.items())
