"""Phase keys, digests and the names of runs: by them runs, grids and searches find again what earlier versions made."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmtrans.config import Config
from mmtrans.config.conditions import BOTH
from mmtrans.config.fields import added, option
from mmtrans.config.sections import RegressorConfig
from mmtrans.config.translation import EncoderConfig
from mmtrans.runs.phases import phases_of

MANIFEST_HASH = "0" * 64

#: Of the run that configurations with an `init` start from.
INIT_HASH = "1" * 64

ENTRIES = json.loads(Path(__file__).with_name("keys.json").read_text(encoding="utf-8"))


def entry_of(fields, kind=Config):
    """What `keys.json` holds of a configuration, given the fields that are not at their default.

    Its phases have keys, the first digits of which stand there: those of a run of format 1 (`keys_1`), those where all
    modalities have the steps of the words (`keys`), and those where audio has its own (`keys_unaligned`).
    """
    config, init_hash = kind(**fields), INIT_HASH if "init" in fields else None

    def keys(**options):
        return [phase.key[:16] for phase in phases_of(config, MANIFEST_HASH, init_hash, **options)]

    return {
        "fields": fields,
        "digest": config.digest(MANIFEST_HASH),
        "run": config.default_run(MANIFEST_HASH),
        "keys_1": keys(run_format=1),
        "keys": keys(),
        "keys_unaligned": keys(unaligned={"audio"}),
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["fields"]))
def test_keys_and_names_are_what_they_were(entry):
    assert entry_of(entry["fields"]) == entry


@dataclass(frozen=True, kw_only=True)
class GrownEncoder(EncoderConfig):
    """With a field that a later version adds."""

    norm: str = added("none", "what normalises the encoder's output", BOTH)


@dataclass(frozen=True, kw_only=True)
class RenamedRegressor(RegressorConfig):
    """In which a later version calls the pooling otherwise."""

    summary: str = option("attention", "how the regressor summarises its steps", ("sentiment",), was="pooling")


@dataclass(frozen=True, init=False)
class Later(Config):
    """The configuration of a later version."""

    encoder: GrownEncoder
    regressor: RenamedRegressor


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["fields"]))
def test_a_field_of_a_later_version_changes_no_key(entry):
    fields = {"summary" if name == "pooling" else name: value for name, value in entry["fields"].items()}
    later = entry_of({**fields, "norm": "none"}, Later)
    assert {**later, "fields": entry["fields"]} == entry


def test_a_field_of_a_later_version_makes_keys_of_its_own_where_it_says_something():
    before, later = entry_of({}), entry_of({"norm": "layer"}, Later)
    for name in ("digest", "run"):
        assert later[name] != before[name]
    for name in ("keys", "keys_1"):
        assert set(later[name]).isdisjoint(before[name])
