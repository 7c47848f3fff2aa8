"""Phase keys, digests and the names of runs: by them runs, grids and searches find again what earlier versions made."""

import json
from pathlib import Path

import pytest

from mmtrans.cli.train import default_run
from mmtrans.config import Config
from mmtrans.runs.phases import phases_of

MANIFEST_HASH = "0" * 64

#: Of the run that configurations with an `init` start from.
INIT_HASH = "1" * 64

ENTRIES = json.loads(Path(__file__).with_name("keys.json").read_text(encoding="utf-8"))


def entry_of(fields):
    """What `keys.json` holds of a configuration, given the fields that are not at their default.

    Its phases have keys, the first digits of which stand there: those of a run of format 1 (`keys_1`), those where all
    modalities have the steps of the words (`keys`), and those where audio has its own (`keys_unaligned`).
    """
    config, init_hash = Config(**fields), INIT_HASH if "init" in fields else None

    def keys(**options):
        return [phase.key[:16] for phase in phases_of(config, MANIFEST_HASH, init_hash, **options)]

    return {
        "fields": fields,
        "digest": config.digest(MANIFEST_HASH),
        "run": default_run(config, MANIFEST_HASH),
        "keys_1": keys(run_format=1),
        "keys": keys(),
        "keys_unaligned": keys(unaligned={"audio"}),
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["fields"]))
def test_keys_and_names_are_what_they_were(entry):
    assert entry_of(entry["fields"]) == entry
