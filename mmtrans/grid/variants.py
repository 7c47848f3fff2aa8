"""What a run of a grid is, apart from its seed: the one home of its name, and of what is a row."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmtrans.config import FIELDS, Config
from mmtrans.config.effect import contradicted, idle
from mmtrans.config.files import flattened, known_fields, read_yaml
from mmtrans.recipe import Translation, parse, slug

#: Fields that differ between the runs of a grid, whatever their variant.
VARIED = {name for name, field in FIELDS.items() if field.grid == "varied"}

#: Fields that a variant cannot change.
RESERVED = {name for name, field in FIELDS.items() if field.grid != "free"}

#: Fields that a grid sets itself, at the defaults that its own configuration has.
OWN = {name: field.default for name, field in FIELDS.items() if field.grid in ("varied", "fixed")}

#: Most bytes of the name of a run or a training: its log is `<name>.log`, and file systems take 255.
MOST_NAME = 251


@dataclass(frozen=True, order=True)
class Variant:
    """What a run is, apart from its seed.

    Attributes:
        recipe: a canonical recipe.
        untrained: the control whose encoder is left as it was initialised.
        label_fraction: share of the train labels that the sentiment phase sees.
        name: name of the fields in which it differs from the grid's configuration; empty for the plain one.
    """

    recipe: str
    untrained: bool = False
    label_fraction: float = 1.0
    name: str = ""

    @property
    def title(self) -> str:
        """In words: `T->A [joint], 10 % of the labels`."""
        parts = [f"{self.recipe} [{self.name}]" if self.name else self.recipe]
        if self.untrained:
            parts.append("untrained")
        if self.label_fraction < 1:
            parts.append(f"{100 * self.label_fraction:g} % of the labels")
        return ", ".join(parts)

    @property
    def plain(self) -> Variant:
        """The same with the grid's configuration as it is."""
        return replace(self, name="")

    @property
    def with_all_labels(self) -> Variant:
        """The same with all of the train labels."""
        return replace(self, label_fraction=1.0)

    def run_name(self, seed: int) -> str:
        """Name of a run's directory."""
        untrained = "-untrained" if self.untrained else ""
        labels = f"-labels-{self.label_fraction}" if self.label_fraction < 1 else ""
        name = f"+{self.name}" if self.name else ""
        return fitted(f"{slug(parse(self.recipe))}{untrained}{labels}{name}-seed-{seed}")


def fitted(name: str) -> str:
    """The name of a run or a training; of one that a file system would refuse its start, and a digest of it all."""
    data = name.encode()
    if len(data) <= MOST_NAME:
        return name
    ending = f"-{hashlib.sha256(data).hexdigest()[:12]}"
    # Half a character at the cut goes.
    return data[: MOST_NAME - len(ending)].decode(errors="ignore") + ending


def rows_of(
    recipes: Iterable[str],
    controls: bool,
    label_fractions: Iterable[float],
    named: Mapping[str, Mapping[str, Any]],
    config: Config,
) -> tuple[Variant, ...]:
    """The rows of a grid: recipes, each named variant of them, controls, and then all with fewer labels.

    Args:
        recipes: canonical recipes.
        controls: whether each translation is also run untrained, and beside the features that it reads.
        label_fractions: shares of the train labels, other than all of them, with which everything is also run.
        named: name of a variant → its fields. Features that read none of them have no such row.
        config: what the rows have in common.
    """
    recipes, unnamed, beside = list(recipes), [], []
    if controls:
        translations = [recipe for recipe in recipes if isinstance(parse(recipe), Translation)]
        unnamed = [str(parse(recipe).inputs) for recipe in translations]
        beside = [Variant(recipe, untrained=True) for recipe in translations]
    whole = [Variant(recipe) for recipe in (*recipes, *unnamed)]
    for name, fields in named.items():
        whole += [Variant(recipe, name=name) for recipe in recipes if _concerns(fields, replace(config, recipe=recipe))]
    whole += beside
    fewer = [replace(variant, label_fraction=share) for share in label_fractions for variant in whole]
    return tuple(dict.fromkeys([*whole, *fewer]))


