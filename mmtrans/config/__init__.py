"""The configuration of a run: sections of fields, from which the command line and YAML files are made."""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import typing
from dataclasses import dataclass, replace
from typing import Any

from mmtrans.config.conditions import BOTH
from mmtrans.config.fields import Field, Section, fields_in
from mmtrans.config.sections import FusionConfig, JointConfig, OptimisationConfig, PlanConfig, RegressorConfig
from mmtrans.config.text import TextConfig
from mmtrans.config.translation import DecoderConfig, EncoderConfig, LatentConfig, OutputConfig
from mmtrans.recipe import parse, slug
from mmtrans.system.arithmetic import ceil_div

#: What runs learn that are made now; `environment.json` keeps it as `run_format`. Runs without it are of format 1, in
#: which the distance bias counts steps of targets that have others than their source, and where a latent of the final
#: state alone passes (`bottleneck=vae`, `attention=none`), what reads the encoder reads its output at each step. In
#: those up to format 2 crossmodal transformers (`mult`) add the normalised input to what a block has read, do not
#: normalise what comes of the last block, and drop as much within blocks as elsewhere (`regressor_dropout`).
RUN_FORMAT = 3


@dataclass(frozen=True, init=False)
class Config:
    """Everything that decides what a run learns, apart from the records.

    It is made of fields by name, `Config(recipe="T->A", units=8)`, since no two sections share one, or of sections;
    `dataclasses.replace` takes either too. It is read by sections: `config.encoder.units`.

    Raises:
        ValueError: a value of the wrong type or out of its range; the message names field, bounds and value.
        TypeError: a name that is no field.

    Example:
        ```pycon
        >>> config = api.Config(recipe="T->A", units=8)
        >>> config.encoder.units, config.encoder.cell
        (8, 'lstm')
        ```
    """

    plan: PlanConfig
    text: TextConfig
    encoder: EncoderConfig
    decoder: DecoderConfig
    output: OutputConfig
    latent: LatentConfig
    regressor: RegressorConfig
    fusion: FusionConfig
    joint: JointConfig
    optimisation: OptimisationConfig

    def __init__(self, **given: Any) -> None:
        for name, kind in sections_of(type(self)).items():
            section, values = given.pop(name, None), {f: given.pop(f) for f in fields_in(kind) if f in given}
            object.__setattr__(self, name, replace(section, **values) if section else kind(**values))
        if given:
            close = (difflib.get_close_matches(name, FIELDS, 1) for name in given)
            meant = " and ".join(match[0] for match in close if match)
            asked = f". Did you mean {meant}?" if meant else ""
            raise TypeError(f"A configuration has no such fields: {sorted(given)}{asked}")

    def to_dict(self) -> dict[str, Any]:
        """Field name → value, in the order of declaration."""
        return {name: value for section in self.to_sections().values() for name, value in section.items()}

    def to_sections(self) -> dict[str, dict[str, Any]]:
        """Section → its field name → value, in the order of declaration."""
        return {section: dict(vars(getattr(self, section))) for section in sections_of(type(self))}

    def for_phase(self, scores: bool, train_steps: int) -> Config:
        """The configuration as the training of a phase reads it: how many epochs there are, and whether that is fixed.

        Args:
            scores: whether the phase learns sentiment.
            train_steps: steps of an epoch.
        """
        fixed = self.optimisation.fixed_steps if scores else 0
        epochs = ceil_div(fixed, train_steps) if fixed else self.optimisation.epochs
        return replace(self, fixed_steps=fixed, epochs=epochs)

    def read_by(self, phase_kind: str) -> dict[str, Any]:
        """What a phase of this kind reads, for its key (`seed` and `recipe` apart: the key holds them by name)."""
        kinds = {phase_kind, *BOTH} if phase_kind == "joint" else {phase_kind}
        fields = fields_of(type(self)).values()
        return self._hashed(field for field in fields if kinds & set(field.phases) and field.name != "seed")

    def digest(self, manifest_hash: str = "") -> str:
        """Eight hexadecimal digits that name this configuration on these records, whatever fields that grow are."""
        fields = self._hashed(field for field in fields_of(type(self)).values() if not field.grows)
        fields["init"] = os.path.relpath(self.plan.init) if self.plan.init else ""
        return digest([fields, manifest_hash])[:8]

    def default_run(self, manifest_hash: str) -> str:
        """`runs/<recipe>-<hash>`: the same fields on the same records find their run again."""
        return f"runs/{slug(parse(self.plan.recipe))}-{self.digest(manifest_hash)}"

    def _hashed(self, fields: typing.Iterable[Field]) -> dict[str, Any]:
        """Name → value of what a hash of fields is made of: it stays what it is when fields are added or renamed."""
        values = self.to_dict()
        return {
            field.was or field.name: values[field.name]
            for field in fields
            if not (field.is_added and values[field.name] == field.default)
        }


@functools.cache
def sections_of(kind: type[Config]) -> dict[str, type[Section]]:
    """Name → class of a configuration's sections."""
    return typing.get_type_hints(kind)


@functools.cache
def fields_of(kind: type[Config]) -> dict[str, Field]:
    """Name → field of a configuration, section by section."""
    return {
        name: replace(field, section=section)
        for section, section_kind in sections_of(kind).items()
        for name, field in fields_in(section_kind).items()
    }


#: Name → field of the configuration, section by section.
FIELDS = fields_of(Config)


def digest(value: Any) -> str:
    """sha256 of a JSON-serialisable value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
