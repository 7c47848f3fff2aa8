"""`segments.json` of a run: the ids of the segments that it was trained on, and of those that its `--init` run was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mmtrans.system.files import write_atomically
from tfrecords.stored import read_json

if TYPE_CHECKING:
    from mmtrans.data.records import Records

#: File in a run directory. Runs of the first releases have none.
SEEN = "segments.json"

#: Train makes the weights, valid chooses among them.
SEEN_SPLITS = ("train", "valid")

_REMEDY = "Delete it: the run's records are asked in its place."


def ids_to_see(records: Records, inherited: frozenset[str] | None) -> dict[str, list[str] | None]:
    """Ids of the segments that a run is to be trained on, by split, and in `init` those that it inherits.

    Args:
        records: the run's records.
        inherited: ids that the run which it starts from has seen; empty without one, `None` where nobody knows.

    Raises:
        ValueError: a shard is corrupt.
    """
    readable = [split for split in SEEN_SPLITS if split in records.splits]
    ids: dict[str, list[str] | None] = {split: records.ids(split) for split in readable}
    return {**ids, "init": None if inherited is None else sorted(inherited)}


def save_seen(run_path: Path, ids: dict[str, list[str] | None]) -> None:
    """Writes what `ids_to_see` gives into a run directory."""
    write_atomically(run_path / SEEN, json.dumps(ids, indent=0))


def read_seen(run_path: Path) -> frozenset[str] | None:
    """All ids of a run's `segments.json`, or `None` where nobody knows them.

    Raises:
        FileNotFoundError: the run has no such file.
        ValueError: the file is damaged.
    """
    parts = read_json(run_path / SEEN, dict[str, list[str] | None], _REMEDY).values()
    return None if None in parts else frozenset(id_ for ids in parts for id_ in ids or ())


def ids_in_records(path: Path, manifest_hash: str) -> frozenset[str] | None:
    """Ids of train and valid of some records, or `None` where they are not there as they were.

    Args:
        path: directory of the records.
        manifest_hash: hash that their manifest had.
    """
    from mmtrans.data.records import Records

    try:
        records = Records.open(path, splits=SEEN_SPLITS)
    except (FileNotFoundError, ValueError):
        return None
    if records.manifest.manifest_hash != manifest_hash:
        return None
    return frozenset(id_ for split in SEEN_SPLITS for id_ in records.ids(split))
