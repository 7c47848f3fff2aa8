"""Which segments a run was trained on: `segments.json`, their ids, and those of the run that it started from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mmtrans.data.records import Records
from mmtrans.system.files import write_atomically
from tfrecords.stored import read_json

if TYPE_CHECKING:
    from mmtrans.runs.run import Run

#: File in a run directory. Runs of the first releases have none.
SEEN = "segments.json"

#: Train makes the weights, valid chooses among them.
SEEN_SPLITS = ("train", "valid")

_REMEDY = "Delete it: the run's records are asked in its place."


def ids_to_see(records: Records, init: Run | None) -> dict[str, list[str] | None]:
    """Ids of the segments that a run is to be trained on, by split, and in `init` those of the run that it starts from:
    an empty list where there is none, `None` where nobody knows.

    Raises:
        ValueError: a shard is corrupt.
    """
    readable = [split for split in SEEN_SPLITS if split in records.splits]
    ids: dict[str, list[str] | None] = {split: records.ids(split) for split in readable}
    given = seen_by(init) if init else frozenset()
    return {**ids, "init": None if given is None else sorted(given)}


def save_seen(run_path: Path, ids: dict[str, list[str] | None]) -> None:
    """Writes what `ids_to_see` gives into a run directory."""
    write_atomically(run_path / SEEN, json.dumps(ids, indent=0))


def seen_by(run: Run) -> frozenset[str] | None:
    """Ids of the segments that made or chose a run's weights, with those of the run that it started from.

    A run that does not say is asked through its records, if they are still there as they were.

    Returns:
        `None` where nobody knows.
    """
    path = run.path / SEEN
    if path.is_file():
        parts = read_json(path, dict[str, list[str] | None], _REMEDY).values()
    else:
        parts = (_ids_in_records(run), _seen_by_init(run))
    return None if None in parts else frozenset(id_ for ids in parts for id_ in ids)


def _ids_in_records(run: Run) -> list[str] | None:
    try:
        records = Records.open(run.records_path, splits=SEEN_SPLITS)
    except (FileNotFoundError, ValueError):
        return None
    if records.manifest.manifest_hash != run.manifest_hash:
        return None
    return [id_ for split in SEEN_SPLITS for id_ in records.ids(split)]


def _seen_by_init(run: Run) -> frozenset[str] | None:
    try:
        init = run.init
    except FileNotFoundError:  # within another run there is no copy of it
        return None
    return seen_by(init) if init else frozenset()
