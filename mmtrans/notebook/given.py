"""What a notebook gives for records, a configuration and an engine, as the rest of the code wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmtrans.config import Config
from mmtrans.config.files import layered
from mmtrans.data.records import Records
from mmtrans.engine.options import EngineOptions
from mmtrans.training.train import make_deterministic


def configuration(config: Config | str | Path | None, preset: str | None, fields: Mapping[str, Any]) -> Config:
    """A configuration, or the default one changed by a preset and by a YAML file, if any, with some fields changed.

    Raises:
        ValueError: as of `layered`; or a preset is given beside a configuration, which has all fields already.
    """
    if not isinstance(config, Config):
        return layered(preset, config, fields)
    if preset:
        raise ValueError(
            f"A preset is nothing beside a whole configuration. Expected one of them. Received: preset={preset!r} and "
            f"a Config. Leave one out, or give a file of the fields that differ."
        )
    return replace(config, **fields)


def engine_of(jobs: int | None, scheduler: str | None, resources: Mapping[str, float] | None) -> EngineOptions:
    """Where trainings are done; this process is made ready for them, if it is here. Raises as `EngineOptions` does."""
    options = EngineOptions.chosen(jobs, scheduler, resources)
    if options.is_here:
        make_deterministic()
    return options


def records_of(data: Records | str | Path, text_encoder: str | None, **splits: Any) -> Records:
    """Opened records, or those of a directory; `splits` as of `Records.open`, whose errors it raises."""
    directory = data.directory if isinstance(data, Records) else data
    return replace(Records.open(directory, **splits), text_encoder=text_encoder or "")