def _concerns(fields: Iterable[str], config: Config) -> bool:
    unread = idle(config, varied=FIELDS.keys() - {"recipe"})
    return isinstance(parse(config.plan.recipe), Translation) or any(name not in unread for name in fields)


def config_of(variant: Variant, named: Mapping[str, Mapping[str, Any]], config: Config) -> Config:
    """The configuration of a row's runs, with the seed of `config`."""
    fields = named[variant.name] if variant.name else {}
    own = {"recipe": variant.recipe, "untrained": variant.untrained, "label_fraction": variant.label_fraction}
    own |= {name: FIELDS[name].default for name in _left_out(variant.recipe, variant.untrained)}
    return replace(config, **{**fields, **own})


def _left_out(recipe: str, untrained: bool) -> set[str]:
    """Fields that a run has at their default, whatever its variant says: others would contradict its row."""
    return contradicted(Config(recipe=recipe, untrained=untrained), VARIED)


def variant_of(
    run: Mapping[str, Any], named: Mapping[str, Mapping[str, Any]], common: Mapping[str, Any]
) -> Variant | None:
    """The row that a run is of, or `None` where its configuration is neither plain nor that of a named variant.

    Args:
        run: the fields of its configuration.
        named: name of a variant → its fields.
        common: the fields of the grid's configuration.
    """
    varied = {name for fields in named.values() for name in fields}
    varied -= _left_out(run["recipe"], run.get("untrained", False))
    for name, fields in {"": {}, **named}.items():
        wanted = {**common, **fields}
        if all(run.get(f, FIELDS[f].default) == wanted.get(f, FIELDS[f].default) for f in varied):
            return Variant(run["recipe"], run.get("untrained", False), run.get("label_fraction", 1.0), name)
    return None


def is_name(text: str) -> bool:
    """Whether a variant may be called so: its runs' directories are."""
    return re.fullmatch(r"\w[\w.-]*", text) is not None and len(text.encode()) <= 100


def read_variants(path: str | Path, config: Config) -> dict[str, dict[str, Any]]:
    """The variants of a YAML file, as `parse_variants` takes them; a FileNotFoundError where there is no such file."""
    return parse_variants(read_yaml(path, "variant", "variants"), config, str(path))


def parse_variants(specs: Mapping[Any, Any], config: Config, where: str) -> dict[str, dict[str, Any]]:
    """Variants, `name: {field: value, …}`, checked: name → its fields.

    Args:
        specs: the variants, as YAML reads them.
        config: the configuration that the variants change.
        where: the place that they are from, for the message.

    Raises:
        ValueError: a name that is used twice or is no name, fields that are unknown, reserved or out of range, or a
            variant that is the same as another or as the plain configuration.
    """
    plain = replace(config, init=os.path.realpath(config.plan.init) if config.plan.init else "")
    named, made = {}, {plain: "the plain configuration"}
    for name, fields in specs.items():
        if not is_name(str(name)) or not isinstance(fields, dict):
            raise ValueError(
                f"Not a variant. Expected `name: {{field: value, …}}` named by letters, digits, dots, hyphens, "
                f"at most 100. "
                f"Received: {name!r}: {fields!r} ({where})."
            )
        place = f"variant {name}, {where}"
        names = flattened(fields, place)
        if reserved := sorted(RESERVED & set(names)):
            raise ValueError(
                f"A variant cannot vary these fields. Expected others than {sorted(RESERVED)}. "
                f"Received: {reserved} ({place}). Leave them out; the flags of the grid say them."
            )
        changed = replace(config, **known_fields(fields, place))
        # However its path is spelled.
        shape = replace(changed, init=os.path.realpath(changed.plan.init) if changed.plan.init else "")
        if shape in made:
            raise ValueError(
                f"Variants must differ. Expected another configuration than {made[shape]}. "
                f"Received: {name}: {fields} ({where}). Change a field, or leave the variant out."
            )
        made[shape] = f"variant {name}"
        values = changed.to_dict()
        named[str(name)] = {field: values[field] for field in names}
    return named
