"""What a notebook gives for records, a configuration and an engine, as the rest of the code wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmtrans.config import Config
from mmtrans.config.files import load_yaml
from mmtrans.data.records import Records
from mmtrans.engine.options import EngineOptions
from mmtrans.training.train import make_deterministic


def configuration(config: Config | str | Path | None, fields: Mapping[str, Any]) -> Config:
    """A configuration, or that of a YAML file, or the default for `None`, with some fields changed."""
    if isinstance(config, Config):
        return replace(config, **fields)
    return Config(**{**(load_yaml(config) if config else {}), **fields})


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
